//! `[audit]`: whether a trail is kept, where, for how long, and what of requests' content.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::reader::{At, Context, Section};
use super::{Problem, value};
use crate::audit::{ContentRules, Patterns, Settings};

/// Folder of the trail within the state directory.
const FOLDER: &str = "audit";
/// Fewer than one batch would be spilled under any load.
const SMALLEST_QUEUE: usize = 64;
/// As many records as fit in a gigabyte.
const LARGEST_QUEUE: usize = 1_000_000;
/// A database of less would be emptied as it is filled.
const SMALLEST_BYTES: u64 = 1 << 20;

/// `[audit]` as typed.
#[derive(Debug, Default)]
pub(super) struct RawAudit {
    enabled: Option<At<bool>>,
    dir: Option<At<String>>,
    queue: Option<At<usize>>,
    max_age: Option<At<Duration>>,
    max_size: Option<At<u64>>,
    max_spill: Option<At<u64>>,
    content: RawContent,
}

/// `[audit.content]` as typed.
#[derive(Debug, Default)]
struct RawContent {
    models: Option<At<Vec<At<String>>>>,
    max_bytes: Option<At<usize>>,
    redact: Option<At<Vec<At<String>>>>,
}

impl RawAudit {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            enabled: section.get("enabled", value::boolean),
            dir: section.get("dir", value::non_empty),
            queue: section.get("queue", |_, item| value::count(item, SMALLEST_QUEUE, LARGEST_QUEUE)),
            max_age: section.get("max_age", value::age),
            max_size: section.get("max_size", |context, item| value::storage(context, item, SMALLEST_BYTES)),
            max_spill: section.get("max_spill", |context, item| value::storage(context, item, 0)),
            content: section.table("content", RawContent::read).unwrap_or_default(),
        }
    }

    /// What is not set stays as [`Settings::usual`] has it.
    pub(super) fn resolve<'a>(
        self,
        base: &Path,
        state_dir: &Path,
        aliases: impl Iterator<Item = &'a Arc<str>>,
        context: &Context<'_>,
    ) -> Settings {
        let usual = usual(state_dir);
        Settings {
            enabled: self.enabled.map_or(usual.enabled, |found| found.value),
            dir: self.dir.map_or(usual.dir, |found| base.join(found.value)),
            queue: self.queue.map_or(usual.queue, |found| found.value),
            max_age: self.max_age.map_or(usual.max_age, |found| found.value),
            max_bytes: self.max_size.map_or(usual.max_bytes, |found| found.value),
            max_spill_bytes: self.max_spill.map_or(usual.max_spill_bytes, |found| found.value),
            content: self.content.resolve(&aliases.collect::<Vec<_>>(), context),
        }
    }
}

impl RawContent {
    fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            models: section.get("models", value::names),
            max_bytes: section.get("max_bytes", value::size),
            redact: section.get("redact", value::names),
        }
    }

    fn resolve(self, aliases: &[&Arc<str>], context: &Context<'_>) -> ContentRules {
        let usual = ContentRules::default();
        let mut wanted = Vec::new();
        for model in self.models.into_iter().flat_map(|found| found.value) {
            match aliases.iter().find(|alias| ****alias == *model.value) {
                Some(alias) => wanted.push(Arc::clone(alias)),
                None => {
                    let known: Vec<&str> = aliases.iter().map(|alias| &***alias).collect();
                    let cause = format!("no alias `{}` is configured", model.value);
                    let fix = format!("content is kept for aliases: {}", known.join(", "));
                    context.report(Problem::new("unknown-alias", cause).at(model.at).fix(fix));
                }
            }
        }
        let redact = self.redact.map_or(usual.redact, |found| patterns(&found.value, context));
        let max_bytes = self.max_bytes.map_or(usual.max_bytes, |found| found.value);
        ContentRules { aliases: wanted, max_bytes, redact }
    }
}

fn patterns(words: &[At<String>], context: &Context<'_>) -> Patterns {
    let mut patterns = Patterns { keys: false, emails: false, cards: false };
    for word in words {
        match word.value.as_str() {
            "keys" => patterns.keys = true,
            "emails" => patterns.emails = true,
            "cards" => patterns.cards = true,
            other => {
                let cause = format!("`{other}` is nothing that can be redacted");
                let fix = "choose of \"keys\", \"emails\" and \"cards\"";
                context.report(Problem::new("bad-choice", cause).at(word.at.clone()).fix(fix));
            }
        }
    }
    patterns
}

/// Without a word from the operator.
pub(super) fn usual(state_dir: &Path) -> Settings {
    Settings::usual(PathBuf::from(state_dir).join(FOLDER))
}
