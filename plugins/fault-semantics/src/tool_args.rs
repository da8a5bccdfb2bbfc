//! Arguments of tool calls, wherever a wire format has them as JSON text.

use seawall_plugin::fault::{Frame, Step, Transform};
use seawall_plugin::serde_json::{self, Value};

/// Members that hold the text, or a piece of it, in the formats that send it as text.
const MEMBERS: [&str; 2] = ["arguments", "partial_json"];

/// Lets so many bytes of arguments through; all tool calls of a reply share them.
#[derive(Debug)]
pub(crate) struct ToolArgs {
    pub(crate) keep: usize,
}

impl Transform for ToolArgs {
    fn piece(&mut self, frames: Vec<Frame>) -> Vec<Step> {
        frames.into_iter().map(|frame| Step::Send(self.cut(frame))).collect()
    }
}

impl ToolArgs {
    fn cut(&mut self, frame: Frame) -> Frame {
        let Ok(mut value) = serde_json::from_slice::<Value>(&frame.data) else { return frame };
        // What holds no arguments keeps its own bytes.
        if !self.visit(&mut value) {
            return frame;
        }
        Frame { data: value.to_string().into_bytes(), ..frame }
    }

    /// Whether anything was cut.
    fn visit(&mut self, value: &mut Value) -> bool {
        // Every member is visited, also after one that was cut.
        let mut cut = false;
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| cut |= self.visit(item)),
            Value::Object(members) => {
                for (name, value) in members {
                    cut |= match value {
                        Value::String(text) if MEMBERS.contains(&name.as_str()) => self.shorten(text),
                        _ => self.visit(value),
                    };
                }
            }
            _ => {}
        }
        cut
    }

    fn shorten(&mut self, text: &mut String) -> bool {
        let end = (0..=self.keep.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        let cut = end < text.len();
        self.keep -= end;
        text.truncate(end);
        cut
    }
}
