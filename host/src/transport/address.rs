//! Where a request goes: the operator's base URL, and below it the path that an adapter wrote.
//!
//! A base URL is parsed once, and joined once with each of its first few paths. A path is set on a copy of it, so that
//! nothing an adapter writes can reach the scheme, the host or the port; that it stays below the base's own path is checked
//! again here, although the core has checked it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use reqwest::Url;
use seawall_core::ports::TransportFailure;

/// Base URLs come from the configuration, so there are few; more than this are parsed each time.
const KEPT_CAP: usize = 1024;

/// Paths below one base URL: most adapters write the same one for every request. More are joined each time.
const PATHS_CAP: usize = 8;

/// Parsed base URLs.
#[derive(Debug, Default)]
pub(super) struct Addresses(RwLock<HashMap<Arc<str>, Known>>);

/// One base URL and what was joined to it.
#[derive(Debug)]
struct Known {
    base: Url,
    whole: Vec<(Box<str>, Url)>,
}

impl Addresses {
    /// The whole address.
    pub(super) fn of(&self, base_url: &Arc<str>, path_and_query: &str) -> Result<Url, TransportFailure> {
        let known = self.look(base_url, path_and_query);
        let base = match known {
            Found::Whole(url) => return Ok(url),
            // Whoever writes a path of its own for each request must not take the lock from all others each time.
            Found::Base { base, full: true } => return join(&base, path_and_query),
            Found::Base { base, full: false } => base,
            Found::Nothing => self.parse(base_url)?,
        };
        let url = join(&base, path_and_query)?;
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get_mut(base_url).filter(|known| !known.is_full()) {
            known.whole.push((path_and_query.into(), url.clone()));
        }
        Ok(url)
    }

    fn look(&self, base_url: &Arc<str>, path_and_query: &str) -> Found {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = kept.get(base_url) else { return Found::Nothing };
        match known.whole.iter().find(|(path, _)| **path == *path_and_query) {
            Some((_, url)) => Found::Whole(url.clone()),
            None => Found::Base { base: known.base.clone(), full: known.is_full() },
        }
    }

    fn parse(&self, base_url: &Arc<str>) -> Result<Url, TransportFailure> {
        let base = Url::parse(base_url).map_err(|_| refuse("the provider's base URL is not a URL"))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(refuse("the provider's base URL is neither http nor https"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(refuse(
                "the provider's base URL carries a user name; configure a credential instead",
            ));
        }
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_CAP {
            kept.insert(Arc::clone(base_url), Known { base: base.clone(), whole: Vec::new() });
        }
        Ok(base)
    }
}

impl Known {
    fn is_full(&self) -> bool {
        self.whole.len() >= PATHS_CAP
    }
}

/// What is known of an address.
enum Found {
    Whole(Url),
    Base { base: Url, full: bool },
    Nothing,
}

fn join(base: &Url, path_and_query: &str) -> Result<Url, TransportFailure> {
    let (path, query) = match path_and_query.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path_and_query, None),
    };
    let below = base.path().trim_end_matches('/');
    let whole = format!("{below}{path}");
    let mut url = base.clone();
    url.set_path(&whole);
    url.set_query(query);
    // Setting a path resolves dot segments: what led upwards is no longer below the base.
    let stays =
        path.starts_with('/') && url.path().strip_prefix(below).is_some_and(|rest| rest.starts_with('/'));
    if stays { Ok(url) } else { Err(refuse("the request's path leads away from the provider's base URL")) }
}

fn refuse(why: &str) -> TransportFailure {
    TransportFailure::Connect(why.to_owned())
}
