//! How much the model thinks.

use seawall_plugin::error::ProviderError;
use seawall_translate::Json;
use seawall_translate::settings::{self, Effort};

use crate::models::Model;

/// Least budget that the API takes, in tokens.
const LEAST_BUDGET: u32 = 1_024;

/// What the request says about thinking.
#[derive(Debug, Default)]
pub(super) struct Thinking<'a> {
    /// Member `thinking`.
    pub(super) block: Option<Json<'a>>,
    /// Member `output_config.effort`.
    pub(super) effort: Option<&'static str>,
}

impl<'a> Thinking<'a> {
    /// The client's own `thinking` member if it is in the API's words, else what its effort means for this model.
    /// `forbidden`: the API would refuse thinking beside the rest of the request, so it is left out.
    pub(super) fn of(
        chat: &'a Json<'_>,
        model: Model,
        max_tokens: u32,
        forbidden: bool,
    ) -> Result<Self, ProviderError> {
        let effort = settings::effort(chat)?;
        if let Some(own) = chat.get("thinking").filter(|own| is_native(own)) {
            let effort = effort.filter(|_| model.thinks_adaptively()).map(|effort| word(effort, model));
            return Ok(Self { block: Some(own.lend()), effort });
        }
        let Some(effort) = effort else { return Ok(Self::default()) };
        Ok(if model.thinks_adaptively() {
            Self::adaptive(effort, model, forbidden)
        } else if model.thinks_by_budget() && !forbidden {
            Self { block: budget(effort, max_tokens).map(enabled), effort: None }
        } else {
            Self::default()
        })
    }

    fn adaptive(effort: Effort, model: Model, forbidden: bool) -> Self {
        let stops = effort == Effort::None && model.can_stop_thinking();
        let kind = match (stops, forbidden) {
            (true, _) => Some("disabled"),
            (false, true) => None,
            (false, false) => Some("adaptive"),
        };
        let shown = (kind == Some("adaptive") && model.hides_thoughts()).then_some("summarized");
        let block = kind.map(|kind| Json::object().with("type", kind).with_some("display", shown));
        Self { block, effort: (!stops).then(|| word(effort, model)) }
    }

    /// Thinks with a budget, which excludes other settings.
    pub(super) fn by_budget(&self) -> bool {
        self.block.as_ref().is_some_and(|block| block.text("type") == Some("enabled"))
    }
}

/// Other servers use the same member with other words.
fn is_native(thinking: &Json<'_>) -> bool {
    match thinking.text("type") {
        Some("enabled") => thinking.count("budget_tokens").is_some(),
        Some("adaptive" | "disabled" | "between_tools") => true,
        _ => false,
    }
}

fn word(effort: Effort, model: Model) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::XHigh if model.knows_xhigh() => "xhigh",
        Effort::XHigh | Effort::Max => "max",
    }
}

/// A budget lies under the cap of the whole answer, which is the client's and stays; `None` where that leaves nothing.
fn budget(effort: Effort, max_tokens: u32) -> Option<u32> {
    let wanted = match effort {
        Effort::None => return None,
        Effort::Minimal => LEAST_BUDGET,
        Effort::Low => 2_048,
        Effort::Medium => 8_192,
        Effort::High => 16_384,
        Effort::XHigh | Effort::Max => 24_576,
    };
    let half = max_tokens / 2;
    (half >= LEAST_BUDGET).then_some(wanted.min(half))
}

fn enabled(budget: u32) -> Json<'static> {
    Json::object().with("type", "enabled").with("budget_tokens", budget)
}
