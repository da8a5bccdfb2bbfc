//! Plugin files come, change and go under a gateway that serves: no request fails, a stream ends on the version that it
//! began with, a bad file changes nothing and is reported.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test fails loudly; serde_json's indexing gives null for what is missing"
)]

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use seawall_e2e::{Stage, block_on, components, eventually, reading};
use seawall_sim::{Dialect, Sim, SimOptions};
use serde_json::json;
use tokio::time::{Instant, sleep};

/// The id of the plugin that is replaced.
const OWN: &str = "own-adapter";
const ONE_TO_THIRTY: &str =
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30";
/// Between the events of a stream, so that streams outlive a replacement.
const PACE_MS: u64 = 12;
const REPLACEMENTS: u8 = 100;

struct House {
    stage: Stage,
    sim: Sim,
    folder: tempfile::TempDir,
}

impl House {
    /// Both providers are served by the plugin in question, each reading streams in another way; `other` is served by a
    /// bundled one.
    async fn open(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (id, bytes) in files {
            std::fs::write(folder.path().join(format!("{id}.wasm")), bytes).expect("a file");
        }
        let sim = Sim::start(SimOptions::default()).expect("a free port");
        sim.lane("up").configure(|settings| settings.pace_ms = PACE_MS);
        let (base, dir) = (sim.base_url("up", Dialect::OpenAi), folder.path());
        let stage = Stage::start(&format!(
            r#"
[server]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[plugins]
dir = {dir:?}
[providers.watched]
adapter = "{OWN}"
base_url = "{base}"
config = {{ replies = "watched" }}
[providers.translated]
adapter = "{OWN}"
base_url = "{base}"
config = {{ replies = "translated" }}
[providers.broken]
adapter = "broken"
base_url = "{base}"
[providers.other]
adapter = "openai"
base_url = "{base}"
[models.mixed]
targets = ["broken/count-30", "other/count-30"]
"#
        ))
        .await;
        Self { stage, sim, folder }
    }

    fn file(&self, id: &str) -> PathBuf {
        self.folder.path().join(format!("{id}.wasm"))
    }

    fn generation(&self) -> Option<u64> {
        self.stage.running().plugins.generation(OWN)
    }

    /// Waits until a refused file is reported with its code, cause and fix.
    async fn reported(&self, id: &str, code: &str) {
        eventually(&format!("{id} is reported as {code}"), async || {
            self.stage.plugin(id).await["last_problem"]["code"] == code
        })
        .await;
        let problem = &self.stage.plugin(id).await["last_problem"];
        for part in ["cause", "fix"] {
            assert!(problem[part].as_str().is_some_and(|words| words.len() > 10), "{part} of {problem}");
        }
    }
}

/// How people replace files.
#[derive(Clone, Copy, Debug)]
enum Style {
    InPlace,
    Renamed,
    SlowCopy,
    Editor,
    DeletedFirst,
}

const STYLES: [Style; 5] =
    [Style::InPlace, Style::Renamed, Style::SlowCopy, Style::Editor, Style::DeletedFirst];

impl Style {
    async fn replace(self, path: &Path, bytes: &[u8]) {
        let beside = |ending: &str| path.with_extension(ending);
        let write = |path: &Path| std::fs::write(path, bytes).expect("a written file");
        let rename = |from: &Path, to: &Path| std::fs::rename(from, to).expect("a renamed file");
        match self {
            Self::InPlace => write(path),
            Self::Renamed => {
                write(&beside("wasm.tmp"));
                rename(&beside("wasm.tmp"), path);
            }
            Self::SlowCopy => {
                use std::io::Write as _;
                let mut file = std::fs::File::create(path).expect("a file");
                for part in bytes.chunks(bytes.len() / 3 + 1) {
                    file.write_all(part).expect("a written part");
                    sleep(Duration::from_millis(60)).await;
                }
            }
            Self::Editor => {
                rename(path, &beside("wasm~"));
                write(path);
            }
            Self::DeletedFirst => {
                std::fs::remove_file(path).expect("a file to delete");
                sleep(Duration::from_millis(20)).await;
                write(path);
            }
        }
    }
}

/// What one load task saw.
#[derive(Debug, Default)]
struct Tally {
    requests: u32,
    /// Streams that began on one generation and ended while another served.
    spanning: u32,
    failed: Vec<String>,
}

/// Streams one after the other, and beside each stream plain requests without a pause.
async fn load(stage: &Stage, provider: &str, stop: &Cell<bool>) -> Tally {
    let mut tally = Tally::default();
    let model = format!("{provider}/count-30");
    let serving = || stage.running().plugins.generation(OWN);
    while !stop.get() {
        let before = serving();
        let streaming = Cell::new(true);
        let stream = async {
            let seen = ask(stage, &model, true).await;
            streaming.set(false);
            seen
        };
        let plain = async {
            let mut seen = Vec::new();
            while streaming.get() {
                seen.push(ask(stage, &model, false).await);
            }
            seen
        };
        let (streamed, plain) = tokio::join!(stream, plain);
        tally.spanning += u32::from(before != serving());
        tally.enter(&streamed, true);
        plain.iter().for_each(|seen| tally.enter(seen, false));
    }
    tally
}

impl Tally {
    fn enter(&mut self, seen: &reading::Reading, stream: bool) {
        self.requests += 1;
        if !is_whole(seen, stream) {
            self.failed.push(format!("stream {stream}: {seen:?}"));
        }
    }
}

async fn ask(stage: &Stage, model: &str, stream: bool) -> reading::Reading {
    let body = json!({ "model": model, "stream": stream, "messages": [{ "role": "user", "content": "go" }] });
    let (status, body) = stage.post("/v1/chat/completions", &body).await;
    reading::chat(status, stream, &body)
}

fn is_whole(seen: &reading::Reading, stream: bool) -> bool {
    seen.status == 200
        && seen.text == ONE_TO_THIRTY
        && seen.error.is_none()
        && seen.finish.as_deref() == Some("stop")
        && seen.terminated == stream
}

/// Files that must change nothing, and the code that says why.
fn bad_files() -> Vec<(&'static str, Vec<u8>)> {
    let good = components::bundled("openai-compatible");
    vec![
        ("P001", b"<html>404 Not Found</html>".to_vec()),
        ("P002", good[..good.len() / 2].to_vec()),
        ("P003", components::core_module()),
        ("P010", components::wrong_world()),
        ("P016", components::misbehaving("describe-trap")),
        // A good adapter, but not for the settings of the providers that this one serves.
        ("P020", components::bundled("groq")),
    ]
}

/// Replaces the plugin again and again, with a bad file now and then.
async fn replace_again_and_again(house: &House) {
    let original = components::bundled("openai-compatible");
    let path = house.file(OWN);
    let mut bad_files = bad_files().into_iter();
    for number in 1..=REPLACEMENTS {
        if number % 10 == 0
            && let Some((code, bytes)) = bad_files.next()
        {
            let serving = house.generation();
            std::fs::write(&path, bytes).expect("a file");
            house.reported(OWN, code).await;
            assert_eq!(house.generation(), serving, "{code}: what served before still serves");
        }
        let style = STYLES[usize::from(number) % STYLES.len()];
        style.replace(&path, &version(&original, number)).await;
        let expected = Some(u64::from(number) + 1);
        eventually(&format!("replacement {number} ({style:?}) serves"), async || {
            house.generation() == expected
        })
        .await;
    }
    assert!(bad_files.next().is_none(), "every bad file has been tried");
}

/// A few versions in turn: neighbours differ, and most have been compiled before.
fn version(original: &[u8], number: u8) -> Vec<u8> {
    components::variation(original, number % 6)
}

#[test]
fn a_hundred_replacements_under_load_fail_no_request() {
    block_on(async {
        let original = components::bundled("openai-compatible");
        let house = House::open(&[(OWN, &version(&original, 0))]).await;
        let stop = Cell::new(false);
        let began = Instant::now();
        let (watched, translated, ()) = tokio::join!(
            load(&house.stage, "watched", &stop),
            load(&house.stage, "translated", &stop),
            async {
                replace_again_and_again(&house).await;
                stop.set(true);
            }
        );
        for tally in [&watched, &translated] {
            let first = tally.failed.first();
            assert!(first.is_none(), "{} of {} failed: {first:?}", tally.failed.len(), tally.requests);
        }
        let requests = watched.requests + translated.requests;
        let spanning = watched.spanning + translated.spanning;
        println!(
            "{REPLACEMENTS} replacements and 6 bad files in {:.1?}: {requests} requests, 0 failed, \
             {spanning} streams over a replacement",
            began.elapsed()
        );
        assert!(spanning >= 20, "{requests} requests, {spanning} over a replacement");
        let plugin = house.stage.plugin(OWN).await;
        assert_eq!((&plugin["generation"], &plugin["state"]), (&json!(101), &json!("active")), "{plugin}");
        assert_eq!((&plugin["previous"], &plugin["faults"]), (&json!([100, 99]), &json!(0)), "{plugin}");
        assert!(plugin["last_problem"].is_null(), "{plugin}");
    });
}

#[test]
fn a_deleted_file_drains_and_comes_back() {
    block_on(async {
        let component = components::bundled("openai-compatible");
        let house = House::open(&[(OWN, &component), ("idle", &component)]).await;
        assert_eq!(house.stage.plugin("idle").await["state"], "active");
        std::fs::remove_file(house.file("idle")).expect("a file to delete");
        eventually("the unused one drained", async || house.stage.plugin("idle").await["state"] == "drained")
            .await;

        // The one in use: what is under way finishes, what comes later gets a typed error.
        house.sim.lane("up").configure(|settings| settings.pace_ms = 60);
        let finished = Cell::new(false);
        let stream = async {
            let seen = ask(&house.stage, "translated/count-30", true).await;
            finished.set(true);
            seen
        };
        let deletion = async {
            eventually("the stream has begun", async || house.sim.lane("up").log().len() == 1).await;
            std::fs::remove_file(house.file(OWN)).expect("a file to delete");
            eventually("it drained", async || house.stage.plugin(OWN).await["state"] == "drained").await;
            let refused = ask(&house.stage, "translated/count-30", false).await;
            assert_eq!(refused.status, 502, "{refused:?}");
            assert_eq!(refused.error.as_ref().expect("an error")["code"], "plugin_fault", "{refused:?}");
            assert!(!finished.get(), "the stream outlives the plugin's file");
        };
        let (seen, ()) = tokio::join!(stream, deletion);
        assert!(is_whole(&seen, true), "{seen:?}");

        std::fs::write(house.file(OWN), &component).expect("a file");
        eventually("it serves again", async || house.generation() == Some(2)).await;
        house.sim.lane("up").clear();
        let seen = ask(&house.stage, "translated/count-30", true).await;
        assert!(is_whole(&seen, true), "{seen:?}");
    });
}

#[test]
fn a_broken_file_at_start_stops_nobody_else() {
    block_on(async {
        let component = components::bundled("openai-compatible");
        let house = House::open(&[(OWN, &component), ("broken", &component[..9000])]).await;
        let (ready, reasons) = house.stage.admin(reqwest::Method::GET, "/readyz", None).await;
        assert_eq!(ready, 200, "{reasons}");
        house.reported("broken", "P002").await;
        assert_eq!(house.stage.plugin("broken").await["state"], "rejected");
        for model in ["watched/count-30", "mixed"] {
            for stream in [false, true] {
                let seen = ask(&house.stage, model, stream).await;
                assert!(is_whole(&seen, stream), "{model}: {seen:?}");
            }
        }
        let alone = ask(&house.stage, "broken/count-30", false).await;
        assert_eq!(alone.status, 502, "{alone:?}");

        std::fs::write(house.file("broken"), &component).expect("a file");
        eventually("the corrected file serves", async || {
            house.stage.plugin("broken").await["state"] == "active"
        })
        .await;
        let mended = ask(&house.stage, "broken/count-30", true).await;
        assert!(is_whole(&mended, true), "{mended:?}");
    });
}
