//! A running gateway's admin port, as commands use it: one request a connection, the whole answer, bounded.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::CliError;
use super::config::DEFAULT_FILE;
use crate::config::{Config, Environment, default_state_dir};
use crate::state::token_path;

/// More than any report.
const LARGEST_ANSWER: u64 = 16 << 20;
/// The gateway is here or it is not.
const PATIENCE: Duration = Duration::from_secs(10);
const DEFAULT_ADDRESS: &str = "127.0.0.1:8081";

/// Which gateway, and how to get in.
#[derive(Debug, Args)]
pub(super) struct Door {
    /// Address of the gateway's admin port; default: SEAWALL_ADMIN, the configuration's, or 127.0.0.1:8081.
    #[arg(long, value_name = "HOST:PORT", global = true)]
    admin: Option<String>,
    /// File with the admin token; default: SEAWALL_ADMIN_TOKEN, or the one in the state directory.
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// The gateway's configuration; default: seawall.toml, if there is one.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

/// Why the gateway could not be asked, or said no.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// Nobody answers.
    #[error(
        "no gateway answers at {address} ({error}); start one with `seawall serve` or `seawall demo`, or name another \
         admin port with --admin HOST:PORT"
    )]
    Nobody {
        /// Where.
        address: String,
        /// What the system says.
        error: io::Error,
    },
    /// There is no token.
    #[error(
        "the admin token is not known: {} cannot be read ({error}); name another with --token-file FILE or \
         SEAWALL_ADMIN_TOKEN",
        path.display()
    )]
    NoToken {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It was refused.
    #[error("{message}{}", fix.as_ref().map(|fix| format!("\n  fix: {fix}")).unwrap_or_default())]
    Refused {
        /// HTTP status.
        status: u16,
        /// Why.
        message: String,
        /// What to do.
        fix: Option<String>,
    },
}

/// A member of an answer; null where there is none.
pub(super) fn member<'a>(of: &'a Value, name: &str) -> &'a Value {
    of.get(name).unwrap_or(&Value::Null)
}

/// The way in.
#[derive(Debug)]
pub(super) struct Desk {
    address: String,
    token: SecretString,
}

impl Door {
    /// Finds address and token.
    pub(super) fn open(&self) -> Result<Desk, CliError> {
        let env = Environment::Process;
        let file =
            self.config.clone().or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists()));
        // A configuration that was not asked for may be another gateway's, and need keys that are not here.
        let config = match (file, &self.config) {
            (Some(file), Some(_)) => Some(Config::load(&file, &env)?),
            (Some(file), None) => Config::load(&file, &env).ok(),
            (None, _) => None,
        };
        let configured = || config.as_ref().map(|config| config.admin.listen.to_string());
        let address = self.admin.clone().or_else(|| env.get("SEAWALL_ADMIN")).or_else(configured);
        let address = address.unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
        let address = address.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Ok(Desk { address, token: self.token(config.as_ref(), &env)? })
    }

    fn token(&self, config: Option<&Config>, env: &Environment) -> Result<SecretString, CliError> {
        let given = || env.get("SEAWALL_ADMIN_TOKEN").map(SecretString::from);
        let own = || config.and_then(|config| config.admin.token.clone());
        if let Some(token) = self.token_file.is_none().then(|| given().or_else(own)).flatten() {
            return Ok(token);
        }
        let path = match (&self.token_file, config) {
            (Some(path), _) => path.clone(),
            (None, Some(config)) => token_path(&config.state_dir),
            (None, None) => token_path(&default_state_dir(env)?),
        };
        let text = std::fs::read_to_string(&path).map_err(|error| DeskError::NoToken { path, error })?;
        Ok(text.trim().to_owned().into())
    }
}

impl Desk {
    /// Reads something.
    pub(super) async fn get(&self, path: &str) -> Result<Value, CliError> {
        self.json("GET", path, None).await
    }

    /// Orders something.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.json("POST", path, Some(body)).await
    }

    /// Ends something.
    pub(super) async fn delete(&self, path: &str) -> Result<Value, CliError> {
        self.json("DELETE", path, None).await
    }

    async fn json(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, CliError> {
        let text = self.text(method, path, body).await?;
        Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// The answer's body, if the answer is good.
    pub(super) async fn text(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<String, CliError> {
        let nobody = |error| DeskError::Nobody { address: self.address.clone(), error };
        let asked = timeout(PATIENCE, self.exchange(method, path, body)).await;
        let (status, text) = asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(nobody)?;
        if (200..300).contains(&status) {
            return Ok(text);
        }
        let error: Value = serde_json::from_str(&text).unwrap_or_default();
        let member = |name: &str| error.pointer(&format!("/error/{name}"))?.as_str().map(str::to_owned);
        let message =
            member("message").unwrap_or_else(|| format!("the gateway answered with status {status}"));
        let fix = member("fix").or_else(|| {
            (status == 401)
                .then(|| "the token is another one: --token-file FILE or SEAWALL_ADMIN_TOKEN".to_owned())
        });
        Err(DeskError::Refused { status, message, fix }.into())
    }

    async fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address).await?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.address,
            self.token.expose_secret(),
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(LARGEST_ANSWER).read_to_end(&mut answer).await?;
        let bad = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP");
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n").ok_or_else(bad)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(bad)?;
        Ok((status, body.to_owned()))
    }
}
