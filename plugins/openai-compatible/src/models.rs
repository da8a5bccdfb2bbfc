//! Well-known models behind servers of this dialect, by their own makers' names, as published late in 2025. The same
//! name elsewhere may have other prices; an operator's own figures come before these.

use seawall_plugin::models::Can::{Prefix, Schema, Tools, Vision};
use seawall_plugin::models::{Can, Known};

const fn known(name: &'static str, context_window: u32, prices: (f64, f64), can: &'static [Can]) -> Known {
    Known { name, context_window, input_price: prices.0, output_price: prices.1, can }
}

/// Known models.
pub(crate) const TABLE: &[Known] = &[
    known("deepseek-chat", 128_000, (0.28, 0.42), &[Tools]),
    known("deepseek-reasoner", 128_000, (0.28, 0.42), &[Tools]),
    known("mistral-large", 131_072, (2.0, 6.0), &[Tools, Vision, Schema, Prefix]),
    known("mistral-medium", 131_072, (0.4, 2.0), &[Tools, Vision, Schema, Prefix]),
    known("mistral-small", 131_072, (0.1, 0.3), &[Tools, Vision, Schema, Prefix]),
    known("magistral-medium", 131_072, (2.0, 5.0), &[Tools, Vision, Schema]),
    known("magistral-small", 131_072, (0.5, 1.5), &[Tools, Vision, Schema]),
    known("codestral", 256_000, (0.3, 0.9), &[Tools, Schema, Prefix]),
    known("grok-4", 256_000, (3.0, 15.0), &[Tools, Vision, Schema]),
    known("grok-4-fast", 2_000_000, (0.2, 0.5), &[Tools, Vision, Schema]),
    known("grok-3", 131_072, (3.0, 15.0), &[Tools, Schema]),
    known("grok-3-mini", 131_072, (0.3, 0.5), &[Tools, Schema]),
    known("sonar", 128_000, (1.0, 1.0), &[Vision, Schema]),
    known("sonar-pro", 200_000, (3.0, 15.0), &[Vision, Schema]),
];

/// Mistral's reasoning models stream their content as lists of typed blocks, which clients of this dialect do not know;
/// any of that house's models may be told to reason.
pub(crate) fn streams_typed_blocks(model: &str) -> bool {
    const HOUSE: [&str; 7] =
        ["mistral", "magistral", "ministral", "codestral", "devstral", "open-mi", "pixtral"];
    let name = model.rsplit('/').next().unwrap_or(model);
    HOUSE.iter().any(|beginning| name.starts_with(beginning))
}
