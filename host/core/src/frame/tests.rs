use bytes::Bytes;
use proptest::prelude::*;

use super::{FrameError, Framed, Framer};
use crate::ports::Framing;

const SSE: Option<&str> = Some("text/event-stream; charset=utf-8");

/// Everything that comes out of these chunks, errors last.
fn run(framing: Framing, kind: Option<&str>, chunks: &[&[u8]]) -> (Vec<Framed>, Option<FrameError>) {
    let mut framer = Framer::new(framing, kind, 4096);
    let mut out = Vec::new();
    for chunk in chunks {
        if let Err(error) = framer.push(Bytes::copy_from_slice(chunk), &mut out) {
            return (out, Some(error));
        }
    }
    framer.finish(&mut out);
    (out, None)
}

/// Frames the text whole, split at every byte, and byte by byte; all must agree.
fn frames(framing: Framing, kind: Option<&str>, text: &[u8]) -> Vec<Framed> {
    let whole = run(framing, kind, &[text]);
    for at in 0..=text.len() {
        let (a, b) = text.split_at(at);
        assert_eq!(
            run(framing, kind, &[a, b]),
            whole,
            "split at {at} of {:?}",
            String::from_utf8_lossy(text)
        );
    }
    let single: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(run(framing, kind, &single), whole, "byte by byte: {:?}", String::from_utf8_lossy(text));
    assert_eq!(whole.1, None);
    whole.0
}

/// As short text: `name|data` for events, `:` for comments.
fn shown(framed: &[Framed]) -> Vec<String> {
    let show = |framed: &Framed| match framed {
        Framed::Event { event, .. } => {
            format!("{}|{}", event.event.as_deref().unwrap_or_default(), String::from_utf8_lossy(&event.data))
        }
        Framed::Comment(_) => ":".to_owned(),
    };
    framed.iter().map(show).collect()
}

fn raw(framed: &[Framed]) -> Vec<u8> {
    let bytes = |framed: &Framed| match framed {
        Framed::Event { raw, .. } | Framed::Comment(raw) => raw.to_vec(),
    };
    framed.iter().flat_map(bytes).collect()
}

fn sse(text: &str, expect: &[&str]) -> Vec<u8> {
    let framed = frames(Framing::Sse, SSE, text.as_bytes());
    assert_eq!(shown(&framed), expect, "{text:?}");
    raw(&framed)
}

/// What comes out is, put together, what went in.
fn relayed(text: &str, expect: &[&str]) {
    assert_eq!(String::from_utf8(sse(text, expect)).unwrap(), text);
}

#[test]
fn events_keep_their_bytes_whatever_their_line_ends() {
    relayed("data: a\n\ndata: b\n\n", &["|a", "|b"]);
    relayed("data: a\r\n\r\ndata:b\r\n\r\n", &["|a", "|b"]);
    relayed("data: a\r\rdata: b\r\r", &["|a", "|b"]);
    relayed("data: a\r\n\ndata: b\n\r\n", &["|a", "|b"]);
    relayed("event: x\nid: 7\nretry: 10\ndata:  a \n\n", &["x| a "]);
    relayed("data: é☃𝄞\n\n", &["|é☃𝄞"]);
}

#[test]
fn several_data_lines_are_one_text() {
    relayed("data: a\ndata: b\ndata\ndata:c\n\n", &["|a\nb\n\nc"]);
    relayed("data: a\r\ndata: b\r\n\r\n", &["|a\nb"]);
    relayed("data\ndata: a\n\n", &["|\na"]);
}

#[test]
fn what_has_no_data_is_a_sign_of_life() {
    relayed(": ping\n\ndata: a\n\n", &[":", "|a"]);
    relayed(":\n\n:\r\n\r\n", &[":", ":"]);
    relayed("event: x\n\ndata: a\n\n", &[":", "|a"]);
    relayed("data:\n\ndata: \n\n", &[":", ":"]);
    relayed("\n\ndata: a\n\n\n", &[":", ":", "|a", ":"]);
    relayed(": in the same block\ndata: a\n\n", &["|a"]);
    relayed("dataset: a\nunknown: b\ndata: c\n\n", &["|c"]);
    relayed("event:\ndata: c\n\n", &["|c"]);
}

#[test]
fn a_run_of_comments_without_blank_lines_is_let_go() {
    let text = ": keep-alive\n".repeat(1000);
    let framed = frames(Framing::Sse, SSE, text.as_bytes());
    assert!(framed.len() > 10, "{}", framed.len());
    assert!(framed.iter().all(|framed| matches!(framed, Framed::Comment(_))));
    assert!(raw(&framed).starts_with(text.as_bytes()));
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_event() {
    assert_eq!(sse("\u{feff}data: a\n\n", &["|a"]), b"data: a\n\n");
    assert_eq!(sse("\u{feff}", &[]), b"");
}

#[test]
fn an_unterminated_last_event_is_delivered_and_made_whole() {
    let check = |text: &str, expect: &[&str], relay: &str| {
        assert_eq!(sse(text, expect), relay.as_bytes(), "{text:?}")
    };
    check("data: a", &["|a"], "data: a\n\n");
    check("data: a\n", &["|a"], "data: a\n\n");
    check("data: a\r\n", &["|a"], "data: a\r\n\n");
    check("data: a\r", &["|a"], "data: a\r\n\n");
    check("data: a\r\n\r", &["|a"], "data: a\r\n\r");
    check("data: a\n\n: bye", &["|a", ":"], "data: a\n\n: bye\n\n");
    check("", &[], "");
}

#[test]
fn events_inside_one_chunk_are_slices_of_it() {
    let chunk = Bytes::from_static(b"event: x\ndata: {\"a\":1}\n\ndata: b\n\n");
    let mut out = Vec::new();
    Framer::new(Framing::Sse, None, 100).push(chunk.clone(), &mut out).unwrap();
    let inside = chunk.as_ptr_range();
    for framed in &out {
        let Framed::Event { event, raw } = framed else { panic!("{framed:?}") };
        assert!(inside.contains(&raw.as_ptr()));
        assert!(inside.contains(&event.data.as_ptr()));
    }
    assert_eq!(out.len(), 2);
}

#[test]
fn json_lines() {
    let text = "{\"a\":1}\n\n {\"b\":\"x\\ny\"} \r\nnot json\n[1]";
    for (framing, kind) in [(Framing::JsonLines, None), (Framing::Auto, Some("application/x-ndjson"))] {
        let framed = frames(framing, kind, text.as_bytes());
        assert_eq!(shown(&framed), ["|{\"a\":1}", "|{\"b\":\"x\\ny\"}", "|not json", "|[1]"]);
    }
}

#[test]
fn elements_of_an_array_and_bare_values() {
    let check = |text: &str, expect: &[&str]| {
        for (framing, kind) in [
            (Framing::JsonArray, None),
            (Framing::Auto, Some("application/json")),
            (Framing::Auto, None),
            (Framing::Auto, SSE),
            (Framing::Sse, SSE),
        ] {
            let expect: Vec<String> = expect.iter().map(|data| format!("|{data}")).collect();
            assert_eq!(shown(&frames(framing, kind, text.as_bytes())), expect, "{text} as {framing:?}");
        }
    };
    check("[{\"a\":1}\n,\r\n{\"b\":[{}]}]\n", &["{\"a\":1}", "{\"b\":[{}]}"]);
    check(
        "[{\"a\":\"]}\\\"{\"},[1,[2]],\"s]\",3,null]",
        &["{\"a\":\"]}\\\"{\"}", "[1,[2]]", "\"s]\"", "3", "null"],
    );
    check("{\"error\": {\n \"message\": \"x\\\\\" }}\n", &["{\"error\": {\n \"message\": \"x\\\\\" }}"]);
    check("{\"a\":1}{\"b\":2}\n{\"c\":3}", &["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"]);
    check("[]", &[]);
    check(" [ ] ", &[]);
    check("[{\"cut\":", &["{\"cut\":"]);
    check("[{\"a\":1},", &["{\"a\":1}"]);
}

#[test]
fn auto_looks_at_the_first_byte() {
    let check = |kind, text: &str, expect: &[&str]| {
        assert_eq!(shown(&frames(Framing::Auto, kind, text.as_bytes())), expect, "{text}");
    };
    check(None, "data: a\n\n", &["|a"]);
    check(Some("application/json"), "data: a\n\n", &["|a"]);
    check(None, ": hello\n\n", &[":"]);
    check(Some("text/plain"), "\n {\"a\":1}", &["|{\"a\":1}"]);
    for framing in [Framing::Auto, Framing::Sse, Framing::JsonLines, Framing::JsonArray] {
        let (out, error) = run(framing, Some("text/html"), &[b"\n<html>data: x\n\n"]);
        assert_eq!((out, error), (vec![], Some(FrameError::Markup)));
    }
}

#[test]
fn events_have_a_size_cap_and_errors_stay() {
    for (framing, start) in
        [(Framing::Sse, "data: "), (Framing::JsonLines, "\""), (Framing::JsonArray, "[\"")]
    {
        let mut framer = Framer::new(framing, None, 64);
        let mut out = Vec::new();
        let big = format!("{start}{}", "x".repeat(100));
        let pieces: Vec<Bytes> = big.as_bytes().chunks(10).map(Bytes::copy_from_slice).collect();
        let error = pieces.into_iter().find_map(|piece| framer.push(piece, &mut out).err());
        assert_eq!(error, Some(FrameError::TooLarge { limit: 64 }), "{framing:?}");
        let again = framer.push(Bytes::from_static(b"data: a\n\n"), &mut out);
        assert_eq!(again, Err(FrameError::TooLarge { limit: 64 }));
        framer.finish(&mut out);
        assert_eq!(out, vec![], "{framing:?}");
    }
    let mut whole = Framer::new(Framing::Sse, None, 8);
    assert!(whole.push(Bytes::from_static(b"data: 123456\n\n"), &mut Vec::new()).is_err());
}

#[test]
fn binary_streams_are_refused() {
    let (_, error) = run(Framing::AwsEventStream, None, &[b"x"]);
    assert_eq!(error, Some(FrameError::Unsupported));
}

fn any_framing() -> impl Strategy<Value = Framing> {
    prop::sample::select(vec![Framing::Auto, Framing::Sse, Framing::JsonLines, Framing::JsonArray])
}

fn stream_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "data: ", "data:", "event: x", ":", "\n", "\r", "\r\n", "\n\n", "{", "}", "[", "]", "\"", "\\", ",",
        "1", "é", " ", "\u{feff}", "<",
    ]);
    prop_oneof![
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes()),
        any::<Vec<u8>>(),
    ]
}

proptest! {
    #[test]
    fn no_bytes_panic_and_cuts_do_not_matter(
        framing in any_framing(),
        text in stream_like(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let whole = run(framing, None, &[&text]);
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        places.push(0);
        places.push(text.len());
        places.sort_unstable();
        let chunks: Vec<&[u8]> = places.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        prop_assert_eq!(run(framing, None, &chunks), whole);
    }
}
