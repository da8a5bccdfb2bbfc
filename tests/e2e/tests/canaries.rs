//! Secrets are planted in keys, headers and URLs, an upstream repeats all it is told, and nothing that the gateway says
//! or keeps holds any of them: not the log, not an error, not the admin interface, not the audit trail.

use std::fs;
use std::path::Path;

use seawall_e2e::canary::{ADMIN_PLACES, Canaries, talkative_upstream};
use seawall_e2e::kills::Process;
use seawall_e2e::{block_on, eventually, http_client};
use serde_json::json;

#[test]
fn planted_secrets_appear_nowhere() {
    block_on(async {
        let mut canaries = Canaries::default();
        let folder = tempfile::tempdir().expect("a folder");
        let secret = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("a file");
            path
        };
        let credential = canaries.plant("a provider's credential");
        let client_key = canaries.plant("a client's key");
        let admin_token = canaries.plant("the admin token");
        let files =
            [secret("credential", &credential), secret("client", &client_key), secret("admin", &admin_token)];
        let upstream = talkative_upstream().await;
        let state = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/stage-state");
        let (plugins, audit) = (folder.path().join("plugins.d"), folder.path().join("audit"));
        fs::create_dir_all(&plugins).expect("a folder");
        let config = folder.path().join("seawall.toml");
        let [credential_file, client_file, admin_file] = &files;
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nlog_format = \"json\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\ntoken = {{ file = {admin_file:?} }}\n\
             [state]\ndir = {state:?}\n[plugins]\ndir = {plugins:?}\ninstances = 100\n\
             [audit]\ndir = {audit:?}\n[audit.content]\nmodels = [\"chat\"]\n\
             [[clients]]\nname = \"shop\"\nkey = {{ file = {client_file:?} }}\n\
             [providers.talkative]\nadapter = \"openai\"\nbase_url = \"http://{upstream}/v1\"\n\
             credential = {{ file = {credential_file:?} }}\n\
             [models.chat]\ntargets = [\"talkative/m\", \"talkative/status-503\"]\n"
        );
        fs::write(&config, text).expect("a file");
        let log = folder.path().join("log");
        let process = Process::start(Path::new(env!("CARGO_BIN_EXE_kills")), &config, &log).await;
        let client = http_client();
        assert_eq!(canaries.nowhere(&format!("it says {credential}")), ["a provider's credential"]);
        let mut complaints = Vec::new();
        let mut repeated = 0;
        let mut look = |place: String, text: &str, canaries: &Canaries| {
            complaints.extend(canaries.nowhere(text).iter().map(|planted| format!("{planted}, in {place}")));
        };

        // Whatever an upstream answers, and wherever it repeats what it was told.
        let cookie = canaries.plant("a cookie");
        let header = canaries.plant("a header of the client's own");
        let query = canaries.plant("a query");
        let said = canaries.plant("what a client says");
        let models =
            ["m", "status-400", "status-401", "status-403", "status-404", "status-413", "status-422"];
        let models = models.into_iter().chain(["status-429", "status-500", "status-503", "broken-stream"]);
        let models = models.map(|model| format!("talkative/{model}")).chain(["chat".to_owned()]);
        for model in models {
            for stream in [false, true] {
                let messages = json!([{ "role": "user", "content": format!("my key is {said}") }]);
                let body = json!({ "model": model, "stream": stream, "messages": messages });
                let call = client
                    .post(format!("{}/v1/chat/completions?key={query}", process.url))
                    .bearer_auth(&client_key)
                    .header("cookie", format!("session={cookie}"))
                    .header("x-internal-secret", &header)
                    .body(body.to_string());
                let reply = call.send().await.expect("an answer");
                let headers = format!("{:?}", reply.headers());
                let text = reply.text().await.unwrap_or_default();
                repeated += usize::from(text.contains("accept-encoding"));
                // A client may hear what it said itself: its own words, but no key.
                let keys = canaries.without("what a client says");
                look(format!("the headers of {model}"), &headers, &keys);
                look(format!("the answer of {model} (stream {stream}): {text}"), &text, &keys);
            }
        }
        assert!(repeated > 0, "the upstream repeats what it was told, and clients read some of it");
        // What is refused at the door.
        let wrong = canaries.plant("a wrong key");
        let path = canaries.plant("a path");
        for (url, key) in [
            (format!("{}/v1/chat/completions", process.url), &wrong),
            (format!("{}/v1/models", process.url), &wrong),
            (format!("{}/v1/models/{}", process.url, "m"), &wrong),
            (format!("{}/nothing?key={path}", process.url), &client_key),
        ] {
            for call in [client.post(&url).body("{}"), client.get(&url)] {
                let reply =
                    call.bearer_auth(key).header("x-api-key", &wrong).send().await.expect("an answer");
                let text =
                    format!("{:?} {}", reply.headers().clone(), reply.text().await.unwrap_or_default());
                look(format!("the refusal of {url}"), &text, &canaries);
            }
        }
        // What operators send.
        let order = canaries.plant("an operator's order");
        let other_token = canaries.plant("a wrong admin token");
        for token in [&admin_token, &other_token] {
            for (place, body) in [
                (
                    "/admin/targets/talkative/m",
                    json!({ "action": "force-open", "reason": order, "ttl": "1s" }),
                ),
                ("/admin/chaos/faults", json!({ "kind": "none", "config": { "key": order } })),
                ("/admin/providers/talkative", json!({ "action": order })),
            ] {
                let call = client.post(format!("{}{place}", process.admin_url)).bearer_auth(token);
                let reply = call.body(body.to_string()).send().await.expect("an answer");
                let text = reply.text().await.unwrap_or_default();
                // Whoever gave an order may read it in what it led to.
                look(format!("the answer of {place}"), &text, &canaries.without("an operator's order"));
            }
        }
        // Everything that operators read, when everything is on record.
        let read = async |place: &str| {
            let call = client.get(format!("{}{place}", process.admin_url)).bearer_auth(&admin_token);
            call.send().await.expect("an answer").text().await.expect("a body")
        };
        eventually("all is on record", async || {
            read("/admin/audit/status").await.contains("\"under_way\":0")
        })
        .await;
        let whole = read("/admin/audit/export?kind=content").await;
        assert!(whole.contains("my key is [key]"), "content is kept, and redacted: {whole}");
        for place in ADMIN_PLACES {
            // A target shows why an operator holds it, for as long as that lasts.
            let text = read(place).await;
            let canaries = if place.contains("audit") {
                canaries.clone()
            } else {
                canaries.without("an operator's order")
            };
            look((*place).to_owned(), &text, &canaries);
        }
        process.stop().await;
        for file in fs::read_dir(&audit).expect("a folder") {
            let path = file.expect("a file").path();
            let bytes = fs::read(&path).expect("a file");
            look(path.display().to_string(), &String::from_utf8_lossy(&bytes), &canaries);
        }
        look(
            "the log".to_owned(),
            &fs::read_to_string(&log).expect("the log"),
            &canaries.without("an operator's order"),
        );
        assert!(complaints.is_empty(), "{complaints:#?}");
    });
}
