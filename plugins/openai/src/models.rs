//! OpenAI's models, as published late in 2025. An operator's own figures come before these.

use seawall_plugin::models::Can::{Choices, Schema, Tools, Vision};
use seawall_plugin::models::{Can, Known};

const ALL: &[Can] = &[Tools, Vision, Schema, Choices];
/// Reasoning models give one choice.
const REASONING: &[Can] = &[Tools, Vision, Schema];
const TEXT: &[Can] = &[Tools, Choices];
const NONE: &[Can] = &[];

const fn known(name: &'static str, context_window: u32, prices: (f64, f64), can: &'static [Can]) -> Known {
    Known { name, context_window, input_price: prices.0, output_price: prices.1, can }
}

/// Known models.
pub(crate) const TABLE: &[Known] = &[
    known("gpt-5.2", 400_000, (1.75, 14.0), REASONING),
    known("gpt-5.1", 400_000, (1.25, 10.0), REASONING),
    known("gpt-5", 400_000, (1.25, 10.0), REASONING),
    known("gpt-5-mini", 400_000, (0.25, 2.0), REASONING),
    known("gpt-5-nano", 400_000, (0.05, 0.4), REASONING),
    known("gpt-4.1", 1_047_576, (2.0, 8.0), ALL),
    known("gpt-4.1-mini", 1_047_576, (0.4, 1.6), ALL),
    known("gpt-4.1-nano", 1_047_576, (0.1, 0.4), ALL),
    known("gpt-4o", 128_000, (2.5, 10.0), ALL),
    known("gpt-4o-mini", 128_000, (0.15, 0.6), ALL),
    known("gpt-4-turbo", 128_000, (10.0, 30.0), &[Tools, Vision, Choices]),
    known("gpt-4", 8_192, (30.0, 60.0), TEXT),
    known("gpt-3.5-turbo", 16_385, (0.5, 1.5), TEXT),
    known("o4-mini", 200_000, (1.1, 4.4), REASONING),
    known("o3", 200_000, (2.0, 8.0), REASONING),
    known("o3-mini", 200_000, (1.1, 4.4), &[Tools, Schema]),
    known("o1", 200_000, (15.0, 60.0), REASONING),
    known("o1-mini", 128_000, (1.1, 4.4), NONE),
    known("text-embedding-3-small", 8_191, (0.02, 0.0), NONE),
    known("text-embedding-3-large", 8_191, (0.13, 0.0), NONE),
    known("text-embedding-ada-002", 8_191, (0.1, 0.0), NONE),
];

/// The model that a fine-tuned one (`ft:<model>:...`) was made from, else the name itself.
pub(crate) fn base(name: &str) -> &str {
    name.strip_prefix("ft:").and_then(|rest| rest.split(':').next()).unwrap_or(name)
}

/// The model reasons before it answers: `gpt-5` and later, and the `o` series.
pub(crate) fn reasons(name: &str) -> bool {
    let mut letters = base(name).chars();
    match letters.next() {
        Some('o') => letters.next().is_some_and(|c| c.is_ascii_digit()),
        _ => base(name).strip_prefix("gpt-").is_some_and(|version| {
            let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
            version.get(..digits).and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| n >= 5)
        }),
    }
}
