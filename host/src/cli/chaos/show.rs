//! What the admin port says, for people.

use serde_json::Value;

use super::super::desk::member;
use super::super::output::{aside, line, table};

fn rows<'a>(of: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    of.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn heading<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

pub(super) fn catalogue(all: &Value) {
    let kinds = rows(all, "kinds").map(|kind| {
        vec![
            text(member(kind, "layer")),
            text(member(kind, "name")),
            member(kind, "plugin").as_str().unwrap_or("(gateway)").to_owned(),
            text(member(kind, "defaults")),
            text(member(kind, "description")),
        ]
    });
    let lines: Vec<_> = std::iter::once(heading(["LAYER", "KIND", "PLUGIN", "DEFAULTS", "WHAT IT DOES"]))
        .chain(kinds)
        .collect();
    table(&lines);
    line("");
    let board =
        rows(all, "board").map(|action| vec![text(member(action, "name")), text(member(action, "about"))]);
    let lines: Vec<_> = std::iter::once(heading(["BOARD", "WHAT IT DOES"])).chain(board).collect();
    table(&lines);
}

pub(super) fn list(all: &Value) {
    let faults: Vec<Vec<String>> = rows(all, "faults")
        .map(|fault| {
            let left = member(fault, "ends_in_ms").as_u64().unwrap_or_default();
            let injected = match member(fault, "dry_run").as_bool() {
                Some(true) => format!("{} (dry run)", member(fault, "would_inject")),
                _ => member(fault, "injected").to_string(),
            };
            vec![
                text(member(fault, "id")),
                text(member(fault, "kind")),
                text(member(fault, "match")),
                format!("{:.1} s", std::time::Duration::from_millis(left).as_secs_f64()),
                text(member(fault, "considered")),
                injected,
                text(member(fault, "spared")),
                text(member(fault, "experiment")),
            ]
        })
        .collect();
    if faults.is_empty() {
        line("no fault is armed");
    } else {
        let head =
            heading(["ID", "KIND", "MATCH", "ENDS IN", "LOOKED AT", "INJECTED", "SPARED", "EXPERIMENT"]);
        table(&std::iter::once(head).chain(faults).collect::<Vec<_>>());
    }
    let experiments: Vec<Vec<String>> = rows(all, "experiments")
        .map(|one| {
            vec![
                text(member(one, "id")),
                text(member(one, "name")),
                text(member(one, "verdict")),
                text(member(one, "because")),
            ]
        })
        .collect();
    if !experiments.is_empty() {
        line("");
        let head = heading(["EXPERIMENT", "NAME", "VERDICT", "BECAUSE"]);
        table(&std::iter::once(head).chain(experiments).collect::<Vec<_>>());
    }
}

/// To standard error: what a script reads is the report.
pub(super) fn moment(moment: &Value) {
    let at = std::time::Duration::from_millis(member(moment, "at_ms").as_u64().unwrap_or_default());
    aside(format!(
        "{:>7.1} s  {:<9} {}",
        at.as_secs_f64(),
        text(member(moment, "what")),
        text(member(moment, "text"))
    ));
}

pub(super) fn report(report: &Value) {
    let (requests, calls, times) =
        (member(report, "requests"), member(report, "calls"), member(report, "times"));
    let share = |value: &Value| {
        value.as_f64().map_or_else(|| "-".to_owned(), |share| format!("{:.2} %", share * 100.0))
    };
    line(format!(
        "{} #{}: {} ({})",
        text(member(report, "name")),
        member(report, "id"),
        text(member(report, "verdict")),
        text(member(report, "because"))
    ));
    let pair = |name: &str, figure: String| vec![name.to_owned(), figure];
    let mut figures = vec![
        pair("answered", format!("{} of {}", share(member(requests, "success")), member(requests, "judged"))),
        pair(
            "by",
            format!(
                "first choice {}, another target {}",
                member(requests, "primary"),
                member(requests, "fallback")
            ),
        ),
        pair(
            "met a fault",
            format!("{}, harmed {}", member(requests, "touched"), member(requests, "harmed")),
        ),
        pair(
            "time to the answer",
            format!(
                "p50 {} ms, p95 {} ms",
                text(member(requests, "p50_ms")),
                text(member(requests, "p95_ms"))
            ),
        ),
        pair(
            "upstream calls",
            format!("{}, {} more than needed", member(calls, "attempts"), member(calls, "extra")),
        ),
        pair(
            "noticed, opened, recovered",
            format!(
                "{}, {}, {} ms",
                text(member(times, "detect_ms")),
                text(member(times, "open_ms")),
                text(member(times, "recover_ms"))
            ),
        ),
    ];
    let figure = |estimate: &Value| {
        member(estimate, "value").as_f64().map_or_else(|| "too few".to_owned(), |value| format!("{value:.4}"))
    };
    for alias in rows(report, "availability") {
        let (predicted, chain, observed) = (
            figure(member(alias, "predicted")),
            figure(member(alias, "chain")),
            figure(member(alias, "observed")),
        );
        figures.push(pair(
            &format!("availability of {}", text(member(alias, "alias"))),
            format!("predicted {predicted}, after failures {chain}, observed {observed}"),
        ));
    }
    figures.push(pair(
        "seed, decisions",
        format!("{}, {}", member(member(report, "scenario"), "seed"), text(member(report, "decisions"))),
    ));
    figures.push(pair("configuration", text(member(report, "config"))));
    table(&std::iter::once(heading(["", ""])).chain(figures).collect::<Vec<_>>());
}
