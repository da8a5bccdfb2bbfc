use super::*;
use seawall_plugin::fault::FaultInjector;

fn plain() -> Attempt {
    Attempt { streaming: false, ..Attempt::example(1) }
}

fn action(kind: &str, config: &str) -> Action {
    Bodies::decide(kind, &plain(), config).unwrap().action
}

fn steps(kind: &str, config: &str) -> Vec<Step> {
    assert_eq!(action(kind, config), Action::Rewrite(Vec::new()));
    let frame = Frame { event: None, data: b"{\"choices\":[]}".to_vec() };
    Bodies::transform(kind, &plain(), config).piece(vec![frame])
}

#[test]
fn each_kind_spoils_the_body_its_way() {
    let half = vec![Step::Raw(b"{\"choic".to_vec()), Step::End];
    assert_eq!(steps("truncated-json", "{}"), half);
    assert_eq!(steps("truncated-json", r#"{"keep": 0}"#), [Step::Raw(Vec::new()), Step::End]);
    assert!(steps("oversize", r#"{"mib": 2}"#).contains(&Step::Fill(2 * MIB)));
    let failure = ClassFailure { class: ErrorClass::Overloaded, retry_after: None, status: Some(200) };
    assert_eq!(action("error-body-200", r#"{"class": "overloaded"}"#), Action::Fail(failure));
    assert_eq!(Verdict::now(action("empty-completion", "")), Verdict::answer("", FinishReason::Stop));
    let Action::Respond(page) = action("html-200", "") else { panic!("no page") };
    assert!(page.status == 200 && page.body.starts_with(b"<!doctype html>"));
}

#[test]
fn a_stream_has_no_json_document_to_truncate() {
    assert_eq!(Bodies::decide("truncated-json", &Attempt::example(1), "{}"), Ok(Verdict::pass()));
}
