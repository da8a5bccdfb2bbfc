//! Failures, in the contract's words.

pub use crate::bindings::adapter::seawall::plugin::types::{ErrorClass, ProviderError, Scope};

use crate::text;

impl ProviderError {
    /// A failure of that class. The message is cleaned of URLs and keys ([`text::safe`]) and the scope is the usual one
    /// of the class: the credential for `auth` and `quota-exhausted`, else the model.
    pub fn new(class: ErrorClass, message: impl AsRef<str>) -> Self {
        let scope = match class {
            ErrorClass::Auth | ErrorClass::QuotaExhausted => Scope::Credential,
            _ => Scope::Model,
        };
        let message = text::safe(message.as_ref());
        Self { class, scope, message, retry_after_ms: None, code: None, param: None }
    }

    /// The request is wrong and would be wrong everywhere.
    pub fn bad_request(message: impl AsRef<str>) -> Self {
        Self::new(ErrorClass::BadRequest, message)
    }

    /// The reply is not what the provider's API promises.
    pub fn malformed(message: impl AsRef<str>) -> Self {
        Self::new(ErrorClass::Malformed, message)
    }

    /// This provider lacks something that the request asks for in `param`; another may have it.
    pub fn unsupported(param: &str, message: impl AsRef<str>) -> Self {
        Self::new(ErrorClass::UnsupportedParameter, message).with_param(Some(param.to_owned()))
    }

    /// The same failure with the provider's own code.
    #[must_use]
    pub fn with_code(mut self, code: Option<String>) -> Self {
        self.code = code;
        self
    }

    /// The same failure, pointing at a request member.
    #[must_use]
    pub fn with_param(mut self, param: Option<String>) -> Self {
        self.param = param;
        self
    }

    /// The same failure with the provider's hint.
    #[must_use]
    pub fn with_retry_after_ms(mut self, hint: Option<u64>) -> Self {
        self.retry_after_ms = hint;
        self
    }

    /// The same failure with another scope.
    #[must_use]
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }
}
