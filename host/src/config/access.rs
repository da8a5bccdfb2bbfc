//! Who may call. Keys are kept as digests and compared in constant time, whichever client they belong to.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// Who may call.
#[derive(Clone, Debug)]
pub enum Access {
    /// Anybody who reaches the listener, all in one tenant.
    Open,
    /// These clients.
    Keyed(Vec<Client>),
}

impl Access {
    /// The client with this key. Takes the same time for every key of one length, right or wrong.
    pub fn client_for(&self, key: &str) -> Option<&Client> {
        let Self::Keyed(clients) = self else { return None };
        let digest = digest(key);
        clients
            .iter()
            .fold(None, |found, client| if equal(&client.key, &digest) { Some(client) } else { found })
    }
}

/// One caller.
#[derive(Clone)]
pub struct Client {
    /// For logs.
    pub name: Arc<str>,
    /// Its partition: nothing is ever shared across tenants.
    pub tenant: Arc<str>,
    key: [u8; 32],
}

impl Client {
    /// A caller who proves itself by this key.
    pub fn new(name: &str, tenant: Arc<str>, key: &SecretString) -> Self {
        Self { name: name.into(), tenant, key: digest(key.expose_secret()) }
    }

    pub(super) fn same_key(&self, other: &Self) -> bool {
        equal(&self.key, &other.key)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("name", &self.name)
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

/// What is kept of a token.
#[derive(Clone)]
pub(super) struct KeyDigest([u8; 32]);

impl KeyDigest {
    pub(super) fn of(key: &SecretString) -> Self {
        Self(digest(key.expose_secret()))
    }

    /// Takes the same time for every key of one length, right or wrong.
    pub(super) fn is_of(&self, key: &str) -> bool {
        equal(&self.0, &digest(key))
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// No early exit. Digests of unknown input leak nothing useful even if a compiler found one.
fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}
