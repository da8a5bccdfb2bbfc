//! Units, event by event.

use bytes::BytesMut;

use super::{CAP, Hold};
use crate::class::Class;
use crate::event::{Event, FinishReason, ToolDelta};
use crate::protocol::Peek;
use crate::settings::Atomic;

struct Stream {
    hold: Hold,
    out: BytesMut,
}

impl Stream {
    fn new(atomic: Atomic) -> Self {
        Self { hold: Hold::new(atomic, true, true), out: BytesMut::new() }
    }

    fn put(&mut self, what: &Event, bytes: &str, finish: Option<FinishReason>) -> Result<String, Class> {
        let peek = Peek {
            content: what.is_content(),
            tool: matches!(what, Event::ToolCall(_)),
            reasoning: matches!(what, Event::Reasoning { .. }),
            signed: matches!(what, Event::Reasoning { opaque: Some(_), .. }),
            finish,
            ..Peek::default()
        };
        self.hold.note(0, what);
        self.hold.before(&peek, &mut self.out);
        self.hold.way(&mut self.out).extend_from_slice(bytes.as_bytes());
        self.hold.behind(&peek, finish, &mut self.out).map_err(|failure| failure.class)?;
        Ok(String::from_utf8(self.out.split().to_vec()).unwrap())
    }

    fn text(&mut self, text: &str) -> String {
        self.put(&Event::Text(text.to_owned()), text, None).unwrap()
    }

    fn call(&mut self, index: u32, arguments: &str) -> String {
        let delta = ToolDelta { index, arguments: arguments.to_owned(), ..ToolDelta::default() };
        self.put(&Event::ToolCall(delta), arguments, None).unwrap()
    }

    fn thought(&mut self, text: &str, signature: Option<&str>) -> String {
        let opaque = signature.map(str::to_owned);
        self.put(&Event::Reasoning { text: text.to_owned(), opaque }, text, None).unwrap()
    }

    fn end(&mut self, reason: FinishReason) -> Result<String, Class> {
        self.put(&Event::Done, ".", Some(reason))
    }
}

#[test]
fn calls_come_whole_and_with_the_end() {
    let mut stream = Stream::new(Atomic::Tools);
    assert_eq!(stream.text("a"), "a");
    assert_eq!(stream.call(0, "{\"x\":"), "");
    assert_eq!(stream.call(1, "{}"), "");
    assert_eq!(stream.text("b"), "");
    assert_eq!(stream.call(0, "1}"), "");
    assert!(stream.hold.is_holding());
    assert_eq!(stream.end(FinishReason::ToolCalls).unwrap(), "{\"x\":{}b1}.");
    assert!(!stream.hold.is_holding());
}

#[test]
fn calls_that_are_no_json_do_not_come_at_all() {
    for (arguments, reason, expect) in [
        ("{\"x\":", FinishReason::ToolCalls, Err(Class::ToolCallInvalid)),
        ("{\"x\":}", FinishReason::Stop, Err(Class::ToolCallInvalid)),
        ("{\"x\":", FinishReason::Length, Ok("{\"x\":.".to_owned())),
        ("", FinishReason::ToolCalls, Ok(".".to_owned())),
        ("[1]", FinishReason::ToolCalls, Ok("[1].".to_owned())),
    ] {
        let mut stream = Stream::new(Atomic::Tools);
        assert_eq!(stream.call(0, arguments), "");
        assert_eq!(stream.end(reason), expect, "{arguments}");
    }
}

#[test]
fn signed_reasoning_comes_with_its_signature() {
    let mut stream = Stream::new(Atomic::Tools);
    assert_eq!(stream.thought("a", None), "");
    assert_eq!(stream.thought("b", None), "");
    assert_eq!(stream.thought("", Some("s")), "ab");
    assert_eq!(stream.text("c"), "c");
    // Without a signature it ends where something else begins.
    assert_eq!(stream.thought("d", None), "");
    assert_eq!(stream.text("e"), "de");
    assert_eq!(stream.thought("f", None), "");
    assert_eq!(stream.call(0, "{}"), "f");
    assert_eq!(stream.end(FinishReason::ToolCalls).unwrap(), "{}.");
}

#[test]
fn json_is_held_where_the_operator_wants_it() {
    let mut stream = Stream::new(Atomic::ToolsAndJson);
    assert_eq!(stream.text("{\"a\""), "");
    assert_eq!(stream.text(":1}"), "");
    assert_eq!(stream.end(FinishReason::Stop).unwrap(), "{\"a\":1}.");
    let mut stream = Stream::new(Atomic::ToolsAndJson);
    assert_eq!(stream.text("{\"a\""), "");
    assert_eq!(stream.end(FinishReason::Stop), Err(Class::ToolCallInvalid));
    let mut stream = Stream::new(Atomic::Tools);
    assert_eq!(stream.text("{\"a\""), "{\"a\"");
}

#[test]
fn off_holds_nothing() {
    let mut stream = Stream::new(Atomic::Off);
    assert_eq!(stream.call(0, "{"), "{");
    assert_eq!(stream.thought("a", None), "a");
    assert_eq!(stream.end(FinishReason::ToolCalls).unwrap(), ".");
}

#[test]
fn what_is_too_large_goes_out_as_it_is() {
    let mut stream = Stream::new(Atomic::Tools);
    let half = "x".repeat(CAP / 2 + 1);
    assert_eq!(stream.call(0, &half), "");
    assert_eq!(stream.call(0, &half).len(), 2 * half.len());
    assert!(stream.hold.was_too_large());
    assert_eq!(stream.call(0, "y"), "y");
    assert_eq!(stream.end(FinishReason::ToolCalls).unwrap(), ".");
}
