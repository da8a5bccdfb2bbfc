use super::{decode, first, wire};
use crate::event::Event::{self, Done, RawChoice, Reasoning, Text, ToolCall};
use crate::event::{Finish, FinishReason, StreamEvent, ToolDelta, Usage, WireEvent};
use crate::protocol::{Peek, Reader};
use crate::request::Protocol::{self, Chat, Messages};

fn event(data: &str) -> WireEvent {
    WireEvent { data: data.to_owned().into(), ..WireEvent::default() }
}

fn text(text: &str) -> Event {
    Text(text.to_owned())
}

fn thought(text: &str, opaque: Option<&str>) -> Event {
    Reasoning { text: text.to_owned(), opaque: opaque.map(str::to_owned) }
}

fn tool(index: u32, id: Option<&str>, name: Option<&str>, arguments: &str) -> Event {
    let (id, name) = (id.map(str::to_owned), name.map(str::to_owned));
    ToolCall(ToolDelta { index, id, name, arguments: arguments.to_owned(), opaque: None })
}

fn end(reason: FinishReason, native: &str) -> Event {
    Event::Finish(Finish { reason, native: Some(native.to_owned()), stop_sequence: None })
}

fn start(id: &str, model: &str) -> Event {
    Event::Start { id: Some(id.to_owned()), model: Some(model.to_owned()) }
}

fn content() -> Peek {
    Peek { content: true, ..Peek::default() }
}

fn reasoning() -> Peek {
    Peek { reasoning: true, ..content() }
}

fn signed() -> Peek {
    Peek { signed: true, ..reasoning() }
}

/// Peek and decode agree, and say this.
fn check(protocol: Protocol, data: &str, peek: Peek, events: Vec<Event>) {
    let mut out = Vec::new();
    assert_eq!(Reader::new(protocol).decode(&event(data), &mut out), peek, "decoding {data}");
    assert_eq!(Reader::new(protocol).peek(&event(data)), peek, "peeking at {data}");
    assert_eq!(out, events.into_iter().map(first).collect::<Vec<_>>(), "{data}");
}

fn delta(delta: &str, peek: Peek, events: Vec<Event>) {
    check(
        Chat,
        &format!(r#"{{"choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#),
        peek,
        events,
    );
}

#[test]
fn chat_preambles_are_no_content() {
    let none = Peek::default;
    check(Chat, r#"{"id":"i","model":"m","choices":[]}"#, none(), vec![start("i", "m")]);
    check(Chat, r#"{"id":"","model":"","choices":[],"prompt_filter_results":[{}]}"#, none(), vec![]);
    delta(r#"{"role":"assistant","content":"","refusal":null}"#, none(), vec![]);
    delta("{}", none(), vec![]);
    delta("null", none(), vec![]);
    check(Chat, r#"{"type":"ping"}"#, none(), vec![]);
}

#[test]
fn chat_content() {
    let tools = || Peek { content: true, tool: true, ..Peek::default() };
    delta(r#"{"content":"a\n\"b\""}"#, content(), vec![text("a\n\"b\"")]);
    delta(r#"{"reasoning_content":"r","reasoning":"r"}"#, reasoning(), vec![thought("r", None)]);
    delta(r#"{"reasoning":"r","content":"t"}"#, reasoning(), vec![thought("r", None), text("t")]);
    delta(r#"{"reasoning_opaque":"s"}"#, signed(), vec![thought("", Some("s"))]);
    delta(r#"{"refusal":"no"}"#, content(), vec![text("no")]);
    delta(
        r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"r"}]},{"type":"text","text":"t"},{"type":"reference"}]}"#,
        reasoning(),
        vec![thought("r", None), text("t")],
    );
    delta(
        r#"{"tool_calls":[{"index":1,"id":"c","type":"function","function":{"name":"f","arguments":""}}]}"#,
        tools(),
        vec![tool(1, Some("c"), Some("f"), "")],
    );
    delta(
        r#"{"tool_calls":[{"index":1,"id":"","function":{"name":null,"arguments":"{\"a\""}}]}"#,
        tools(),
        vec![tool(1, None, None, "{\"a\"")],
    );
    delta(
        r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":{"x": 1}}},{"id":"b","function":{"name":"g"}}]}"#,
        tools(),
        vec![tool(0, Some("a"), Some("f"), r#"{"x": 1}"#), tool(1, Some("b"), Some("g"), "")],
    );
    delta(
        r#"{"function_call":{"name":"f","arguments":"{}"}}"#,
        tools(),
        vec![tool(0, None, Some("f"), "{}")],
    );
    let signed = r#"{"tool_calls":[{"index":0,"extra_content":{"google":{"thought_signature":"s"}}}]}"#;
    delta(
        signed,
        tools(),
        vec![ToolCall(ToolDelta { opaque: Some("s".to_owned()), ..ToolDelta::default() })],
    );
}

#[test]
fn chat_ends() {
    let finish = |word: &str, reason| {
        let data = format!(r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{word}"}}]}}"#);
        check(Chat, &data, Peek { finish: Some(reason), ..Peek::default() }, vec![end(reason, word)]);
    };
    finish("stop", FinishReason::Stop);
    finish("length", FinishReason::Length);
    finish("tool_calls", FinishReason::ToolCalls);
    finish("content_filter", FinishReason::ContentFilter);
    finish("whatever", FinishReason::Other);
    for done in ["[DONE]", "[DONE] "] {
        check(Chat, done, Peek { done: true, ..Peek::default() }, vec![Done]);
    }
    let native =
        r#"{"prompt_tokens":1,"completion_tokens":2,"completion_tokens_details":{"reasoning_tokens":1}}"#;
    let usage = Usage {
        input_tokens: 1,
        output_tokens: 2,
        reasoning_tokens: Some(1),
        native: Some(native.to_owned()),
        ..Usage::default()
    };
    let told = |usage_only| Peek { usage: Some(usage.clone()), usage_only, ..Peek::default() };
    check(
        Chat,
        &format!(r#"{{"choices":[],"usage":{native}}}"#),
        told(true),
        vec![Event::Usage(usage.clone())],
    );
    let both = format!(r#"{{"choices":[{{"delta":{{}}}}],"usage":{native}}}"#);
    check(Chat, &both, told(false), vec![Event::Usage(usage.clone())]);
    let nested = format!(r#"{{"choices":[{{"delta":{{}}}}],"usage":null,"x_groq":{{"usage":{native}}}}}"#);
    check(Chat, &nested, told(false), vec![Event::Usage(usage.clone())]);
}

#[test]
fn logprobs_travel_raw() {
    check(
        Chat,
        r#"{"choices":[{"index":0,"delta":{"content":"x"},"logprobs":{"content":[ 1 ]}}]}"#,
        content(),
        vec![RawChoice(r#"{"logprobs":{"content":[ 1 ]}}"#.to_owned()), text("x")],
    );
}

#[test]
fn errors_and_rubbish_in_a_stream() {
    let error = || Peek { error: true, ..Peek::default() };
    let malformed = || Peek { malformed: true, ..Peek::default() };
    for protocol in [Chat, Messages] {
        check(protocol, "{\"choices\":[", malformed(), vec![]);
        check(protocol, "[]x", malformed(), vec![]);
        check(protocol, "<html>", malformed(), vec![]);
        check(protocol, r#"{"error":{"message":"x"}}"#, error(), vec![]);
        let named = WireEvent { event: Some("error".to_owned()), ..event("{}") };
        assert_eq!(Reader::new(protocol).peek(&named), error());
    }
    check(Chat, r#"{"object":"error","message":"x"}"#, error(), vec![]);
    check(Chat, r#"{"error":null,"choices":[{"delta":{"content":"x"}}]}"#, content(), vec![text("x")]);
    check(Messages, r#"{"type":"error","error":{"type":"overloaded_error"}}"#, error(), vec![]);
}

#[test]
fn a_stream_of_several_choices_finishes_with_the_last() {
    let chunk = |choice: u32, finish: &str| {
        event(&format!(
            r#"{{"choices":[{{"index":{choice},"delta":{{"content":"x"}},"finish_reason":{finish}}}]}}"#
        ))
    };
    let mut reader = Reader::new(Chat);
    let mut finish = |choice, word: &str| reader.peek(&chunk(choice, word)).finish;
    assert_eq!(finish(0, "null"), None);
    assert_eq!(finish(1, "null"), None);
    assert_eq!(finish(1, "\"stop\""), None);
    assert_eq!(finish(0, "\"length\""), Some(FinishReason::Length));

    let mut reader = Reader::new(Chat).expecting(2);
    assert_eq!(reader.peek(&chunk(0, "\"stop\"")).finish, None);
    assert_eq!(reader.peek(&chunk(1, "\"stop\"")).finish, Some(FinishReason::Stop));
}

#[test]
fn messages_events() {
    let none = Peek::default;
    let tools = || Peek { content: true, tool: true, ..Peek::default() };
    let see = |data: &str, peek, events| check(Messages, data, peek, events);
    see(r#"{"type": "ping"}"#, none(), vec![]);
    see(
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        none(),
        vec![],
    );
    see(r#"{"type":"content_block_stop","index":0}"#, none(), vec![]);
    see(r#"{"type":"message_stop"     }"#, Peek { done: true, ..none() }, vec![Done]);
    let delta = |delta: &str, peek, events| {
        see(&format!(r#"{{"type":"content_block_delta","index":0,"delta":{delta}}}"#), peek, events);
    };
    delta(r#"{"type":"text_delta","text":"x"}"#, content(), vec![text("x")]);
    delta(r#"{"type":"thinking_delta","thinking":"x"}"#, reasoning(), vec![thought("x", None)]);
    delta(r#"{"type":"signature_delta","signature":"s"}"#, signed(), vec![thought("", Some("s"))]);
    delta(r#"{"type":"citations_delta","citation":{}}"#, none(), vec![]);
    let block = |block: &str, peek, events| {
        see(&format!(r#"{{"type":"content_block_start","index":0,"content_block":{block}}}"#), peek, events);
    };
    block(r#"{"type":"redacted_thinking","data":"s"}"#, signed(), vec![thought("", Some("s"))]);
    block(
        r#"{"type":"tool_use","id":"t","name":"f","input":{}}"#,
        tools(),
        vec![tool(0, Some("t"), Some("f"), "")],
    );
    block(
        r#"{"type":"server_tool_use","id":"t","name":"web_search","input":{}}"#,
        Peek { provider_tool: true, ..tools() },
        vec![],
    );
    block(r#"{"type":"thinking","thinking":""}"#, Peek { content: false, ..reasoning() }, vec![]);
    let stopped = r#"{"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"END"},"usage":{}}"#;
    let finish = Finish {
        reason: FinishReason::StopSequence,
        native: Some("stop_sequence".to_owned()),
        stop_sequence: Some("END".to_owned()),
    };
    let peek = Peek { finish: Some(FinishReason::StopSequence), ..none() };
    see(stopped, peek, vec![Event::Finish(finish)]);
}

#[test]
fn a_message_counts_its_tools_and_adds_up_its_usage() {
    let stream = r#"
event: message_start
data: {"type":"message_start","message":{"id":"msg","model":"m","usage":{"input_tokens":5,"cache_read_input_tokens":7,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"server_tool_use","id":"s"}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{}"}}

event: content_block_start
data: {"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"b","name":"g","input":{"x":1}}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":9}}

event: message_stop
data: {"type":"message_stop"}
"#;
    let events: Vec<Event> =
        decode(Messages, stream.as_bytes()).into_iter().map(|event| event.what).collect();
    let usage = |output_tokens, native: &str| {
        Event::Usage(Usage {
            input_tokens: 12,
            output_tokens,
            cache_read_tokens: Some(7),
            native: Some(native.to_owned()),
            ..Usage::default()
        })
    };
    let expect = vec![
        start("msg", "m"),
        usage(1, r#"{"input_tokens":5,"cache_read_input_tokens":7,"output_tokens":1}"#),
        tool(0, Some("a"), Some("f"), ""),
        tool(0, None, None, "{}"),
        tool(1, Some("b"), Some("g"), r#"{"x":1}"#),
        usage(9, r#"{"output_tokens":9}"#),
        end(FinishReason::ToolCalls, "tool_use"),
        Done,
    ];
    assert_eq!(events, expect);
}

/// The short cut for text must never see another thing than the full reading does.
#[test]
fn the_short_cut_agrees_with_the_full_reading() {
    let chat = |text: &str, tail: &str| {
        format!(
            r#"{{"id":"c","object":"chat.completion.chunk","model":"m","choices":[{{"index":2,"delta":{{"content":"{text}"}},"logprobs":null,"finish_reason":null}}]{tail}}}"#
        )
    };
    let message = |text: &str, tail: &str| {
        format!(
            r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}{tail}}}"#
        )
    };
    let texts =
        ["a", "b c", "", r#"q\"q\\"#, r"\u00e9\n", "é𝄞", r"\ud83d\ude00", r"\x", "a\tb", r#"","role":"x"#];
    let chat_tails =
        ["", r#","obfuscation":"abc""#, r#","obfuscation":"""#, r#","usage":{"prompt_tokens":1}"#, "]", " "];
    let message_tails = ["", " ", "      ", "]", r#","x":1"#];
    let cases = |make: &dyn Fn(&str, &str) -> String, tails: &[&str]| -> Vec<String> {
        tails.iter().flat_map(|tail| texts.iter().map(|text| make(text, tail)).collect::<Vec<_>>()).collect()
    };
    for (protocol, cases) in [(Chat, cases(&chat, &chat_tails)), (Messages, cases(&message, &message_tails))]
    {
        for taught in &cases {
            for asked in &cases {
                let mut reader = Reader::new(protocol);
                let mut ignored = Vec::new();
                reader.decode(&event(taught), &mut ignored);
                let mut short = Vec::new();
                let peek = reader.decode(&event(asked), &mut short);
                let mut full = Vec::new();
                let expect = Reader::new(protocol).decode(&event(asked), &mut full);
                let without_start = |events: &[StreamEvent]| -> Vec<StreamEvent> {
                    events
                        .iter()
                        .filter(|event| !matches!(event.what, Event::Start { .. }))
                        .cloned()
                        .collect()
                };
                assert_eq!(peek, expect, "{taught} then {asked}");
                assert_eq!(without_start(&short), without_start(&full), "{taught} then {asked}");
            }
        }
    }
}

#[test]
fn named_events_with_blanks_behind_are_text_too() {
    let stream = b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}  }\n\n";
    let events = wire(stream);
    assert_eq!(Reader::new(Messages).peek(&events[0]), content());
}
