//! Writes content blocks as stream events.

use serde_json::{Value, json};

use super::SIGNATURE;
use crate::answer::Choice;
use crate::dialect::{Event, Role, named_sse};

/// The content blocks of a streamed answer.
pub(super) fn blocks(choice: &Choice, events: &mut Vec<Event>) {
    let mut writer = Blocks { index: 0, events };
    if !choice.reasoning.is_empty() {
        writer.open(json!({"type": "thinking", "thinking": "", "signature": ""}));
        for piece in &choice.reasoning {
            writer.delta(json!({"type": "thinking_delta", "thinking": piece}), Role::Content);
        }
        writer.delta(json!({"type": "signature_delta", "signature": SIGNATURE}), Role::Frame);
        writer.close();
    }
    if !choice.text.is_empty() {
        writer.open(json!({"type": "text", "text": ""}));
        for piece in &choice.text {
            writer.delta(json!({"type": "text_delta", "text": piece}), Role::Content);
        }
        writer.close();
    }
    for call in &choice.calls {
        writer.open(
            json!({"type": "tool_use", "id": format!("toolu_01{}", call.id), "name": call.name, "input": {}}),
        );
        writer.delta(json!({"type": "input_json_delta", "partial_json": ""}), Role::Frame);
        for piece in call.pieces() {
            writer.delta(json!({"type": "input_json_delta", "partial_json": piece}), Role::Content);
        }
        writer.close();
    }
}

/// Writes content blocks one after the other and keeps their index.
struct Blocks<'a> {
    index: usize,
    events: &'a mut Vec<Event>,
}

impl Blocks<'_> {
    /// A ping follows the start of the first block, as in the real streams.
    fn open(&mut self, block: Value) {
        self.push(
            "content_block_start",
            json!({"type": "content_block_start", "index": self.index, "content_block": block}),
            Role::Frame,
        );
        if self.index == 0 {
            self.push("ping", json!({"type": "ping"}), Role::Frame);
        }
    }

    fn delta(&mut self, delta: Value, role: Role) {
        self.push(
            "content_block_delta",
            json!({"type": "content_block_delta", "index": self.index, "delta": delta}),
            role,
        );
    }

    fn close(&mut self) {
        self.push(
            "content_block_stop",
            json!({"type": "content_block_stop", "index": self.index}),
            Role::Frame,
        );
        self.index += 1;
    }

    fn push(&mut self, name: &str, value: Value, role: Role) {
        self.events.push(named_sse(name, &value, role));
    }
}
