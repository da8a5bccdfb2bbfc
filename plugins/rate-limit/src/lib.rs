//! Fault: the provider limits us. A 429 in the provider's own shape, with a hint in each form that providers send, or
//! with a broken one.

#[cfg(test)]
mod tests;

use seawall_plugin::config::{ConfigProblem, Options, problem, summary};
use seawall_plugin::fault::{
    Action, Attempt, Catalogue, ClassFailure, ErrorClass, FaultInjector, Kind, Manifest, Verdict,
};
use seawall_plugin::retry::write_http_date;

/// The injector.
#[derive(Debug)]
pub struct RateLimit;

const KIND: &str = "rate-limit";

#[derive(Debug)]
struct Config {
    hint: &'static str,
    seconds: f64,
    percent: f64,
    free: u64,
}

impl FaultInjector for RateLimit {
    fn describe() -> Catalogue {
        let description = "The provider answers 429 in its own shape";
        Catalogue {
            manifest: Manifest {
                name: KIND.to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                description: description.to_owned(),
                config_schema: None,
            },
            kinds: vec![Kind {
                name: KIND.to_owned(),
                description: description.to_owned(),
                config_schema: include_str!("config.schema.json").to_owned(),
            }],
        }
    }

    fn check(kind: &str, config: &str) -> Vec<ConfigProblem> {
        Config::read(kind, config).err().unwrap_or_default()
    }

    fn decide(kind: &str, attempt: &Attempt, config: &str) -> Result<Verdict, String> {
        let config = Config::read(kind, config).map_err(|problems| summary(&problems))?;
        let spared = attempt.ordinal < config.free || attempt.draws().unit() * 100.0 >= config.percent;
        if spared {
            return Ok(Verdict::pass());
        }
        let failure =
            ClassFailure { class: ErrorClass::RateLimited, retry_after: config.retry_after(attempt) };
        Ok(Verdict::now(Action::Fail(failure)))
    }
}

impl Config {
    fn read(kind: &str, config: &str) -> Result<Self, Vec<ConfigProblem>> {
        if kind != KIND {
            return Err(vec![problem("", format!("unknown kind `{kind}`"), None)]);
        }
        let mut options = Options::new(config);
        let config = Self {
            hint: options.word("retry_after", &["none", "seconds", "date", "garbage"]).unwrap_or("seconds"),
            seconds: options.number("seconds", 0.0, 86_400.0).unwrap_or(2.0),
            percent: options.number("percent", 0.0, 100.0).unwrap_or(100.0),
            free: options.integer("free", 0, u64::from(u32::MAX)).unwrap_or(0),
        };
        options.finish(config)
    }

    /// Value of the header, as a provider would write it.
    fn retry_after(&self, attempt: &Attempt) -> Option<String> {
        const GARBAGE: [&str; 6] = ["soon", "-1", "NaN", "", "1e999", "Thu, 99 Foo 0000 99:99:99 GMT"];
        match self.hint {
            "none" => None,
            "date" => {
                let until = attempt.now_ms / 1000 + self.seconds.ceil() as u64;
                Some(write_http_date(until))
            }
            "garbage" => {
                let pick = attempt.draws().next_u64() % GARBAGE.len() as u64;
                usize::try_from(pick).ok().and_then(|at| GARBAGE.get(at)).map(|text| (*text).to_owned())
            }
            _ => Some(self.seconds.to_string()),
        }
    }
}

seawall_plugin::export_fault!(RateLimit);
