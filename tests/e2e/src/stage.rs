//! A gateway in this process, on free ports.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use seawall::config::{Config, Environment, Source};
use seawall::server::{self, Running, StartOptions};
use seawall::state::CODE_CACHE;
use seawall_core::target::TargetId;
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::runtime::Runtime;

/// A running gateway and a client for it.
#[derive(Debug)]
pub struct Stage {
    running: Running,
    client: reqwest::Client,
    folder: tempfile::TempDir,
    /// What it was started from.
    text: String,
}

impl Stage {
    /// Starts a gateway from a configuration; the plugin folder is a throw-away one unless it names its own.
    ///
    /// # Panics
    /// When the configuration is wrong or the gateway does not start.
    pub async fn start(config: &str) -> Self {
        Self::start_with(config, StartOptions::default()).await
    }

    /// The same with what no configuration says.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn start_with(config: &str, options: StartOptions) -> Self {
        install_tls();
        let folder = tempfile::tempdir().expect("a folder");
        let (state, plugins) = (folder.path().join("state"), folder.path().join("plugins.d"));
        share_code(&state).expect("a folder with a link in it");
        std::fs::create_dir_all(&plugins).expect("a folder");
        let mut text = config.to_owned();
        if !text.contains("[state]") {
            text.push_str(&format!("\n[state]\ndir = {state:?}\n"));
        }
        if !text.contains("[plugins]") {
            // Address space is reserved for each instance, and one process runs dozens of gateways here.
            text.push_str(&format!("\n[plugins]\ndir = {plugins:?}\ninstances = 100\n"));
        }
        if !text.contains("[audit]") {
            // Dozens of gateways share the state, and each has a trail of its own.
            text.push_str(&format!("\n[audit]\ndir = {:?}\n", folder.path().join("audit")));
        }
        Self::serve(text, folder, options).await
    }

    async fn serve(text: String, folder: tempfile::TempDir, options: StartOptions) -> Self {
        let source = Source::new("stage.toml", text.clone());
        let config = Config::parse(source, folder.path(), &Environment::Process)
            .unwrap_or_else(|errors| panic!("{}", errors.render_plain()));
        let running = server::start(config, options).await.expect("the gateway starts");
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { running, client, folder, text }
    }

    /// Ends the gateway in order, and starts another one on what it left, as [`Self::start`] would.
    ///
    /// # Panics
    /// When that does not start.
    pub async fn restart(self) -> Self {
        self.running.shutdown().await;
        Self::serve(self.text, self.folder, StartOptions::default()).await
    }

    /// What outlives the gateway.
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The gateway itself.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Base URL of the data port.
    pub fn url(&self) -> String {
        format!("http://{}", self.running.data_addr)
    }

    /// Base URL of the admin port.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.running.admin_addr)
    }

    /// A client without any time limit of its own.
    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Posts JSON to the data port; status and body.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, String) {
        let (status, _, body) = self.post_for_headers(path, body).await;
        (status, body)
    }

    /// As [`Self::post`], with the headers.
    pub async fn post_for_headers(&self, path: &str, body: &Value) -> (u16, http::HeaderMap, String) {
        self.post_with(path, &[], body).await
    }

    /// As [`Self::post_for_headers`], with headers of the client's own.
    pub async fn post_with(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> (u16, http::HeaderMap, String) {
        let call =
            self.client.post(format!("{}{path}", self.url())).header("content-type", "application/json");
        let call = headers.iter().fold(call, |call, (name, value)| call.header(*name, *value));
        let reply = call.body(body.to_string()).send().await.expect("an answer");
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        (status, headers, reply.text().await.expect("a body"))
    }

    /// Calls the admin port with its token.
    pub async fn admin(&self, method: reqwest::Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let call = self.client.request(method, format!("{}{path}", self.admin_url()));
        let call = call.bearer_auth(self.running.admin_token.secret.expose_secret());
        let call = match body {
            Some(body) => call.header("content-type", "application/json").body(body.to_string()),
            None => call,
        };
        let reply = call.send().await.expect("an answer");
        let status = reply.status().as_u16();
        let text = reply.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Ends the gateway in order; its trail can be read afterwards.
    pub async fn stop(self) -> tempfile::TempDir {
        self.running.shutdown().await;
        self.folder
    }

    /// Lets a provider start afresh, as a change of its configuration would: refused credentials and used-up quotas of a
    /// recording must not hide the next one.
    pub async fn forget_failures(&self, provider: &str) {
        let targets = &self.running.gateway.engine().targets;
        targets.provider_changed(&provider.into());
        let known = targets.status().into_iter().filter_map(|status| TargetId::parse(&status.target));
        known.filter(|target| *target.provider == *provider).for_each(|target| targets.reset(&target));
    }
}

/// A state directory of its own whose compiled plugins are those of all stages: each is compiled once, not once a test.
fn share_code(state: &Path) -> std::io::Result<()> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/stage-state").join(CODE_CACHE);
    std::fs::create_dir_all(&shared)?;
    std::fs::create_dir(state)?;
    std::os::unix::fs::symlink(shared.canonicalize()?, state.join(CODE_CACHE))
}

/// One runtime for all tests of a binary.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    runtime().block_on(work)
}

/// Runs something beside the test.
pub fn background(work: impl Future<Output = ()> + Send + 'static) {
    runtime().spawn(work);
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime"))
}

/// A client that uses no proxy and reuses connections.
///
/// # Panics
/// When there can be none.
pub fn http_client() -> reqwest::Client {
    install_tls();
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

fn install_tls() {
    // Already installed is as good.
    let _already = rustls::crypto::ring::default_provider().install_default();
}
