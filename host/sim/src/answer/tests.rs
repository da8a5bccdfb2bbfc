use serde_json::json;

use super::*;
use crate::ask::Said;

fn ask(model: &str, user: &str) -> Ask {
    Ask::new(model, vec![Said::User(user.to_owned())])
}

fn said(ask: &Ask, prefill: Prefill) -> String {
    Answer::to(ask, prefill, 1).choices[0].text.concat()
}

#[test]
fn the_counting_model_counts() {
    for (model, user, expect) in [
        ("count-3", "go", "1 2 3"),
        ("any", "Please count to 4.", "1 2 3 4"),
        ("count-1", "count to 9", "1"),
        ("count-0", "", ""),
    ] {
        let ask = ask(model, user);
        assert_eq!(said(&ask, Prefill::Accepts), expect);
        assert_eq!(Answer::to(&ask, Prefill::Accepts, 1).usage.completion, expect.split_whitespace().count());
    }
    assert_eq!(
        Answer::to(&ask("count-99999999", ""), Prefill::Accepts, 1).choices[0].text.len(),
        HIGHEST_COUNT
    );
}

#[test]
fn a_prefix_is_continued() {
    let with = |prefix: &str| {
        Ask::new("count-12", vec![Said::User("go".to_owned()), Said::Assistant(prefix.to_owned())])
    };
    for (prefix, accepts) in [
        ("1 2 3", " 4 5 6 7 8 9 10 11 12"),
        ("1 2 3 4 5 6 7 8 9 1", "0 11 12"),
        ("1 2 3 4 5 6 7 8 9 10 11 12", ""),
        ("one two 10", " 11 12"),
        ("hello", " (and so on)"),
    ] {
        assert_eq!(said(&with(prefix), Prefill::Accepts), accepts, "{prefix}");
        assert_eq!(said(&with(prefix), Prefill::Diverges), "Well: 1 2 3 4 5 6 7 8 9 10 11 12");
        assert_eq!(said(&with(prefix), Prefill::Ignores), "1 2 3 4 5 6 7 8 9 10 11 12");
    }
    for (prefix, repeats) in [
        ("1 2 3 4 5 6 7 8 9", " 7 8 9 10 11 12"),
        ("1 2", "1 2 3 4 5 6 7 8 9 10 11 12"),
        ("1 2 3 4 5 6 7 8 9 10 11 12", " 10 11 12"),
    ] {
        assert_eq!(said(&with(prefix), Prefill::Repeats), repeats, "{prefix}");
    }
    let prose = Ask::new("spare-prose-8", vec![Said::Assistant("The wall that".to_owned())]);
    assert_eq!(said(&prose, Prefill::Accepts), " that first storm had had");
}

#[test]
fn limits_and_stops_end_the_text() {
    for (stops, most, expect, finish) in [
        (vec![], None, "1 2 3 4 5", Finish::Stop),
        (vec![], Some(5), "1 2 3 4 5", Finish::Stop),
        (vec![], Some(2), "1 2", Finish::Length),
        (vec![" 4"], None, "1 2 3", Finish::StopSequence(" 4".to_owned())),
        (vec!["9"], Some(1), "1", Finish::Length),
    ] {
        let mut ask = ask("count-5", "go");
        ask.stops = stops.into_iter().map(str::to_owned).collect();
        ask.max_tokens = most;
        let answer = Answer::to(&ask, Prefill::Accepts, 1);
        assert_eq!((answer.choices[0].text.concat().as_str(), &answer.choices[0].finish), (expect, &finish));
    }
}

#[test]
fn tools_are_called_where_they_may_be() {
    let tool = |name: &str| Tool {
        name: name.to_owned(),
        schema: json!({"type": "object", "properties": {"city": {"type": "string"}}}),
    };
    for (user, choice, parallel, expect) in [
        ("weather?", ToolChoice::Auto, true, vec!["weather"]),
        ("what time is it", ToolChoice::Auto, true, vec!["time"]),
        ("use both", ToolChoice::Auto, true, vec!["weather", "time"]),
        ("use both", ToolChoice::Auto, false, vec!["weather"]),
        ("use both", ToolChoice::Named("time".to_owned()), true, vec!["time"]),
        ("weather?", ToolChoice::None, true, vec![]),
    ] {
        let mut ask = ask("any", user);
        ask.tools = vec![tool("weather"), tool("time")];
        (ask.tool_choice, ask.parallel) = (choice, parallel);
        let answer = Answer::to(&ask, Prefill::Accepts, 1);
        let called: Vec<&str> = answer.choices[0].calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(called, expect, "{user}");
        for call in &answer.choices[0].calls {
            assert_eq!(call.pieces().concat(), r#"{"city":"city"}"#);
        }
    }
}

#[test]
fn bench_models_have_their_length_and_a_hundred_pieces() {
    for (model, length) in
        [("bench-2048", 2048), ("bench-100", 100), ("bench-burst", 600), ("bench-paced", 600)]
    {
        let answer = Answer::to(&ask(model, "x"), Prefill::Accepts, 1);
        assert_eq!(answer.choices[0].text.concat().len(), length);
        assert!(
            (98..=100).contains(&answer.choices[0].text.len()),
            "{model}: {}",
            answer.choices[0].text.len()
        );
        assert_eq!(answer.pace_ms, if model == "bench-paced" { 10 } else { 0 });
    }
}
