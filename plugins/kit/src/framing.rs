//! A framer for tests: cuts a recorded body into the events that the host would feed.

use seawall_plugin::adapter::WireEvent;

/// The server-sent events of a body; a body that holds none is taken as one event.
pub fn frames(body: &[u8]) -> Vec<WireEvent> {
    let text = String::from_utf8_lossy(body).replace("\r\n", "\n");
    let starts = ["data:", "event:", "id:", ":"];
    if !starts.iter().any(|start| text.trim_start().starts_with(start)) {
        return vec![WireEvent { headers: Vec::new(), event: None, data: body.to_vec() }];
    }
    text.split("\n\n").filter_map(frame).collect()
}

fn frame(block: &str) -> Option<WireEvent> {
    let (mut event, mut data) = (None, Vec::new());
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => event = Some(value.to_owned()),
            "data" => data.push(value),
            _ => {}
        }
    }
    (!data.is_empty()).then(|| WireEvent { headers: Vec::new(), event, data: data.join("\n").into_bytes() })
}
