use super::*;
use crate::dialect::Dialect;

fn event(text: &'static str, role: Role) -> Event {
    Event { bytes: Bytes::from_static(text.as_bytes()), role }
}

/// A stream with the shape that all dialects share: frame, content, frame, finish, end.
fn reply() -> Reply {
    let events = vec![
        event("<", Role::Frame),
        event("a", Role::Content),
        event("b", Role::Content),
        event("|", Role::Frame),
        event("c", Role::Content),
        event("d", Role::Content),
        event(">", Role::Frame),
        event("F", Role::Finish),
        event("T", Role::Terminator),
    ];
    Reply { events, framing: Some(Framing::Sse) }
}

/// Steps in one line: bytes as they are, `~ms` for a wait, `#` for silence, `!` for a cut, `!!` for a reset.
fn line(steps: &[Step]) -> String {
    let show = |step: &Step| match step {
        Step::Send(bytes) => String::from_utf8_lossy(bytes).replace('\n', "/"),
        Step::Wait(time) => format!("~{}", time.as_millis()),
        Step::Silence => "#".to_owned(),
        Step::Cut { reset: false } => "!".to_owned(),
        Step::Cut { reset: true } => "!!".to_owned(),
        Step::Beat(..) | Step::Fill(_) => "?".to_owned(),
    };
    steps.iter().map(show).collect()
}

#[test]
fn faults_strike_where_they_are_told() {
    let cut = |events, bytes, reset| Kind::CutAfter { events, bytes, reset };
    for (fault, expect) in [
        (None, "<ab|cd>FT"),
        (Some(Kind::SlowFirstToken { ms: 9 }), "<~9ab|cd>FT"),
        (Some(Kind::Drip { ms_per_event: 2 }), "<~2a~2b|~2c~2d>FT"),
        (Some(Kind::StallAfter { events: 2, ms: None }), "<ab#"),
        (Some(Kind::StallAfter { events: 3, ms: Some(5) }), "<ab|c~5!"),
        (Some(Kind::StallAfter { events: 0, ms: None }), "<#"),
        (Some(cut(Some(1), None, true)), "<a!!"),
        (Some(cut(Some(99), None, false)), "<ab|cd!"),
        (Some(cut(None, Some(4), false)), "<ab|!"),
        (Some(cut(None, None, false)), "!"),
        (Some(Kind::CloseCleanAfter { events: 4 }), "<ab|cd"),
        (Some(Kind::MalformedEvent { at: 1 }), "<data: {\"broken\": //ab|cd>FT"),
        (Some(Kind::MalformedEvent { at: 3 }), "<ab|data: {\"broken\": //cd>FT"),
        (Some(Kind::NoTerminator {}), "<ab|cd>F"),
        (Some(Kind::TruncatedJson {}), "<ab|c//"),
        (Some(Kind::EmptyAnswer {}), "<ab|cd>FT"),
    ] {
        let steps = reply().steps(fault.as_ref(), Pace::default(), Dialect::OpenAi.wire());
        assert_eq!(line(&steps), expect, "{fault:?}");
    }
}

#[test]
fn pace_is_kept_beside_a_fault() {
    let pace = Pace { first_ms: 7, each_ms: 3 };
    let fault = Kind::CutAfter { events: Some(3), bytes: None, reset: false };
    assert_eq!(line(&reply().steps(Some(&fault), pace, Dialect::OpenAi.wire())), "<~7a~3b|~3c!");
}

#[test]
fn an_error_event_replaces_the_rest() {
    for (dialect, expect) in [
        (Dialect::OpenAi, "<adata: {\"error\":{"),
        (Dialect::Groq, "<aevent: error/data: {\"error\":{"),
        (
            Dialect::Anthropic,
            "<aevent: error/data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"",
        ),
        (Dialect::Gemini, "<a{\"error\":{\"code\":503,"),
    ] {
        let fault = Kind::ErrorEventAt { at: 1, code: None };
        let steps = line(&reply().steps(Some(&fault), Pace::default(), dialect.wire()));
        assert!(steps.starts_with(expect), "{steps}");
    }
}

#[test]
fn a_plain_answer_is_eight_events() {
    let body = Bytes::from_static(b"0123456789abcdef");
    for (fault, expect) in [
        (Kind::Drip { ms_per_event: 1 }, "~101~123~145~167~189~1ab~1cd~1ef"),
        (Kind::CutAfter { events: Some(2), bytes: None, reset: false }, "0123!"),
        (Kind::TruncatedJson {}, "0123456789abcde"),
        (Kind::CutAfter { events: None, bytes: Some(3), reset: true }, "012!!"),
    ] {
        let steps = Reply::plain(&body).steps(Some(&fault), Pace::default(), Dialect::OpenAi.wire());
        assert_eq!(line(&steps), expect);
    }
}
