//! Format, lints, docs, tidy.

use crate::plugins::{ensure_target, guest_cargo};
use crate::shell::{Outcome, cargo, root, run, step};
use crate::tidy;

/// Workspaces of components, beside the native one.
const GUESTS: [&str; 2] = ["plugins", "tests/bad-plugins"];

/// `cargo xtask check`.
pub(crate) fn everything() -> Outcome {
    step("format", || {
        run(cargo().args(["fmt", "--all", "--check"]))?;
        GUESTS
            .iter()
            .try_for_each(|guest| run(guest_cargo(&root().join(guest)).args(["fmt", "--all", "--check"])))
    })?;
    step("tidy", || {
        let found = tidy::problems(&root());
        if found.is_empty() { Ok(()) } else { Err(format!("tidy found:\n  {}", found.join("\n  "))) }
    })?;
    step("lints", || {
        ensure_target()?;
        let deny = ["--", "-D", "warnings"];
        run(cargo().args(["clippy", "--quiet", "--workspace", "--all-targets"]).args(deny))?;
        let mut plugins = guest_cargo(&root().join("plugins"));
        run(plugins.args(["clippy", "--quiet", "--workspace", "--all-targets"]).args(deny))
    })?;
    step("docs", || {
        let mut docs = cargo();
        docs.env("RUSTDOCFLAGS", "-D warnings");
        run(docs.args(["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"]))
    })
}
