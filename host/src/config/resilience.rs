//! What an alias says about failures: `probe`, `hedge`, `continue`, `atomic`, `slo`, `first_token_budget`, `pools`.

use std::time::Duration;

use seawall_core::settings::{Alias, AliasTarget, Atomic, Probe};
use toml::Spanned;
use toml::de::DeValue;

use super::names::nearest;
use super::reader::{At, Context, Section, wrong_type};
use super::{Problem, value};

/// As typed.
#[derive(Debug, Default)]
pub(super) struct RawResilience {
    probe: Option<At<Probe>>,
    hedge: Option<At<bool>>,
    continues: Option<At<Vec<Continuation>>>,
    atomic: Option<At<Atomic>>,
    slo: Option<RawSlo>,
    first_token_budget: Option<At<Duration>>,
    pools: Vec<Vec<At<String>>>,
}

/// `slo = { first_token = "2.5s", answer = "20s" }`
#[derive(Debug, Default)]
struct RawSlo {
    first_token: Option<At<Duration>>,
    answer: Option<At<Duration>>,
}

/// How a committed stream that breaks may go on elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Continuation {
    Prefill,
    Restart,
    Instruct,
}

const CONTINUATIONS: [(&str, Continuation); 3] = [
    ("prefill", Continuation::Prefill),
    ("restart", Continuation::Restart),
    ("instruct", Continuation::Instruct),
];
const PROBES: [(&str, Probe); 2] = [("twin", Probe::Twin), ("request", Probe::Request)];
const ATOMICS: [(&str, Atomic); 3] =
    [("tools", Atomic::Tools), ("tools+json", Atomic::ToolsAndJson), ("off", Atomic::Off)];

impl RawResilience {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        Self {
            probe: section.get("probe", |context, item| value::choice(context, item, &PROBES)),
            hedge: section.get("hedge", value::boolean),
            continues: section.get("continue", continuations),
            atomic: section.get("atomic", |context, item| value::choice(context, item, &ATOMICS)),
            slo: section.table("slo", |slo| RawSlo {
                first_token: slo.get("first_token", value::duration),
                answer: slo.get("answer", value::duration),
            }),
            first_token_budget: section.get("first_token_budget", value::duration),
            pools: section.get("pools", pools).map(|found| found.value).unwrap_or_default(),
        }
    }

    /// What is not said stays as it is.
    pub(super) fn apply(&self, alias: &mut Alias, context: &Context<'_>) {
        set(&mut alias.probe, &self.probe);
        set(&mut alias.hedge, &self.hedge);
        set(&mut alias.streams.atomic, &self.atomic);
        set(&mut alias.first_token_budget, &self.first_token_budget);
        if let Some(slo) = &self.slo {
            set(&mut alias.slo.first_token, &slo.first_token);
            set(&mut alias.slo.answer, &slo.answer);
        }
        if let Some(ways) = &self.continues {
            let listed = |way| ways.value.contains(&way);
            alias.streams.prefill = listed(Continuation::Prefill);
            alias.streams.restart = listed(Continuation::Restart);
            alias.streams.instruct = listed(Continuation::Instruct);
        }
        for (number, pool) in self.pools.iter().enumerate() {
            for member in pool {
                let put = put_into_pool(&member.value, number, &mut alias.targets);
                context.check(put.map_err(|problem| problem.or_at(&member.at)));
            }
        }
    }
}

fn set<T: Copy>(place: &mut T, said: &Option<At<T>>) {
    if let Some(said) = said {
        *place = said.value;
    }
}

fn put_into_pool(name: &str, number: usize, targets: &mut [AliasTarget]) -> Result<(), Problem> {
    let Some(target) = targets.iter_mut().find(|target| target.id.to_string() == name) else {
        let names: Vec<String> = targets.iter().map(|target| target.id.to_string()).collect();
        let fix = match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("a pool is made of the alias' targets: {}", names.join(", ")),
        };
        let cause = format!("`{name}` is not one of this alias' targets");
        return Err(Problem::new("bad-pool", cause).fix(fix));
    };
    if target.pool.replace(number).is_some() {
        return Err(Problem::new("bad-pool", format!("`{name}` is in a pool already")).fix("name it once"));
    }
    Ok(())
}

/// An empty list switches continuation off.
fn continuations(context: &Context<'_>, item: &Spanned<DeValue<'_>>) -> Result<Vec<Continuation>, Problem> {
    let DeValue::Array(items) = item.get_ref() else {
        let fix = "continue = [\"prefill\", \"restart\"], or [] for none";
        return Err(wrong_type("a list of ways", item.get_ref()).fix(fix));
    };
    let read = |item: &Spanned<DeValue<'_>>| {
        let way = value::choice(context, item, &CONTINUATIONS);
        way.map_err(|problem| problem.or_at(&item.span()))
    };
    items.iter().map(read).collect()
}

fn pools(context: &Context<'_>, item: &Spanned<DeValue<'_>>) -> Result<Vec<Vec<At<String>>>, Problem> {
    const SHAPE: &str = "pools = [[\"a/model\", \"b/model\"]]: lists of targets that are equal";
    let DeValue::Array(items) = item.get_ref() else {
        return Err(wrong_type("a list of pools", item.get_ref()).fix(SHAPE));
    };
    let pool = |item: &Spanned<DeValue<'_>>| {
        let DeValue::Array(members) = item.get_ref() else {
            return Err(wrong_type("a list of targets", item.get_ref()).at(item.span()).fix(SHAPE));
        };
        if members.len() < 2 {
            let problem = Problem::new("bad-pool", "a pool of one has nothing to choose from");
            return Err(problem.at(item.span()).fix("name at least two targets, or remove it"));
        }
        value::names(context, item)
    };
    items.iter().map(pool).collect()
}
