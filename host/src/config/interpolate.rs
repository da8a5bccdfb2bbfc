//! `${NAME}` and `${NAME:-default}` in string values. Done after parsing: spans stay true, and a variable's value cannot
//! bring structure into the file. `$${` writes a literal `${`.

use super::{Environment, Problem};

/// Fills in variables.
pub(super) fn interpolate(text: &str, env: &Environment) -> Result<String, Problem> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(escaped) = before.strip_suffix('$') {
            filled.push_str(escaped);
            filled.push_str("${");
            rest = after;
            continue;
        }
        filled.push_str(before);
        let Some((inside, next)) = after.split_once('}') else {
            return Err(Problem::new("bad-interpolation", "`${` without a closing `}`")
                .fix("close it, or write `$${` for a literal `${`"));
        };
        filled.push_str(&variable(inside, env)?);
        rest = next;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn variable(inside: &str, env: &Environment) -> Result<String, Problem> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let named = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(named) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Problem::new("bad-interpolation", format!("`{name}` is not a variable's name"))
            .fix("names hold letters, digits and underscores: `${NAME}` or `${NAME:-default}`"));
    }
    env.get(name).or_else(|| default.map(str::to_owned)).ok_or_else(|| missing(name))
}

/// The environment lacks a variable that the file needs.
pub(super) fn missing(name: &str) -> Problem {
    Problem::new("missing-variable", format!("environment variable {name} is not set"))
        .fix(format!("set it before the start: export {name}=..."))
}
