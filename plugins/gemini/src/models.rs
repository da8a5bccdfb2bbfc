//! What each model can do: sizes and prices by the beginning of its name, rules of the API by version. As of
//! November 2026.

use seawall_plugin::adapter::Capabilities;

/// Sizes in tokens and prices in US dollars for a million tokens.
struct Row {
    prefix: &'static str,
    context_window: u32,
    input_price: f64,
    output_price: f64,
}

const fn row(prefix: &'static str, context_window: u32, input_price: f64, output_price: f64) -> Row {
    Row { prefix, context_window, input_price, output_price }
}

const WINDOW: u32 = 1_048_576;

/// The longest beginning that fits counts. Prices that depend on the prompt's size are those of short prompts.
const TABLE: [Row; 14] = [
    row("gemini-2.0-flash", WINDOW, 0.10, 0.40),
    row("gemini-2.0-flash-lite", WINDOW, 0.075, 0.30),
    row("gemini-2.5-pro", WINDOW, 1.25, 10.0),
    row("gemini-2.5-flash", WINDOW, 0.30, 2.50),
    row("gemini-2.5-flash-lite", WINDOW, 0.10, 0.40),
    row("gemini-3-pro", WINDOW, 2.0, 12.0),
    row("gemini-3-flash", WINDOW, 0.50, 3.0),
    row("gemini-3.1-pro", WINDOW, 2.0, 12.0),
    row("gemini-3.1-flash-lite", WINDOW, 0.25, 1.50),
    row("gemini-3.5-flash", WINDOW, 1.50, 9.0),
    row("gemini-3.5-flash-lite", WINDOW, 0.30, 2.50),
    row("gemini-3.8-flash", WINDOW, 0.75, 3.75),
    row("gemini-embedding-001", 2_048, 0.15, 0.0),
    row("gemini-embedding-2", 8_192, 0.20, 0.0),
];

/// A model, as far as its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Model<'a> {
    name: &'a str,
    /// Major and minor; (0, 0) when the name has none.
    version: (u8, u8),
}

impl<'a> Model<'a> {
    /// Reads `gemini-2.5-flash`, `models/gemini-3-pro-preview` and their like.
    pub(crate) fn of(name: &'a str) -> Self {
        let name = name.rsplit_once('/').map_or(name, |(_, last)| last);
        let number = name.strip_prefix("gemini-").and_then(|rest| rest.split('-').next()).unwrap_or_default();
        let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
        let version = major.parse().ok().zip(minor.parse().ok()).unwrap_or((0, 0));
        Self { name, version }
    }

    fn is_since(self, version: (u8, u8)) -> bool {
        self.version >= version
    }

    /// Thinks with a budget of tokens.
    pub(crate) fn thinks_by_budget(self) -> bool {
        self.is_since((2, 5)) && !self.thinks_by_level()
    }

    /// Thinks by level.
    pub(crate) fn thinks_by_level(self) -> bool {
        self.is_since((3, 0))
    }

    /// A budget of nothing is refused.
    pub(crate) fn always_thinks(self) -> bool {
        self.name.contains("-pro")
    }

    /// Knows the level below low.
    pub(crate) fn knows_minimal(self) -> bool {
        self.name.contains("flash") && !self.is_since((3, 5))
    }

    /// Knows the level between low and high.
    pub(crate) fn knows_medium(self) -> bool {
        !self.name.starts_with("gemini-3-pro")
    }

    /// Calls tools and answers by a schema in one request.
    pub(crate) fn mixes_tools_and_schema(self) -> bool {
        self.is_since((3, 0))
    }

    /// Refuses calls in the conversation that bear no signature.
    pub(crate) fn wants_signatures(self) -> bool {
        self.is_since((3, 0))
    }

    /// What the host needs to know.
    pub(crate) fn capabilities(self) -> Capabilities {
        let fitting = TABLE.iter().filter(|row| self.name.starts_with(row.prefix));
        let row = fitting.max_by_key(|row| row.prefix.len());
        let chats = !self.name.contains("embedding");
        Capabilities {
            streams: chats,
            tools: chats,
            vision: chats,
            json_schema: chats,
            choices: chats && !self.is_since((3, 0)),
            continues_assistant_prefix: false,
            context_window: row.map(|row| row.context_window),
            input_price_per_1m: row.map(|row| row.input_price),
            output_price_per_1m: row.map(|row| row.output_price),
        }
    }
}
