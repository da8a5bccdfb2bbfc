//! Delays and the distributions they are drawn from.

use serde_json::{Map, Value, json};

use crate::options::{Finding, Options};
use crate::random::Draws;

/// Longest delay that can be asked for: ten minutes.
const LONGEST_MS: f64 = 600_000.0;
/// The cap where none is given: longer than any usual timeout.
const USUAL_CAP_MS: f64 = 30_000.0;
const WORDS: [&str; 5] = ["const", "uniform", "normal", "lognormal", "pareto"];

/// Times in ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Always this.
    Const {
        /// The time.
        ms: f64,
    },
    /// Anything between the two.
    Uniform {
        /// Lower bound.
        min: f64,
        /// Upper bound.
        max: f64,
    },
    /// The bell; never below zero.
    Normal {
        /// Its middle.
        mean: f64,
        /// Its width.
        deviation: f64,
    },
    /// The usual shape of latencies: a long tail.
    Lognormal {
        /// Half are faster.
        median: f64,
        /// How long the tail is.
        sigma: f64,
    },
    /// A very long tail.
    Pareto {
        /// None is faster.
        min: f64,
        /// The smaller, the longer the tail.
        alpha: f64,
    },
}

/// A distribution and its cap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delay {
    /// Where times come from.
    pub distribution: Distribution,
    /// Longer ones are cut to this, in ms.
    pub cap_ms: f64,
}

impl Delay {
    /// Lognormal with this median, which is what slow providers look like.
    pub const fn around(median_ms: f64) -> Self {
        Self { distribution: Distribution::Lognormal { median: median_ms, sigma: 0.8 }, cap_ms: USUAL_CAP_MS }
    }

    /// One delay in whole ms.
    pub fn draw(&self, draws: &mut Draws) -> u32 {
        let ms = match self.distribution {
            Distribution::Const { ms } => ms,
            Distribution::Uniform { min, max } => min + (max - min) * draws.unit(),
            Distribution::Normal { mean, deviation } => mean + deviation * draws.normal(),
            Distribution::Lognormal { median, sigma } => median * (sigma * draws.normal()).exp(),
            Distribution::Pareto { min, alpha } => min / (1.0 - draws.unit()).powf(1.0 / alpha),
        };
        // Clamped to at most ten minutes.
        ms.clamp(0.0, self.cap_ms).round() as u32
    }

    /// Takes the members of a delay out of the settings; none of them is needed.
    pub(crate) fn read<P: Finding>(options: &mut Options<P>, usual: &Self) -> Self {
        let distribution = match options.word("distribution", &WORDS) {
            Some("const") => Distribution::Const { ms: ms(options, "ms", 1000.0) },
            Some("uniform") => uniform(options),
            Some("normal") => Distribution::Normal {
                mean: ms(options, "mean_ms", 1000.0),
                deviation: ms(options, "deviation_ms", 250.0),
            },
            Some("pareto") => Distribution::Pareto {
                min: ms(options, "min_ms", 200.0),
                alpha: options.number("alpha", 0.1, 100.0).unwrap_or(1.5),
            },
            Some(_) => lognormal(options, 1000.0, 0.8),
            None => match usual.distribution {
                Distribution::Lognormal { median, sigma } => lognormal(options, median, sigma),
                other => other,
            },
        };
        Self { distribution, cap_ms: ms(options, "cap_ms", usual.cap_ms) }
    }

    /// The members as JSON Schema; `usual` is where there is no distribution given, if one is needed.
    pub(crate) fn describe(members: &mut Map<String, Value>, usual: Option<&Self>) {
        let time = |about: &str, usual: Option<f64>| {
            let mut schema =
                json!({ "type": "number", "minimum": 0, "maximum": LONGEST_MS, "description": about });
            if let (Some(usual), Some(schema)) = (usual, schema.as_object_mut()) {
                schema.insert("default".to_owned(), json!(usual));
            }
            schema
        };
        let (median, sigma) = match usual.map(|usual| usual.distribution) {
            Some(Distribution::Lognormal { median, sigma }) => (Some(median), Some(sigma)),
            _ => (None, None),
        };
        let mut word = json!({
            "enum": WORDS,
            "description": "const: ms; uniform: min_ms, max_ms; normal: mean_ms, deviation_ms; lognormal: median_ms, sigma; pareto: min_ms, alpha",
        });
        if let (Some(_), Some(word)) = (usual, word.as_object_mut()) {
            word.insert("default".to_owned(), json!("lognormal"));
        }
        let number = |low: f64, high: f64, about: &str| json!({ "type": "number", "minimum": low, "maximum": high, "description": about });
        let mut tail = number(0.0, 10.0, "lognormal: length of the tail");
        if let (Some(sigma), Some(tail)) = (sigma, tail.as_object_mut()) {
            tail.insert("default".to_owned(), json!(sigma));
        }
        members.insert("distribution".to_owned(), word);
        members.insert("ms".to_owned(), time("const: the time", None));
        members.insert("min_ms".to_owned(), time("uniform, pareto: the shortest", None));
        members.insert("max_ms".to_owned(), time("uniform: the longest", None));
        members.insert("mean_ms".to_owned(), time("normal: the middle", None));
        members.insert("deviation_ms".to_owned(), time("normal: the width", None));
        members.insert("median_ms".to_owned(), time("lognormal: half are faster", median));
        members.insert("sigma".to_owned(), tail);
        members.insert("alpha".to_owned(), number(0.1, 100.0, "pareto: the smaller, the longer the tail"));
        let cap = usual.map(|usual| usual.cap_ms);
        members.insert("cap_ms".to_owned(), time("longer ones are cut to this", cap));
    }
}

fn lognormal<P: Finding>(options: &mut Options<P>, median: f64, sigma: f64) -> Distribution {
    Distribution::Lognormal {
        median: ms(options, "median_ms", median),
        sigma: options.number("sigma", 0.0, 10.0).unwrap_or(sigma),
    }
}

fn uniform<P: Finding>(options: &mut Options<P>) -> Distribution {
    let min = ms(options, "min_ms", 200.0);
    let max = ms(options, "max_ms", min.max(2000.0));
    if max < min {
        options.refuse("max_ms", "is less than min_ms", None);
    }
    Distribution::Uniform { min, max }
}

fn ms<P: Finding>(options: &mut Options<P>, name: &str, usual: f64) -> f64 {
    options.number(name, 0.0, LONGEST_MS).unwrap_or(usual)
}
