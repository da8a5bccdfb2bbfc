//! Kills: a gateway in a process of its own is ended without a word while requests run, again and again, and its trail is
//! held against what clients had been answered.
//!
//! What must hold after each kill: a request that was answered more than a second before it is on record; as many are
//! missing as the gateway says at most; the database is whole; no id is there twice; the next start serves in time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seawall::audit::{Filter, Kind, LARGEST_PAGE, Listed, Reader, parse_id};
use seawall_core::request::RequestId;
use seawall_sim::{Dialect, Sim, SimOptions};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::random::Dice;

/// Clients that ask one question after the other.
const CLIENTS: usize = 8;
/// What was answered before this long before a kill is on record.
const LAST_SECOND: Duration = Duration::from_secs(1);
/// A kill comes so long after the first answer, in milliseconds.
const LIVES_MS: (usize, usize) = (1_100, 1_500);
/// A gateway whose plugins are compiled serves after this at most.
pub const LONGEST_START: Duration = Duration::from_secs(2);

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Kills.
    pub rounds: u32,
    /// Requests that clients got an answer to.
    pub answered: usize,
    /// Of those, the ones that are not on record.
    pub missing: usize,
    /// How long before its kill the oldest of those was answered.
    pub oldest_missing: Duration,
    /// What the gateway itself says that may be missing, over all kills.
    pub lost_at_most: u64,
    /// From starting the process to serving.
    pub longest_start: Duration,
    /// Everything that was not as it must be.
    pub complaints: Vec<String>,
}

/// A gateway in a process of its own.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Base URL of the data port.
    pub url: String,
    /// Base URL of the admin port.
    pub admin_url: String,
    /// From starting the process to serving.
    pub started_in: Duration,
}

impl Process {
    /// Starts `program gateway CONFIG` and waits until it serves. Its log goes to `log`.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(program: &Path, config: &Path, log: &Path) -> Self {
        let mut command = Command::new(program);
        Self::spawn(command.env("SEAWALL_LOG", "debug").arg("gateway").arg(config), log).await
    }

    /// The same, and no file of it may grow beyond so many bytes.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_with_room(program: &Path, config: &Path, log: &Path, bytes: u64) -> Self {
        // Its log is a file, too, and has to have room for what it says about having none.
        let mut command = Command::new(program);
        command.env("SEAWALL_LOG", "info").arg("gateway").arg(config).arg(bytes.to_string());
        Self::spawn(&mut command, log).await
    }

    async fn spawn(command: &mut Command, log: &Path) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(log).expect("a log");
        let began = Instant::now();
        let mut child =
            command.stdout(Stdio::piped()).stderr(log).kill_on_drop(true).spawn().expect("a process");
        let mut said = BufReader::new(child.stdout.take().expect("its output")).lines();
        let line = said.next_line().await.expect("a line").expect("the gateway serves");
        let (url, admin_url) = line.split_once(' ').expect("two addresses");
        Self { child, url: url.to_owned(), admin_url: admin_url.to_owned(), started_in: began.elapsed() }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Ends it without a word.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it could be killed");
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(mut self) {
        let pid =
            i32::try_from(self.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it could be asked");
        let ended = self.child.wait().await.expect("it ends");
        assert!(ended.success(), "{ended}");
    }
}

/// Requests that were answered, and when.
type Answered = Arc<Mutex<BTreeMap<RequestId, Instant>>>;

/// Kills `program`, which runs [`gateway`], so many times.
///
/// # Panics
/// When the world around the gateway does not work.
pub async fn run(program: &Path, rounds: u32, seed: u64) -> Report {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = Sim::start(SimOptions::default()).expect("a free port");
    let config = configuration(folder.path(), &sim, "");
    let (audit, log) = (folder.path().join("audit"), folder.path().join("log"));
    let mut dice = Dice::new(seed);
    let mut report = Report { rounds, ..Report::default() };
    let mut all = BTreeMap::new();
    // The first start compiles the plugin.
    Process::start(program, &config, &log).await.stop().await;
    for round in 0..rounds {
        let process = Process::start(program, &config, &log).await;
        report.longest_start = report.longest_start.max(process.started_in);
        if process.started_in > LONGEST_START {
            report.complaints.push(format!("round {round}: serving took {:.1?}", process.started_in));
        }
        let answered = Answered::default();
        let clients = clients(&process.url, &answered);
        let (least, most) = LIVES_MS;
        sleep(Duration::from_millis((least + dice.below(most - least)) as u64)).await;
        process.kill().await;
        let killed = Instant::now();
        drop(clients);
        let answered = std::mem::take(&mut *answered.lock().expect("no client panicked"));
        for (id, at) in answered {
            if all.insert(id, (killed, at)).is_some() {
                report.complaints.push(format!("round {round}: {id} was given out twice"));
            }
        }
    }
    // One more takes in what the last left behind, and stops in order.
    let process = Process::start(program, &config, &log).await;
    let reader = Reader::new(&audit);
    crate::eventually("every kill is accounted for", async || kills(&reader).len() >= rounds as usize).await;
    process.stop().await;
    report.judge(&reader, &all);
    report
}

/// A configuration for [`gateway`] over one simulated provider; `more` is added to it.
///
/// # Panics
/// When it cannot be written.
pub fn configuration(folder: &Path, sim: &Sim, more: &str) -> PathBuf {
    let base = sim.base_url("openai", Dialect::OpenAi);
    // Shared by all, so that plugins are compiled once.
    let state = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/stage-state");
    let (plugins, audit) = (folder.join("plugins.d"), folder.join("audit"));
    std::fs::create_dir_all(&plugins).expect("a folder");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nlog_format = \"json\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [state]\ndir = {state:?}\n[plugins]\ndir = {plugins:?}\ninstances = 100\n[audit]\ndir = {audit:?}\n\
         [providers.openai]\nadapter = \"openai\"\nbase_url = \"{base}\"\n[models.chat]\ntargets = [\"openai/demo\"]\n{more}"
    );
    let path = folder.join("seawall.toml");
    std::fs::write(&path, text).expect("a file");
    path
}

/// Ask until they are dropped or nobody answers.
fn clients(url: &str, answered: &Answered) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    let client = crate::http_client();
    for _ in 0..CLIENTS {
        let (client, url, answered) = (client.clone(), url.to_owned(), Arc::clone(answered));
        clients.spawn(async move {
            let body =
                json!({ "model": "chat", "messages": [{ "role": "user", "content": "go" }] }).to_string();
            loop {
                let call = client.post(format!("{url}/v1/chat/completions")).body(body.clone());
                let Ok(reply) = call.send().await else { return };
                let id = reply
                    .headers()
                    .get("x-seawall-request-id")
                    .and_then(|id| id.to_str().ok())
                    .and_then(parse_id);
                let (Some(id), Ok(_)) = (id, reply.bytes().await) else { return };
                answered.lock().expect("no client panicked").insert(id, Instant::now());
            }
        });
    }
    clients
}

/// What gateways said about runs that were killed.
fn kills(reader: &Reader) -> Vec<Value> {
    entries(reader, Kind::Run, Some("killed"))
}

/// What is on record in entries of this kind.
fn entries(reader: &Reader, kind: Kind, outcome: Option<&str>) -> Vec<Value> {
    let listed = listed(reader, kind, outcome);
    listed.iter().filter_map(|listed| serde_json::from_str(listed.entry.get()).ok()).collect()
}

fn listed(reader: &Reader, kind: Kind, outcome: Option<&str>) -> Vec<Listed> {
    let mut found = Vec::new();
    let mut after = 0;
    loop {
        let outcome = outcome.map(str::to_owned);
        let filter = Filter {
            kinds: vec![kind],
            outcome,
            after: Some(after),
            limit: Some(LARGEST_PAGE),
            ..Filter::default()
        };
        let Ok(page) = reader.page(&filter) else { return found };
        let more = page.entries.len() == LARGEST_PAGE;
        found.extend(page.entries);
        if !more {
            return found;
        }
        after = page.last_seq;
    }
}

impl Report {
    fn judge(&mut self, reader: &Reader, all: &BTreeMap<RequestId, (Instant, Instant)>) {
        let ids: Vec<RequestId> =
            listed(reader, Kind::Request, None).iter().filter_map(|record| parse_id(&record.id)).collect();
        let known: std::collections::BTreeSet<RequestId> = ids.iter().copied().collect();
        if known.len() != ids.len() {
            self.complaints.push(format!("{} ids are on record twice", ids.len() - known.len()));
        }
        self.answered = all.len();
        for (id, (killed, at)) in all.iter().filter(|(id, _)| !known.contains(id)) {
            let before = killed.saturating_duration_since(*at);
            self.missing += 1;
            self.oldest_missing = self.oldest_missing.max(before);
            if before > LAST_SECOND {
                self.complaints
                    .push(format!("{id} was answered {before:.1?} before the kill and is not on record"));
            }
        }
        let said = kills(reader);
        self.lost_at_most = said.iter().filter_map(|kill| kill["lost_at_most"].as_u64()).sum();
        if said.len() != self.rounds as usize {
            self.complaints.push(format!("{} kills, {} are known", self.rounds, said.len()));
        }
        if (self.missing as u64) > self.lost_at_most {
            let (missing, said) = (self.missing, self.lost_at_most);
            self.complaints.push(format!("{missing} are missing, and at most {said} are said to be"));
        }
        match reader.check() {
            Ok(Ok(())) => {}
            Ok(Err(wrong)) => self.complaints.push(format!("the database is damaged: {wrong}")),
            Err(error) => self.complaints.push(error.to_string()),
        }
        for run in entries(reader, Kind::Run, Some("stopped")) {
            let number = |member: &str| run[member].as_u64().unwrap_or(0);
            if number("produced") != number("stored") + number("spilled") + number("dropped") {
                self.complaints.push(format!("the sum of a clean stop is wrong: {run}"));
            }
        }
    }
}

/// How long requests took beside a database that stalls, and before it did.
#[derive(Clone, Debug, Default)]
pub struct Stall {
    /// Medians, before and during.
    pub median: (Duration, Duration),
    /// 99 of 100 were faster, before and during.
    pub p99: (Duration, Duration),
    /// Requests that were not answered with 200.
    pub failed: usize,
    /// Requests during the stall.
    pub asked: usize,
    /// What the trail says of itself at the end.
    pub figures: Value,
}

/// Holds the database of a gateway's trail for so long while requests run.
///
/// # Panics
/// When the world around the gateway does not work.
pub async fn stall(program: &Path, time: Duration) -> Stall {
    let folder = tempfile::tempdir().expect("a folder");
    let sim = Sim::start(SimOptions::default()).expect("a free port");
    let config = configuration(folder.path(), &sim, "");
    let (audit, log) = (folder.path().join("audit"), folder.path().join("log"));
    let process = Process::start(program, &config, &log).await;
    let before = paced(&process.url, time / 3).await;
    let lock = rusqlite::Connection::open(audit.join("audit.db")).expect("the database");
    crate::eventually("its lock", async || lock.execute_batch("BEGIN EXCLUSIVE").is_ok()).await;
    let during = paced(&process.url, time).await;
    drop(lock);
    sleep(Duration::from_secs(3)).await;
    process.stop().await;
    let figures = entries(&Reader::new(&audit), Kind::Run, Some("stopped")).pop().unwrap_or_default();
    let quantile = |times: &[Duration], percent: usize| {
        times.get(times.len() * percent / 100).copied().unwrap_or_default()
    };
    Stall {
        median: (quantile(&before.0, 50), quantile(&during.0, 50)),
        p99: (quantile(&before.0, 99), quantile(&during.0, 99)),
        failed: before.1 + during.1,
        asked: during.0.len(),
        figures,
    }
}

/// A hundred requests a second, whether the last one is answered or not; the times that they took in order, and how many
/// failed.
async fn paced(url: &str, time: Duration) -> (Vec<Duration>, usize) {
    let client = crate::http_client();
    let body = json!({ "model": "chat", "messages": [{ "role": "user", "content": "go" }] }).to_string();
    let mut asked = JoinSet::new();
    let began = Instant::now();
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    while began.elapsed() < time {
        let due = pace.tick().await;
        let call = client.post(format!("{url}/v1/chat/completions")).body(body.clone());
        asked.spawn(async move {
            let good = match call.send().await {
                Ok(reply) => reply.status() == 200 && reply.bytes().await.is_ok(),
                Err(_) => false,
            };
            (due.elapsed(), good)
        });
    }
    let all = asked.join_all().await;
    let failed = all.iter().filter(|(_, good)| !good).count();
    let mut times: Vec<Duration> = all.into_iter().map(|(took, _)| took).collect();
    times.sort();
    (times, failed)
}

/// What the process is: a gateway that says where it serves, until it is asked to stop. One plugin is all it needs.
///
/// # Panics
/// When it cannot start.
pub async fn gateway(config: &Path, largest_file: Option<u64>) {
    use seawall::config::{Config, Environment};
    use seawall::server::{self, StartOptions};

    let config = Config::load(config, &Environment::Process).expect("a good configuration");
    seawall::telemetry::init(config.server.log_format);
    if let Some(bytes) = largest_file {
        limit_files(bytes);
    }
    let bundled = vec![("openai".to_owned(), crate::components::bundled("openai").into())];
    let options = StartOptions {
        bundled: Some(bundled),
        watch_plugins: false,
        pause: Duration::ZERO,
        ..StartOptions::default()
    };
    let running = server::start(config, options).await.expect("the gateway starts");
    let mut said = Some(format!("http://{} http://{}", running.data_addr, running.admin_addr));
    let mut waiting = std::pin::pin!(running.wait());
    std::future::poll_fn(|cx| {
        let ended = waiting.as_mut().poll(cx);
        // Only now a request to stop would be heard.
        if let Some(line) = said.take() {
            println!("{line}");
        }
        ended
    })
    .await;
}

/// As a full disk: no file grows beyond this. The limit can be lifted from outside.
fn limit_files(bytes: u64) {
    use rustix::process::{Resource, Rlimit, setrlimit};
    /// Sent to whoever writes beyond; whoever hears it gets an error instead of its end.
    const SIGXFSZ: i32 = 25;
    let heard = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(SIGXFSZ));
    std::mem::forget(heard.expect("a signal"));
    let limit = Rlimit { current: Some(bytes), maximum: None };
    setrlimit(Resource::Fsize, limit).expect("a limit");
}

/// Lifts the limit on files of a process, as somebody who makes room on a disk.
///
/// # Panics
/// When that is not allowed.
pub fn make_room(process: &Process) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
    prlimit(pid, Resource::Fsize, Rlimit { current: None, maximum: None }).expect("the limit is lifted");
}
