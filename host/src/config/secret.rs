//! Secrets are named in the file and fetched at load: `{ env = "NAME" }` or `{ file = "path" }`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use secrecy::SecretString;
use toml::Spanned;
use toml::de::DeValue;

use super::interpolate::missing;
use super::reader::{Context, wrong_type};
use super::value::non_empty;
use super::{Environment, Problem};

/// No key of any provider comes near.
const LARGEST_FILE: usize = 64 * 1024;

/// Where a secret is kept.
#[derive(Clone, Debug)]
pub(super) enum SecretRef {
    /// In an environment variable.
    Env(String),
    /// In a file; blanks at its end are dropped.
    File(String),
}

impl SecretRef {
    /// Reads the reference, not the secret.
    pub(super) fn read(context: &Context<'_>, item: &Spanned<DeValue<'_>>) -> Result<Self, Problem> {
        const HOW: &str = "name its place: { env = \"NAME\" } or { file = \"path\" }";
        let table = match item.get_ref() {
            DeValue::Table(table) => table,
            DeValue::String(_) => {
                context.hide(item.span());
                return Err(Problem::new("inline-secret", "a secret does not belong in this file").fix(HOW));
            }
            other => return Err(wrong_type("a table", other).fix(HOW)),
        };
        let mut entries = table.iter();
        match (entries.next(), entries.next()) {
            (Some((key, value)), None) => {
                let text = || non_empty(context, value).map_err(|problem| problem.or_at(&value.span()));
                match &**key.get_ref() {
                    "env" => Ok(Self::Env(text()?)),
                    "file" => Ok(Self::File(text()?)),
                    other => {
                        // An unknown word may come with the secret itself ({ value = "..." }).
                        context.hide(value.span());
                        let cause = format!("`{other}` is no place for a secret");
                        Err(Problem::new("unknown-key", cause).at(key.span()).fix(HOW))
                    }
                }
            }
            _ => {
                context.hide(item.span());
                Err(Problem::new("bad-secret", "a secret has exactly one place").fix(HOW))
            }
        }
    }

    /// Fetches the secret. `base` is where relative paths count from.
    pub(super) fn fetch(&self, base: &Path, env: &Environment) -> Result<SecretString, Problem> {
        match self {
            Self::Env(name) => {
                let text = env.get(name).ok_or_else(|| missing(name))?;
                usable(text.trim(), &format!("environment variable {name}"))
            }
            Self::File(path) => {
                let path = base.join(path);
                let unreadable = |why: String| {
                    Problem::new("unreadable-secret", format!("cannot read {}: {why}", path.display()))
                        .fix("the file holds the secret alone and must be readable for this user")
                };
                let text =
                    read_at_most(&path, LARGEST_FILE + 1).map_err(|error| unreadable(error.to_string()))?;
                if text.len() > LARGEST_FILE {
                    return Err(unreadable(format!("larger than {LARGEST_FILE} bytes")));
                }
                usable(text.trim(), &path.display().to_string())
            }
        }
    }
}

fn read_at_most(path: &Path, bytes: usize) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(bytes as u64).read_to_string(&mut text)?;
    Ok(text)
}

/// It has to fit in a header.
fn usable(text: &str, place: &str) -> Result<SecretString, Problem> {
    let bad = |what: &str| Problem::new("bad-secret", format!("the secret in {place} {what}"));
    if text.is_empty() {
        return Err(bad("is empty"));
    }
    if text.chars().any(|c| c.is_control() || !c.is_ascii()) {
        return Err(bad("holds characters that no header can carry")
            .fix("it should be one line of plain ASCII, without quotes"));
    }
    Ok(SecretString::from(text.to_owned()))
}
