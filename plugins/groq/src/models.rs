//! Groq's models, as published late in 2025. An operator's own figures come before these.

use seawall_plugin::models::Can::{Prefix, Schema, Tools, Vision};
use seawall_plugin::models::{Can, Known};

/// Llama continues an assistant message; reasoning models do not.
const LLAMA: &[Can] = &[Tools, Prefix];

const fn known(name: &'static str, context_window: u32, prices: (f64, f64), can: &'static [Can]) -> Known {
    Known { name, context_window, input_price: prices.0, output_price: prices.1, can }
}

/// Known models.
pub(crate) const TABLE: &[Known] = &[
    known("llama-3.3-70b-versatile", 131_072, (0.59, 0.79), LLAMA),
    known("llama-3.1-8b-instant", 131_072, (0.05, 0.08), LLAMA),
    known("llama3-70b-8192", 8_192, (0.59, 0.79), LLAMA),
    known("llama3-8b-8192", 8_192, (0.05, 0.08), LLAMA),
    known(
        "meta-llama/llama-4-scout-17b-16e-instruct",
        131_072,
        (0.11, 0.34),
        &[Tools, Vision, Schema, Prefix],
    ),
    known(
        "meta-llama/llama-4-maverick-17b-128e-instruct",
        131_072,
        (0.2, 0.6),
        &[Tools, Vision, Schema, Prefix],
    ),
    known("openai/gpt-oss-120b", 131_072, (0.15, 0.6), &[Tools, Schema]),
    known("openai/gpt-oss-20b", 131_072, (0.075, 0.3), &[Tools, Schema]),
    known("qwen/qwen3-32b", 131_072, (0.29, 0.59), &[Tools]),
    known("moonshotai/kimi-k2-instruct", 262_144, (1.0, 3.0), &[Tools, Schema, Prefix]),
];
