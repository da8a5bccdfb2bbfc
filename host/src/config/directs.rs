//! Targets that clients name directly. Each becomes a route when it is first named; later requests find it made.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use seawall_core::settings::Alias;

/// Clients may make names up; more than this are made for each request.
const KEPT_CAP: usize = 1_024;

/// Routes by the name that the client used.
#[derive(Debug, Default)]
pub struct Directs(RwLock<HashMap<Arc<str>, Arc<Alias>>>);

impl Clone for Directs {
    /// None: the copy's owner may go on to change what they were made from.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Directs {
    pub(super) fn get(&self, name: &str) -> Option<Arc<Alias>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Keeps it, if there is room.
    pub(super) fn keep(&self, alias: Alias) -> Arc<Alias> {
        let alias = Arc::new(alias);
        if self.0.read().unwrap_or_else(PoisonError::into_inner).len() < KEPT_CAP {
            let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
            kept.insert(Arc::clone(&alias.name), Arc::clone(&alias));
        }
        alias
    }
}
