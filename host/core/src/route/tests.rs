use super::*;
use crate::target::TargetId;

/// Orders the candidates `a/m b/m c/m d/m` by a plan written as `order | exclude`.
fn check_order(plan: &str, expect: &[usize]) {
    let candidates: Vec<_> =
        ["a", "b", "c", "d"].map(|name| AliasTarget::new(TargetId::new(name, "m"))).into();
    let (first, out) = plan.split_once('|').unwrap();
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let plan = RoutePlan { order: words(first), exclude: words(out), reason: String::new() };
    assert_eq!(order(&candidates, &plan), expect, "{plan:?}");
}

#[test]
fn a_plan_reorders_and_excludes() {
    check_order("|", &[0, 1, 2, 3]);
    check_order("c/m |", &[2, 0, 1, 3]);
    check_order("d/m b/m |", &[3, 1, 0, 2]);
    check_order("c/m x/m c/m a/m |", &[2, 0, 1, 3]);
    check_order("c/m | c/m", &[0, 1, 3]);
    check_order("| a/m b/m c/m d/m", &[]);
    check_order("| x/m", &[0, 1, 2, 3]);
}

fn facts() -> Facts {
    Facts {
        model: "alias".into(),
        stream: false,
        include_usage: false,
        max_output_tokens: None,
        choices: 1,
        has_tools: false,
        has_images: false,
        has_schema: false,
        side_effects: false,
        input_tokens_estimate: 1_000,
    }
}

#[test]
fn a_declared_lack_is_a_lack_only_if_needed() {
    let nothing = Capabilities {
        streams: false,
        tools: false,
        vision: false,
        json_schema: false,
        choices: false,
        ..Capabilities::default()
    };
    let check = |facts: &Facts, expect: Fit| {
        assert_eq!(fit(&nothing, None, facts), expect, "{facts:?}");
        assert_eq!(fit(&Capabilities::default(), None, facts), Fit::Good, "{facts:?}");
    };
    check(&facts(), Fit::Good);
    check(&Facts { stream: true, ..facts() }, Fit::Good);
    check(&Facts { has_tools: true, ..facts() }, Fit::Lacks(Need::Tools));
    check(&Facts { has_images: true, ..facts() }, Fit::Lacks(Need::Images));
    check(&Facts { has_schema: true, ..facts() }, Fit::Lacks(Need::JsonSchema));
    check(&Facts { choices: 2, ..facts() }, Fit::Lacks(Need::Choices));
}

#[test]
fn a_small_window_is_tight() {
    let check = |window: Option<u32>, learned: Option<u32>, output: Option<u32>, expect: Fit| {
        let can = Capabilities { context_window: window, ..Capabilities::default() };
        let facts = Facts { max_output_tokens: output, ..facts() };
        assert_eq!(fit(&can, learned, &facts), expect, "{window:?} {learned:?} {output:?}");
    };
    check(None, None, None, Fit::Good);
    check(Some(1_000), None, None, Fit::Good);
    check(Some(999), None, None, Fit::Tight);
    check(Some(1_500), None, Some(501), Fit::Tight);
    check(Some(9_000), Some(1_000), None, Fit::Tight);
    check(Some(9_000), Some(1_001), None, Fit::Good);
}

#[test]
fn the_tight_go_last_and_the_lacking_go() {
    let check = |fits: &[Fit], expect: Result<Vec<usize>, Need>| {
        let mut order: Vec<usize> = (0..fits.len()).collect();
        let arranged = arrange(&mut order, |index| fits[*index]).map(|()| order);
        assert_eq!(arranged, expect, "{fits:?}");
    };
    let lacks = Fit::Lacks(Need::Tools);
    check(&[Fit::Good, Fit::Good], Ok(vec![0, 1]));
    check(&[Fit::Tight, lacks, Fit::Good, Fit::Tight], Ok(vec![2, 0, 3]));
    check(&[Fit::Tight], Ok(vec![0]));
    check(&[lacks, Fit::Lacks(Need::Images)], Err(Need::Tools));
    check(&[], Ok(vec![]));
}

#[test]
fn nobody_can_is_a_400_that_names_the_member() {
    let error = unsupported(Need::JsonSchema);
    assert_eq!((error.status, error.param.as_deref()), (400, Some("response_format")));
    assert_eq!(error.should_retry, Some(false));
}

#[test]
fn what_may_follow() {
    let window = |tokens| Capabilities { context_window: tokens, ..Capabilities::default() };
    let no_tools = Capabilities { tools: false, ..Capabilities::default() };
    let with_tools = Facts { has_tools: true, ..facts() };
    let check = |rule, failed: &Capabilities, next: &Capabilities, opted: bool, expect: bool| {
        let onward = Onward { facts: &with_tools, reroute_content_filter: opted };
        assert_eq!(may_follow(rule, failed, next, onward), expect, "{rule:?} {failed:?} {next:?}");
    };
    let any = Capabilities::default();
    check(NextTarget::Yes, &any, &any, false, true);
    check(NextTarget::No, &any, &any, true, false);
    check(NextTarget::OptIn, &any, &any, false, false);
    check(NextTarget::OptIn, &any, &any, true, true);
    check(NextTarget::IfCapable, &any, &any, false, true);
    check(NextTarget::IfCapable, &any, &no_tools, false, false);
    check(NextTarget::OnlyLargerWindow, &window(Some(100)), &window(Some(101)), false, true);
    check(NextTarget::OnlyLargerWindow, &window(Some(100)), &window(Some(100)), false, false);
    check(NextTarget::OnlyLargerWindow, &window(Some(100)), &window(None), false, false);
    check(NextTarget::OnlyLargerWindow, &window(None), &window(Some(1_001)), false, true);
    check(NextTarget::OnlyLargerWindow, &window(None), &window(Some(1_000)), false, false);
}
