//! `[chaos]`: how far faults may go, and who may ask for one with a request.

use std::fmt;
use std::path::Path;

use seawall_core::fault::{Caps, MAX_ARMED};
use secrecy::SecretString;

use super::access::KeyDigest;
use super::reader::{At, Context, Section};
use super::secret::SecretRef;
use super::value;

/// How far faults may go, and who may ask for one with a request.
#[derive(Clone, Default)]
pub struct ChaosRules {
    /// How far faults may go.
    pub caps: Caps,
    /// Digest of the token that a request needs to ask for faults; none = no request may.
    token: Option<KeyDigest>,
}

impl ChaosRules {
    /// Whether this is the token with which a request may ask for faults. Takes the same time right or wrong.
    pub fn may_opt_in(&self, token: &str) -> bool {
        self.token.as_ref().is_some_and(|digest| digest.is_of(token))
    }
}

impl fmt::Debug for ChaosRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChaosRules").field("caps", &self.caps).finish_non_exhaustive()
    }
}

/// `[chaos]` as typed.
#[derive(Debug, Default)]
pub(super) struct RawChaos {
    max_faults: Option<At<usize>>,
    max_percent: Option<At<f64>>,
    high_tier_price: Option<At<f64>>,
    pub(super) request_token: Option<At<SecretRef>>,
}

impl RawChaos {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            max_faults: section.get("max_faults", |_, item| value::count(item, 0, MAX_ARMED)),
            max_percent: section.get("max_percent", value::percent),
            high_tier_price: section.get("high_tier_price", value::price),
            request_token: section.get("request_token", SecretRef::read),
        }
    }

    /// A token that is named by a variable which is not set allows nobody.
    pub(super) fn resolve(self, base: &Path, context: &Context<'_>) -> ChaosRules {
        let usual = Caps::default();
        let unset = |token: &At<SecretRef>| matches!(&token.value, SecretRef::Env(name) if context.env.get(name).is_none());
        let token: Option<SecretString> = self
            .request_token
            .filter(|token| !unset(token))
            .and_then(|token| super::resolve::fetch(&token, base, context));
        ChaosRules {
            caps: Caps {
                max_faults: self.max_faults.map_or(usual.max_faults, |found| found.value),
                max_percent: self.max_percent.map_or(usual.max_percent, |found| found.value),
                high_tier_price: self.high_tier_price.map_or(usual.high_tier_price, |found| found.value),
            },
            token: token.as_ref().map(KeyDigest::of),
        }
    }
}
