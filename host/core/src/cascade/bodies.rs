//! The request in every protocol that a candidate may want; translated once, and only when somebody wants it.

use std::sync::Arc;

use crate::body::RequestBody;
use crate::ports::Adapter;
use crate::protocol;
use crate::reply::ClientError;
use crate::request::Protocol;

/// The client's body and its translation.
pub(crate) struct Bodies {
    own: Arc<RequestBody>,
    chat: Option<Result<Translated, ClientError>>,
}

struct Translated {
    body: Arc<RequestBody>,
    lost: Vec<&'static str>,
}

impl Bodies {
    pub(crate) fn new(own: Arc<RequestBody>) -> Self {
        Self { own, chat: None }
    }

    /// The body in a protocol that the adapter takes; its own bytes whenever possible.
    pub(crate) fn for_adapter(&mut self, adapter: &dyn Adapter) -> Result<Arc<RequestBody>, ClientError> {
        if self.own.protocol() != Protocol::Messages || adapter.accepts(Protocol::Messages) {
            return Ok(Arc::clone(&self.own));
        }
        let own = &self.own;
        let chat = self.chat.get_or_insert_with(|| {
            let translated = protocol::messages_to_chat(own)?;
            Ok(Translated { body: Arc::new(translated.body), lost: translated.lost })
        });
        match chat {
            Ok(translated) => Ok(Arc::clone(&translated.body)),
            Err(error) => Err(error.clone()),
        }
    }

    /// What the translation could not carry over.
    pub(super) fn lost(&self) -> &[&'static str] {
        match &self.chat {
            Some(Ok(translated)) => &translated.lost,
            _ => &[],
        }
    }
}
