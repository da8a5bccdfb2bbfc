//! Rules of the house that a compiler does not check. Runs as a test and in `cargo xtask check`.

use std::fs;
use std::path::{Path, PathBuf};

/// A token that only some places may hold.
struct Fence {
    what: &'static str,
    tokens: &'static [&'static str],
    /// Sources that are looked at.
    within: &'static [&'static str],
    /// Places inside that may hold the tokens.
    except: &'static [&'static str],
}

const NATIVE: &[&str] = &["host/core", "host/wasm", "host/src"];

const FENCES: &[Fence] = &[
    Fence {
        what: "only host/wasm knows wasmtime",
        tokens: &["wasmtime"],
        within: &["host/core/src", "host/src"],
        except: &[],
    },
    Fence {
        what: "only transport imports reqwest",
        tokens: &["reqwest::", "use reqwest"],
        within: NATIVE,
        except: &["host/src/transport"],
    },
    Fence {
        what: "only ingress and admin import axum",
        tokens: &["axum::", "use axum"],
        within: NATIVE,
        except: &["host/src/ingress", "host/src/admin"],
    },
    Fence {
        what: "only audit knows SQL",
        tokens: &["rusqlite"],
        within: NATIVE,
        except: &["host/src/audit"],
    },
    Fence {
        what: "core does no I/O",
        tokens: &[
            "std::fs",
            "std::net",
            "std::process",
            "std::env",
            "tokio::net",
            "tokio::fs",
            "std::thread",
        ],
        within: &["host/core/src"],
        except: &[],
    },
    Fence {
        what: "only tasks spawns",
        tokens: &["tokio::spawn(", "task::spawn(", "thread::spawn(", "thread::Builder", "spawn_blocking("],
        within: &["host/core/src", "host/src"],
        except: &["host/src/tasks"],
    },
    Fence {
        what: "no provider's or model's name outside the client protocols, the simulator and the demo's configuration",
        tokens: &["openai", "anthropic", "gemini", "groq", "claude", "gpt-", "llama", "mistral", "deepseek"],
        within: NATIVE,
        except: &["host/core/src/protocol", "host/src/cli/demo"],
    },
    Fence {
        what: "nothing speaks of a machine's paths",
        tokens: &["/root/", "/home/", "/tmp/"],
        within: &["host", "plugins", "tests", "examples", "wit", "README.md"],
        except: &["host/xtask/src/tidy.rs"],
    },
    Fence {
        what: "no unfinished work",
        tokens: &["todo!(", "unimplemented!(", "FIXME", "XXX:"],
        within: &["host", "plugins", "tests", "examples", "wit"],
        except: &["host/xtask/src/tidy.rs"],
    },
];

/// Top-level names that may exist.
const TOP: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE",
    "README.md",
    "rust-toolchain.toml",
    "host",
    "plugins",
    "wit",
    "examples",
    "tests",
    "target",
];

/// Everything that breaks a rule, as `path:line: rule`.
pub(crate) fn problems(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for fence in FENCES {
        for place in fence.within {
            for file in sources(&root.join(place)) {
                let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().into_owned();
                if !fence.except.iter().any(|except| name.starts_with(except)) {
                    found.extend(broken_fence(fence, &name, &fs::read_to_string(&file).unwrap_or_default()));
                }
            }
        }
    }
    found.extend(strangers(root));
    found
}

/// Lines of one file that hold a fenced token. Test code and comments may name providers: a name there decides nothing.
fn broken_fence(fence: &Fence, name: &str, text: &str) -> Vec<String> {
    if name.contains("/tests/") || name.ends_with("/tests.rs") {
        return Vec::new();
    }
    let product = text.split("#[cfg(test)]").next().unwrap_or(text);
    let breaks = |line: &str| {
        let code = line.trim_start();
        let is_comment = code.starts_with("//") || code.starts_with('#');
        let lower = code.to_ascii_lowercase();
        !is_comment && fence.tokens.iter().any(|token| lower.contains(&token.to_ascii_lowercase()))
    };
    let lines = product.lines().enumerate().filter(|(_, line)| breaks(line));
    lines.map(|(number, _)| format!("{name}:{}: {}", number + 1, fence.what)).collect()
}

/// Anything at the top that does not belong there.
fn strangers(root: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root) else { return vec!["the repository cannot be read".to_owned()] };
    let names = entries.filter_map(Result::ok).map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .filter(|name| !name.starts_with('.') && !TOP.contains(&name.as_str()))
        .filter(|name| name != "plugins.d" && !name.ends_with(".log"))
        .map(|name| format!("{name}: does not belong at the top level"))
        .collect()
}

/// Text files under a place, generated folders left out.
fn sources(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_path_buf()];
    }
    let Ok(entries) = fs::read_dir(place) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !matches!(name.as_str(), "target" | "node_modules" | "dist" | ".venv") {
            files.extend(sources(&path));
        } else if ["rs", "toml", "wit", "md", "sh", "py", "js", "mjs", "ts"]
            .iter()
            .any(|kind| name.ends_with(&format!(".{kind}")))
        {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_tidy() {
        let found = problems(&crate::shell::root());
        assert!(found.is_empty(), "tidy found:\n  {}", found.join("\n  "));
    }

    #[test]
    fn a_fence_sees_what_it_is_there_for() {
        let fence = Fence { what: "no x", tokens: &["reqwest::"], within: &[], except: &[] };
        let broken = broken_fence(
            &fence,
            "host/src/a.rs",
            "use std::fmt;\nuse reqwest::Client;\n// reqwest:: is fine here\n",
        );
        assert_eq!(broken, ["host/src/a.rs:2: no x"]);
        assert!(broken_fence(&fence, "host/src/a/tests.rs", "use reqwest::Client;").is_empty());
    }
}
