//! What each model can do: sizes and prices by family and version, rules of the API by version. As of November 2026.

use seawall_plugin::adapter::Capabilities;

/// A line of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Opus,
    Sonnet,
    Haiku,
    Fable,
}

/// Major and minor, ordered.
type Version = (u8, u8);

/// Sizes in tokens and prices in US dollars for a million tokens, from a version of a family on.
struct Row {
    family: Family,
    since: Version,
    context_window: u32,
    max_output: u32,
    input_price: f64,
    output_price: f64,
}

const fn row(
    family: Family,
    since: Version,
    context_window: u32,
    max_output: u32,
    prices: (f64, f64),
) -> Row {
    Row { family, since, context_window, max_output, input_price: prices.0, output_price: prices.1 }
}

/// Ascending within a family. Prices that depend on the prompt's size are those of short prompts.
const TABLE: [Row; 16] = [
    row(Family::Opus, (3, 0), 200_000, 4_096, (15.0, 75.0)),
    row(Family::Opus, (4, 0), 200_000, 32_000, (15.0, 75.0)),
    row(Family::Opus, (4, 5), 200_000, 64_000, (5.0, 25.0)),
    row(Family::Opus, (4, 6), 1_000_000, 128_000, (5.0, 25.0)),
    row(Family::Opus, (5, 5), 1_000_000, 128_000, (4.0, 20.0)),
    row(Family::Sonnet, (3, 0), 200_000, 4_096, (3.0, 15.0)),
    row(Family::Sonnet, (3, 5), 200_000, 8_192, (3.0, 15.0)),
    row(Family::Sonnet, (3, 7), 200_000, 64_000, (3.0, 15.0)),
    row(Family::Sonnet, (4, 6), 1_000_000, 64_000, (3.0, 15.0)),
    row(Family::Sonnet, (5, 0), 1_000_000, 128_000, (2.0, 10.0)),
    row(Family::Haiku, (3, 0), 200_000, 4_096, (0.25, 1.25)),
    row(Family::Haiku, (3, 5), 200_000, 8_192, (0.8, 4.0)),
    row(Family::Haiku, (4, 5), 200_000, 64_000, (1.0, 5.0)),
    row(Family::Haiku, (5, 0), 1_000_000, 128_000, (0.1, 0.5)),
    row(Family::Fable, (5, 0), 1_000_000, 128_000, (10.0, 50.0)),
    row(Family::Fable, (5, 2), 1_000_000, 128_000, (8.0, 40.0)),
];

/// Output cap sent for a model that is not in the table: every model takes it.
const UNKNOWN_MAX_OUTPUT: u32 = 4_096;

/// What follows the vendor's word, which other servers put a prefix before.
fn after_family_name(name: &str) -> Option<&str> {
    const WORD: &str = "claude-";
    name.strip_prefix(WORD).or_else(|| name.split_once(WORD).map(|(_, rest)| rest))
}

/// A model, as far as its name says. A name that says nothing is taken for another server's model behind this API: it
/// gets the API's oldest forms and no promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Model(Option<(Family, Version)>);

impl Model {
    /// Reads `claude-sonnet-4-5-20250929`, `claude-3-7-sonnet-latest`, `claude-opus-5` and their like.
    pub(crate) fn of(name: &str) -> Self {
        let Some(rest) = after_family_name(name) else { return Self(None) };
        let mut family = None;
        let mut version: Vec<u8> = Vec::new();
        for word in rest.split(['-', '@', '.']) {
            match word {
                "opus" => family = Some(Family::Opus),
                "sonnet" => family = Some(Family::Sonnet),
                "haiku" => family = Some(Family::Haiku),
                "fable" => family = Some(Family::Fable),
                // A date has more digits and does not fit.
                number => version.extend(number.parse::<u8>().ok()),
            }
        }
        let major = version.first().copied();
        let minor = version.get(1).copied().unwrap_or(0);
        Self(family.zip(major).map(|(family, major)| (family, (major, minor))))
    }

    fn row(self) -> Option<&'static Row> {
        let (family, version) = self.0?;
        TABLE.iter().rev().find(|row| row.family == family && row.since <= version)
    }

    fn version(self) -> Option<Version> {
        self.0.map(|(_, version)| version)
    }

    fn is_since(self, version: Version) -> bool {
        self.version().is_some_and(|own| own >= version)
    }

    fn is_family(self, wanted: Family) -> bool {
        self.0.is_some_and(|(family, _)| family == wanted)
    }

    /// Most tokens it writes; `None` when unknown.
    pub(crate) fn max_output(self) -> Option<u32> {
        self.row().map(|row| row.max_output)
    }

    /// The API insists on a cap: this one where the client gave none.
    pub(crate) fn default_max_tokens(self) -> u32 {
        self.max_output().unwrap_or(UNKNOWN_MAX_OUTPUT)
    }

    /// An assistant message at the end is continued; newer models answer 400.
    pub(crate) fn continues_prefix(self) -> bool {
        self.version().is_some_and(|version| version < (4, 6))
    }

    /// Takes `temperature`, `top_p` and `top_k`; newer models answer 400.
    pub(crate) fn takes_sampling(self) -> bool {
        !self.is_since((4, 7))
    }

    /// Takes `temperature` or `top_p`, not both.
    pub(crate) fn wants_one_sampling_knob(self) -> bool {
        self.is_since((4, 1))
    }

    /// Thinks with a budget of tokens.
    pub(crate) fn thinks_by_budget(self) -> bool {
        self.is_since((3, 7)) && !self.thinks_adaptively()
    }

    /// Decides by itself how much to think, steered by an effort.
    pub(crate) fn thinks_adaptively(self) -> bool {
        self.is_since((4, 6))
    }

    /// Keeps its thoughts to itself unless asked to show them.
    pub(crate) fn hides_thoughts(self) -> bool {
        self.is_since((4, 7))
    }

    /// Thinking can be switched off.
    pub(crate) fn can_stop_thinking(self) -> bool {
        !self.is_family(Family::Fable) && !self.is_since((5, 5))
    }

    /// Knows the effort between high and max.
    pub(crate) fn knows_xhigh(self) -> bool {
        self.is_since((4, 7))
    }

    /// Can be made to call a tool.
    pub(crate) fn takes_forced_tools(self) -> bool {
        let refuses = (self.is_family(Family::Fable) && self.is_since((5, 1)))
            || (self.is_family(Family::Opus) && self.is_since((5, 5)));
        !refuses
    }

    /// Has structured output and strict tools.
    pub(crate) fn has_structured_output(self) -> bool {
        self.is_since((4, 5)) || (self.is_family(Family::Opus) && self.is_since((4, 1)))
    }

    /// What the host needs to know.
    pub(crate) fn capabilities(self) -> Capabilities {
        let row = self.row();
        Capabilities {
            streams: true,
            tools: true,
            vision: true,
            json_schema: true,
            choices: false,
            continues_assistant_prefix: self.continues_prefix(),
            context_window: row.map(|row| row.context_window),
            input_price_per_1m: row.map(|row| row.input_price),
            output_price_per_1m: row.map(|row| row.output_price),
        }
    }
}
