//! What the demo says and sends.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::sleep;

use super::super::Verdict;
use super::super::output::{Paint, aside, line};
use super::client::post;

/// Between two requests of the trickle.
const BEAT: Duration = Duration::from_millis(1500);
/// After a request, so that its line is told before the next one.
const BREATH: Duration = Duration::from_millis(100);
const CHAT: &str = "/v1/chat/completions";
const HELLO: &str = r#"{"model": "chat", "messages": [{"role": "user", "content": "Hello?"}]}"#;
const COUNT: &str =
    r#"{"model": "chat", "stream": true, "messages": [{"role": "user", "content": "Please count to 20."}]}"#;
/// The control API's path of the first target's lane.
const FIRST_LANE: &str = "/_sim/lanes/openai";
const BREAK: &str = r#"{"faults": [{"kind": "status", "status": 503}]}"#;

/// Where things are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stage {
    pub(super) gateway: SocketAddr,
    pub(super) sim: SocketAddr,
}

/// Says what is running and what to try. Remarks: of the gateway's, the operators' and the simulator's port.
pub(super) fn introduce(stage: &Stage, operators: &[String], remarks: [String; 3]) {
    let paint = Paint::for_stdout();
    let [data, admin, lanes] = remarks;
    let Stage { gateway, sim } = stage;
    line(paint.bold("Seawall demo: four simulated providers behind one model name, `chat`"));
    line(format!("  clients              http://{gateway}/v1{data}"));
    line(format!("  simulated providers  http://{sim}/_sim{lanes}"));
    if let [address, how @ ..] = operators {
        line(format!("  operators            {address}{admin}"));
        how.iter().for_each(|told| line(format!("                       {told}")));
    }
    line("");
    line("Try, in another terminal:");
    let json = "-H 'content-type: application/json'";
    let step =
        |what: &str, command: String| line(format!("  {}\n    {command}", paint.dim(&format!("# {what}"))));
    step("a question", format!("curl -s http://{gateway}{CHAT} {json} -d '{HELLO}'"));
    step("a stream", format!("curl -sN http://{gateway}{CHAT} {json} -d '{COUNT}'"));
    step(
        "break the first provider, then ask again",
        format!("curl -s http://{sim}{FIRST_LANE} -d '{BREAK}'"),
    );
    step("heal it", format!("curl -s -X DELETE http://{sim}{FIRST_LANE}/faults"));
    if let Some(address) = operators.first() {
        step(
            "or let the gateway break it for half a minute, in the provider's own dialect",
            format!("seawall chaos arm 503-outage --provider openai --for 30s --admin {address}"),
        );
    }
    line("");
    line(paint.dim("What happens is told here; times are UTC; ctrl-c ends."));
}

/// A healthy request, the first provider broken, a stream, the same again often enough for the breaker. Good when every
/// client got its answer.
pub(super) async fn play_once(stage: &Stage) -> Verdict {
    let mut verdict = Verdict::Good;
    let steps =
        [(false, HELLO), (true, BREAK), (false, COUNT), (false, HELLO), (false, HELLO), (false, HELLO)];
    for (to_sim, body) in steps {
        let (addr, path) = if to_sim { (stage.sim, FIRST_LANE) } else { (stage.gateway, CHAT) };
        match post(addr, path, body).await {
            Ok((200, answer)) if to_sim || !answer.contains("\"error\"") => {}
            Ok((status, _)) => {
                aside(format!("a request ended with status {status}"));
                verdict = Verdict::Bad;
            }
            Err(error) => {
                aside(format!("a request could not be sent: {error}"));
                verdict = Verdict::Bad;
            }
        }
        sleep(BREATH).await;
    }
    verdict
}

/// A plain question and a stream in turn, for ever.
pub(super) async fn trickle(stage: &Stage) -> Verdict {
    for body in [HELLO, COUNT].into_iter().cycle() {
        if let Err(error) = post(stage.gateway, CHAT, body).await {
            aside(format!("a request could not be sent: {error}"));
        }
        sleep(BEAT).await;
    }
    Verdict::Good
}
