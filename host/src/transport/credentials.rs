//! The table of provider credentials, as header values ready to send.

use std::collections::HashMap;
use std::fmt;

use http::HeaderValue;
use seawall_core::target::ProviderName;
use secrecy::{ExposeSecret, SecretString};

/// A credential that cannot be sent. Says whose it is, never what it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the credential of provider `{provider}` {why}")]
pub struct CredentialError {
    /// Whose.
    pub provider: ProviderName,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Credentials by provider. A provider without one is asked without credentials.
#[derive(Default)]
pub struct Credentials(HashMap<ProviderName, Credential>);

impl Credentials {
    /// Checks that each secret can travel in a header. Blanks and line ends around it (files end in one) are dropped.
    pub fn new(
        secrets: impl IntoIterator<Item = (ProviderName, SecretString)>,
    ) -> Result<Self, CredentialError> {
        let checked = secrets.into_iter().map(|(provider, secret)| match Credential::new(&secret) {
            Ok(credential) => Ok((provider, credential)),
            Err(why) => Err(CredentialError { provider, why }),
        });
        checked.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn of(&self, provider: &str) -> Option<&Credential> {
        self.0.get(provider)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// One secret in the two forms that headers need. No `Debug`: there is nothing to show.
pub(super) struct Credential {
    secret: SecretString,
    bearer: HeaderValue,
    plain: HeaderValue,
}

impl Credential {
    fn new(secret: &SecretString) -> Result<Self, &'static str> {
        let text = secret.expose_secret().trim();
        if text.is_empty() {
            return Err("is empty");
        }
        let sensitive = |text: &str| -> Result<HeaderValue, &'static str> {
            let mut value = HeaderValue::from_str(text)
                .map_err(|_| "holds a line end or another character that no header may carry")?;
            value.set_sensitive(true);
            Ok(value)
        };
        Ok(Self {
            secret: text.into(),
            bearer: sensitive(&format!("Bearer {text}"))?,
            plain: sensitive(text)?,
        })
    }

    pub(super) fn bearer(&self) -> HeaderValue {
        self.bearer.clone()
    }

    pub(super) fn plain(&self) -> HeaderValue {
        self.plain.clone()
    }

    pub(super) fn text(&self) -> &str {
        self.secret.expose_secret()
    }
}
