//! The plugins that come with the gateway.
//!
//! A release has them inside (feature `bundled`). A plain cargo build looks for them beside itself, in the target
//! directory where `cargo xtask plugins` puts them, so that they can be rebuilt without rebuilding the gateway.

use std::borrow::Cow;

/// What to do when [`bundled_plugins`] has none.
pub const HOW_TO_BUILD: &str = "no bundled plugins were found; `cargo xtask plugins` builds them";

/// Plugin ids with their components, in the order of the ids. Empty when none were built.
pub fn bundled_plugins() -> Vec<(String, Cow<'static, [u8]>)> {
    let mut plugins = shelf::plugins();
    plugins.sort_by(|(one, _), (other, _)| one.cmp(other));
    plugins
}

#[cfg(feature = "bundled")]
mod shelf {
    use std::borrow::Cow;

    #[derive(rust_embed::RustEmbed)]
    #[folder = "../target/plugins"]
    struct Shelf;

    pub(super) fn plugins() -> Vec<(String, Cow<'static, [u8]>)> {
        Shelf::iter()
            .filter_map(|name| {
                let id = name.strip_suffix(".wasm").filter(|id| !id.contains('/'))?.to_owned();
                Some((id, Shelf::get(&name)?.data))
            })
            .collect()
    }
}

#[cfg(not(feature = "bundled"))]
mod shelf {
    use std::borrow::Cow;
    use std::fs;
    use std::path::PathBuf;

    pub(super) fn plugins() -> Vec<(String, Cow<'static, [u8]>)> {
        let Some(files) = folder().and_then(|folder| fs::read_dir(folder).ok()) else { return Vec::new() };
        let paths = files.filter_map(Result::ok).map(|file| file.path());
        let components = paths.filter(|path| path.extension().is_some_and(|extension| extension == "wasm"));
        components
            .filter_map(|path| {
                let id = path.file_stem()?.to_str()?.to_owned();
                let component = fs::read(&path).inspect_err(
                    |error| tracing::warn!(plugin = id, %error, "a bundled plugin cannot be read"),
                );
                Some((id, Cow::Owned(component.ok()?)))
            })
            .collect()
    }

    /// `target/plugins`, seen from the executable (which stands in `target/debug`, or deeper when it is a test).
    fn folder() -> Option<PathBuf> {
        let executable = std::env::current_exe().ok()?;
        let target = executable.ancestors().find(|folder| folder.ends_with("target"))?;
        Some(target.join("plugins"))
    }
}
