//! Delays and the distributions they are drawn from.

use seawall_plugin::config::{ConfigProblem, Options};
use seawall_plugin::random::Draws;

/// Longest delay that can be asked for: ten minutes.
const LONGEST_MS: f64 = 600_000.0;
/// The cap where none is given: longer than any usual timeout.
const USUAL_CAP_MS: f64 = 30_000.0;

/// Times in ms.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Distribution {
    Const { ms: f64 },
    Uniform { min: f64, max: f64 },
    Normal { mean: f64, deviation: f64 },
    Lognormal { median: f64, sigma: f64 },
    Pareto { min: f64, alpha: f64 },
}

/// Settings of the fault; see `config.schema.json`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Config {
    distribution: Distribution,
    cap_ms: f64,
    percent: f64,
}

impl Config {
    /// Reads and checks the settings.
    pub(crate) fn read(config: &str) -> Result<Self, Vec<ConfigProblem>> {
        let mut options = Options::new(config);
        let words = ["const", "uniform", "normal", "lognormal", "pareto"];
        let distribution = match options.word("distribution", &words).unwrap_or("lognormal") {
            "const" => Distribution::Const { ms: ms(&mut options, "ms", 1000.0) },
            "uniform" => uniform(&mut options),
            "normal" => Distribution::Normal {
                mean: ms(&mut options, "mean_ms", 1000.0),
                deviation: ms(&mut options, "deviation_ms", 250.0),
            },
            "pareto" => Distribution::Pareto {
                min: ms(&mut options, "min_ms", 200.0),
                alpha: options.number("alpha", 0.1, 100.0).unwrap_or(1.5),
            },
            _ => Distribution::Lognormal {
                median: ms(&mut options, "median_ms", 1000.0),
                sigma: options.number("sigma", 0.0, 10.0).unwrap_or(0.8),
            },
        };
        let cap_ms = ms(&mut options, "cap_ms", USUAL_CAP_MS);
        let percent = options.number("percent", 0.0, 100.0).unwrap_or(100.0);
        options.finish(Self { distribution, cap_ms, percent })
    }

    /// Draws one delay in ms; 0 for attempts that are not hit.
    pub(crate) fn draw(&self, draws: &mut Draws) -> u32 {
        if draws.unit() * 100.0 >= self.percent {
            return 0;
        }
        let ms = match self.distribution {
            Distribution::Const { ms } => ms,
            Distribution::Uniform { min, max } => min + (max - min) * draws.unit(),
            Distribution::Normal { mean, deviation } => mean + deviation * draws.normal(),
            Distribution::Lognormal { median, sigma } => median * (sigma * draws.normal()).exp(),
            Distribution::Pareto { min, alpha } => min / (1.0 - draws.unit()).powf(1.0 / alpha),
        };
        ms.clamp(0.0, self.cap_ms).round() as u32
    }
}

fn uniform(options: &mut Options) -> Distribution {
    let min = ms(options, "min_ms", 200.0);
    let max = ms(options, "max_ms", min.max(2000.0));
    if max < min {
        options.refuse("max_ms", "is less than min_ms", None);
    }
    Distribution::Uniform { min, max }
}

fn ms(options: &mut Options, name: &str, usual: f64) -> f64 {
    options.number(name, 0.0, LONGEST_MS).unwrap_or(usual)
}
