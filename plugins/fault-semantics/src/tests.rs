use super::*;
use seawall_plugin::fault::{Action, FaultInjector, Frame, Step};

fn text(kind: &str, config: &str) -> (String, FinishReason) {
    match Semantics::decide(kind, &Attempt::example(1), config).unwrap().action {
        Action::Answer(answer) => (answer.text, answer.finish),
        other => panic!("{kind}: {other:?}"),
    }
}

#[test]
fn worthless_answers_are_whole() {
    let (garbage, finish) = text("garbage-tokens", r#"{"words": 12}"#);
    assert_eq!((garbage.split(' ').count(), finish), (12, FinishReason::Stop));
    assert_eq!(text("garbage-tokens", "{}"), text("garbage-tokens", "{}"), "it can be replayed");
    assert_eq!(text("refusal", "{}").0, "I'm sorry, but I can't help with that.");
    assert_eq!(text("wrong-language", r#"{"text": "Grüezi"}"#).0, "Grüezi");
    let looped = text("repeated-loop", r#"{"text": "na ", "times": 3}"#);
    assert_eq!(looped, ("na na na ".to_owned(), FinishReason::Length));
}

#[test]
fn arguments_end_in_the_middle_in_every_format_that_has_them_as_text() {
    let attempt = Attempt::example(1);
    assert_eq!(Semantics::decide("tool-args-truncated", &attempt, "{}"), Ok(Verdict::rewrite()));
    let cases = [
        (r#"{"function":{"arguments":"{\"city\":\"Bern\"}"}}"#, r#"{"function":{"arguments":"{\"cit"}}"#),
        (r#"{"delta":{"partial_json":"{\"a\""}}"#, r#"{"delta":{"partial_json":"{\"a\""}}"#),
        (r#"{"delta":{"content":"arguments"}, "x": 1}"#, r#"{"delta":{"content":"arguments"}, "x": 1}"#),
        ("[DONE]", "[DONE]"),
    ];
    for (data, expected) in cases {
        let frame = |data: &str| Frame { event: None, data: data.as_bytes().to_vec() };
        let steps = Semantics::transform("tool-args-truncated", &attempt, "{}").piece(vec![frame(data)]);
        assert_eq!(steps, [Step::Send(frame(expected))]);
    }
}

#[test]
fn pieces_share_what_is_kept() {
    let piece =
        |text: &str| Frame { event: None, data: format!(r#"{{"partial_json":"{text}"}}"#).into_bytes() };
    let mut transform = Semantics::transform("tool-args-truncated", &Attempt::example(1), r#"{"keep": 3}"#);
    let steps = transform.piece(vec![piece("ab"), piece("cd"), piece("ef")]);
    let expected: Vec<Step> = ["ab", "c", ""].map(piece).map(Step::Send).into();
    assert_eq!(steps, expected);
}
