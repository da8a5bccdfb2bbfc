//! What an operator is told about the admin interface: where it is, and a command that opens it.

use crate::config::Environment;
use crate::telemetry::OtlpSettings;
use secrecy::ExposeSecret as _;

use crate::config::Config;
use crate::server::Running;
use crate::state::token_path;

/// Address first. A token that was made at this start is shown, this once; otherwise the command fetches it.
pub(super) fn lines(config: &Config, running: &Running) -> Vec<String> {
    let admin = running.admin_addr;
    let kept = token_path(&config.state_dir);
    let kept = kept.display();
    let mut lines = vec![format!("http://{admin}")];
    let token = if config.admin.token.is_some() {
        lines.push("with the token that [admin] names instead of TOKEN:".to_owned());
        "TOKEN".to_owned()
    } else {
        if running.admin_token.fresh {
            lines.push(format!("token {}", running.admin_token.secret.expose_secret()));
            lines.push(format!("shown this once, and kept in {kept}; for example:"));
        } else {
            lines.push("with the token that is kept in the state directory, for example:".to_owned());
        }
        format!("$(cat '{kept}')")
    };
    lines.push(format!("curl -s http://{admin}/admin/status -H \"authorization: Bearer {token}\""));
    lines
}

/// The collectors that the environment names. What is wrong there is said and costs no start: who measures must never
/// keep the gateway from serving.
pub(super) fn collectors() -> Option<OtlpSettings> {
    OtlpSettings::from_env(&Environment::Process).unwrap_or_else(|why| {
        tracing::warn!(why, "no traces and metrics are sent to a collector");
        None
    })
}
