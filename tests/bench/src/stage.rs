//! The processes under measurement.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A child process; killed when dropped.
pub(crate) struct Process(Child);

/// What the threads of a process have spent up to a moment.
pub(crate) struct Cpu(HashMap<OsString, Thread>);

struct Thread {
    name: String,
    spent: Duration,
}

impl Cpu {
    /// What was spent since an earlier moment, by threads whose names begin like this. Thread by thread: the sum over a
    /// process shrinks when one of them ends.
    pub(crate) fn since(&self, before: &Self, name: &str) -> Duration {
        let threads = self.0.iter().filter(|(_, thread)| thread.name.starts_with(name));
        let spent = threads.map(|(id, thread)| {
            let before = before.0.get(id).map_or(Duration::ZERO, |thread| thread.spent);
            thread.spent.saturating_sub(before)
        });
        spent.sum()
    }
}

pub(crate) struct Stage {
    pub(crate) sim_base: String,
    pub(crate) proxy_base: String,
    pub(crate) gateway_base: String,
    pub(crate) proxy: Process,
    pub(crate) gateway: Process,
    /// From exec to the first answered health check, with a cold and with a warm code cache.
    pub(crate) start_cold: Duration,
    pub(crate) start_warm: Duration,
    pub(crate) idle_rss_kib: u64,
    _sim: Process,
    sim: u16,
    folder: tempfile::TempDir,
}

impl Stage {
    /// `server` are further lines for that part of the gateway's configuration, `more` further parts.
    pub(crate) async fn start(server: &str, more: &str) -> Self {
        let seawall = seawall();
        let (sim, proxy, gateway, admin) = (free_port(), free_port(), free_port(), free_port());
        let folder = tempfile::tempdir().expect("a folder");
        let _already = rustls::crypto::ring::default_provider().install_default();
        let config = folder.path().join("seawall.toml");
        fs::write(&config, configuration(sim, gateway, admin, server, folder.path(), more)).expect("a file");

        let sim_process =
            Process::start(Command::new(&seawall).args(["sim", "--listen", &format!("127.0.0.1:{sim}")]));
        wait_until_open(sim).await;
        let own = std::env::current_exe().expect("a path");
        let sim_base = format!("http://127.0.0.1:{sim}/openai");
        let proxy_process =
            Process::start(Command::new(own).args(["proxy", &format!("127.0.0.1:{proxy}"), &sim_base]));
        wait_until_open(proxy).await;

        let serve = || Process::start(Command::new(&seawall).arg("serve").arg("--config").arg(&config));
        let (cold, start_cold) = timed_start(serve, gateway).await;
        drop(cold);
        let (gateway_process, start_warm) = timed_start(serve, gateway).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let idle_rss_kib = gateway_process.rss_kib();
        Self {
            sim_base,
            proxy_base: format!("http://127.0.0.1:{proxy}"),
            gateway_base: format!("http://127.0.0.1:{gateway}"),
            proxy: proxy_process,
            gateway: gateway_process,
            start_cold,
            start_warm,
            idle_rss_kib,
            _sim: sim_process,
            sim,
            folder,
        }
    }
}

impl Stage {
    /// Another gateway over the same simulator, with more in its configuration, or of another build; where it serves.
    pub(crate) async fn another(&self, build: Option<&Path>, more: &str) -> (String, Process) {
        let (gateway, admin) = (free_port(), free_port());
        let folder = self.folder.path().join(gateway.to_string());
        fs::create_dir(&folder).expect("a folder");
        let config = folder.join("seawall.toml");
        fs::write(&config, configuration(self.sim, gateway, admin, "", &folder, more)).expect("a file");
        let seawall = build.map_or_else(seawall, Path::to_owned);
        let serve = || Process::start(Command::new(&seawall).arg("serve").arg("--config").arg(&config));
        // Twice, as the first was: one that has just compiled its plugins is another process.
        drop(timed_start(serve, gateway).await);
        let (process, _) = timed_start(serve, gateway).await;
        (format!("http://127.0.0.1:{gateway}"), process)
    }

    /// From now on every answer of the simulated provider takes so long.
    pub(crate) async fn slow_upstream(&self, time: Duration) {
        let (base, lane) = self.sim_base.rsplit_once('/').expect("a lane");
        let change = serde_json::json!({ "first_token_ms": time.as_millis() as u64 }).to_string();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let reply = client.post(format!("{base}/_sim/lanes/{lane}")).body(change).send().await;
        assert!(reply.expect("an answer").status().is_success(), "the simulator takes the change");
    }
}

impl Process {
    fn start(command: &mut Command) -> Self {
        // An open standard input, so that nobody takes its end as a wish to stop.
        Self(
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts"),
        )
    }

    /// What its threads have spent so far, by the scheduler's own nanosecond counters.
    pub(crate) fn cpu(&self) -> Cpu {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0.id())).expect("a live process");
        let threads = tasks.filter_map(|task| {
            let task = task.ok()?;
            // A thread that ends meanwhile has no files any more.
            let name = fs::read_to_string(task.path().join("comm")).ok()?;
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            let spent = Duration::from_nanos(text.split(' ').next()?.parse().ok()?);
            Some((task.file_name(), Thread { name, spent }))
        });
        Cpu(threads.collect())
    }

    pub(crate) fn rss_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("a live process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a resident size");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

async fn timed_start(start: impl Fn() -> Process, port: u16) -> (Process, Duration) {
    let began = Instant::now();
    let process = start();
    wait_until_open(port).await;
    // The port is taken before plugins are loaded; an answer is what counts as started.
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    client.get(format!("http://127.0.0.1:{port}/v1/models")).send().await.expect("an answer");
    (process, began.elapsed())
}

async fn wait_until_open(port: u16) {
    let patience = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < patience, "nothing listens on port {port}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// The optimised gateway that `cargo xtask bench` has just built.
fn seawall() -> PathBuf {
    let beside = std::env::current_exe().expect("a path").with_file_name("seawall");
    assert!(beside.exists(), "{} is missing: run `cargo xtask bench`", beside.display());
    beside
}

fn configuration(sim: u16, gateway: u16, admin: u16, server: &str, folder: &Path, more: &str) -> String {
    let (plugins, state) = (folder.join("plugins.d"), folder.join("state"));
    fs::create_dir_all(&plugins).expect("a folder");
    format!(
        r#"[server]
listen = "127.0.0.1:{gateway}"
{server}[admin]
listen = "127.0.0.1:{admin}"
[plugins]
dir = {plugins:?}
[state]
dir = {state:?}
[providers.openai]
adapter = "openai"
base_url = "http://127.0.0.1:{sim}/openai/v1"
[providers.anthropic]
adapter = "anthropic"
base_url = "http://127.0.0.1:{sim}/anthropic/v1"
{more}"#
    )
}
