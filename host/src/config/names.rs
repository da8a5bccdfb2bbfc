//! Which route a client's model name means.

use std::sync::Arc;

use seawall_core::reply::ClientError;
use seawall_core::settings::{Alias, AliasTarget, CapabilityOverrides};
use seawall_core::target::TargetId;

use super::Config;

/// Longer names are not compared: the work grows with the square, and the name is the client's.
const LONGEST_COMPARED: usize = 128;
/// In bytes. A name that a client makes up becomes a target, with a state of its own, and stands in logs.
const LONGEST_NAME: usize = 256;

impl Config {
    /// The route of a client's model name: an alias; else `provider/model`; else, with a sole provider, a model of it.
    /// Anything else is a 404 that names what is near.
    pub fn resolve(&self, name: &str) -> Result<Arc<Alias>, ClientError> {
        if let Some(alias) = self.aliases.get(name) {
            return Ok(alias.clone());
        }
        if let Some(known) = self.directs.get(name) {
            return Ok(known);
        }
        if !nameable(name) {
            return Err(unusable(name));
        }
        let target = match TargetId::parse(name) {
            Some(id) => self.providers.contains_key(&id.provider).then_some(id),
            None if name.is_empty() || name.contains('/') => None,
            None => self.sole_provider().map(|provider| TargetId::new(provider, name)),
        };
        target.map(|id| self.directs.keep(self.direct(name, id))).ok_or_else(|| self.unknown_model(name))
    }

    /// Names that clients can use without guessing: aliases, then the targets they lead to.
    pub fn model_names(&self) -> Vec<String> {
        let targets = self.aliases.values().flat_map(|alias| &alias.targets);
        let mut targets: Vec<_> = targets.map(|target| target.id.to_string()).collect();
        targets.sort_unstable();
        targets.dedup();
        self.aliases.keys().map(ToString::to_string).chain(targets).collect()
    }

    fn sole_provider(&self) -> Option<Arc<str>> {
        let mut names = self.providers.keys();
        let first = names.next()?;
        names.next().is_none().then(|| first.clone())
    }

    /// The operator's word on a target's model.
    fn overrides(&self, id: &TargetId) -> Option<Arc<CapabilityOverrides>> {
        self.providers.get(&id.provider)?.models.get(&id.model).cloned()
    }

    fn direct(&self, name: &str, id: TargetId) -> Alias {
        let overrides = self.overrides(&id);
        let domains = self.providers.get(&id.provider).map(|provider| provider.domains.clone());
        let domains = domains.unwrap_or_default();
        let prompt = self.templates.of(&id);
        let target = AliasTarget { overrides, domains, prompt, ..AliasTarget::new(id) };
        Alias { timeouts: self.default_timeouts, ..Alias::new(name, vec![target]) }
    }

    fn unknown_model(&self, name: &str) -> ClientError {
        let shown: String = name.chars().take(LONGEST_COMPARED).collect();
        let known = self.model_names();
        let near = nearest(name, known.iter().map(String::as_str)).map(str::to_owned).or_else(|| {
            let id = TargetId::parse(name)?;
            let provider = nearest(&id.provider, self.providers.keys().map(|name| &**name))?;
            Some(format!("{provider}/{}", id.model))
        });
        let hint = match (near, self.aliases.is_empty()) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, false) => format!("known: {}", list(self.aliases.keys())),
            (None, true) => {
                format!("name a target as `provider/model`; providers: {}", list(self.providers.keys()))
            }
        };
        ClientError::new(
            404,
            "model_not_found",
            format!("the model `{shown}` is not configured here; {hint}"),
        )
        .with_param("model")
    }
}

/// Whether a name may become a target: short, and nothing that forges a line of a log or steers a terminal.
fn nameable(name: &str) -> bool {
    name.len() <= LONGEST_NAME && !name.chars().any(char::is_control)
}

fn unusable(name: &str) -> ClientError {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(LONGEST_COMPARED).collect();
    let message = format!(
        "no model is named `{shown}`: names have at most {LONGEST_NAME} bytes and no control characters"
    );
    ClientError::new(404, "model_not_found", message).with_param("model")
}

/// The first few names.
fn list<'a>(names: impl Iterator<Item = &'a Arc<str>>) -> String {
    const SHOWN: usize = 10;
    let names: Vec<&str> = names.map(|name| &**name).collect();
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    format!("{}{more}", names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", "))
}

/// The known word that was probably meant: at most a third of the letters differ.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST_COMPARED {
        return None;
    }
    let word = word.to_lowercase();
    let allowed = (word.chars().count() / 3).max(1);
    known
        .filter(|name| name.len() <= LONGEST_COMPARED)
        .map(|name| (strsim::damerau_levenshtein(&word, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
