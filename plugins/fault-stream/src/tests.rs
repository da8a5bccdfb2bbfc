use super::*;
use seawall_plugin::fault::{FaultInjector, Frame};

fn frames(count: usize) -> Vec<Frame> {
    (0..count).map(|n| Frame { event: None, data: format!("{{\"n\":\"ü{n}\"}}").into_bytes() }).collect()
}

/// Steps for five frames that come in two reads.
fn steps(kind: &str, config: &str) -> Vec<Step> {
    let attempt = Attempt::example(1);
    assert_eq!(Streams::decide(kind, &attempt, config), Ok(Verdict::rewrite()), "{kind}");
    let mut transform = Streams::transform(kind, &attempt, config);
    let mut all = frames(5);
    let rest = all.split_off(2);
    let mut steps = transform.piece(all);
    steps.extend(transform.piece(rest));
    steps
}

fn sent(steps: &[Step]) -> usize {
    steps.iter().filter(|step| matches!(step, Step::Send(_))).count()
}

fn raw(steps: &[Step]) -> Vec<u8> {
    steps
        .iter()
        .filter_map(|step| if let Step::Raw(bytes) = step { Some(bytes.clone()) } else { None })
        .flatten()
        .collect()
}

#[test]
fn what_ends_a_stream_comes_after_so_many_frames() {
    for (kind, config, last) in [
        ("stall-after", r#"{"after": 3}"#, Step::Stall),
        ("reset-after", r#"{"after": 3}"#, Step::Cut),
        ("truncate-no-done", r#"{"after": 3}"#, Step::End),
        ("error-event-in-200", r#"{"class": "server-error"}"#, Step::Fail(ErrorClass::ServerError)),
    ] {
        let steps = steps(kind, config);
        assert_eq!((sent(&steps), steps.get(3)), (3, Some(&last)), "{kind}");
    }
}

#[test]
fn times_change_and_frames_do_not() {
    let late = steps("slow-first-token", r#"{"distribution": "const", "ms": 70}"#);
    assert_eq!((late.first(), sent(&late), late.len()), (Some(&Step::WaitMs(70)), 5, 6));
    let drops = steps("drip", r#"{"tokens_per_s": 4}"#);
    assert_eq!(drops.iter().filter(|step| **step == Step::WaitMs(250)).count(), 5);
    let beats = steps("heartbeat-only", "{}");
    assert_eq!((sent(&beats), beats.last()), (0, Some(&Step::Stall)));
}

#[test]
fn damage_is_where_it_should_be() {
    assert_eq!(sent(&steps("duplicate-chunk", r#"{"every": 2}"#)), 7);

    let whole: Vec<u8> = frames(5).iter().flat_map(seawall_plugin::fault::sse).collect();
    let split = steps("split-utf8", "{}");
    assert_eq!(raw(&split), whole, "no byte is lost");
    let inside = |step: &&Step| matches!(step, Step::Raw(bytes) if String::from_utf8(bytes.clone()).is_err());
    assert_eq!(split.iter().filter(inside).count(), 10, "both halves of every letter");

    let malformed = steps("malformed-sse", "{}");
    assert_eq!(sent(&malformed), 5);
    assert_eq!(String::from_utf8(raw(&malformed)).unwrap(), "data: {\"n\":\n\n".to_owned());

    let mixed = String::from_utf8(raw(&steps("crlf-mix", "{}"))).unwrap();
    assert!(
        mixed.contains("\r\n\r\n") && mixed.contains("\"}\n\n") && mixed.contains("\"}\r\r"),
        "{mixed:?}"
    );
}

#[test]
fn plain_answers_pass() {
    let plain = Attempt { streaming: false, ..Attempt::example(1) };
    for kind in Streams::KINDS {
        assert_eq!(Streams::decide(kind.name, &plain, "{}"), Ok(Verdict::pass()), "{}", kind.name);
    }
}
