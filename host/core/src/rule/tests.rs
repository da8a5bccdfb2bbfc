use std::collections::HashSet;

use super::*;
use crate::class::Failure;
use crate::note::Gate;
use crate::reply::ClientError;
use crate::target::TargetId;

const S: fn(u64) -> Duration = Duration::from_secs;
const MS: fn(u64) -> Duration = Duration::from_millis;

/// The design's table, column by column, written a second time so that a slip in either is seen.
#[test]
fn every_class_has_the_row_of_the_design() {
    use Class as C;
    use GateAction as G;
    use NextTarget as N;
    use SameTarget as T;
    use Vote as V;
    let table = [
        (C::RateLimited, T::AfterHint, N::Yes, V::None, G::Rate, 429, Again::After),
        (C::QuotaExhausted, T::Never, N::Yes, V::None, G::Quota, 429, Again::No),
        (C::Overloaded, T::Once, N::Yes, V::Fail, G::None, 503, Again::After),
        (C::ServerError, T::Once, N::Yes, V::Fail, G::None, 502, Again::No),
        (C::Connect, T::OnceAtOnce, N::Yes, V::Fail, G::None, 502, Again::No),
        (C::TimeoutConnect, T::Never, N::Yes, V::Fail, G::None, 504, Again::No),
        (C::TimeoutFirstToken, T::Never, N::Yes, V::IfPatient, G::None, 504, Again::No),
        (C::TimeoutStall, T::Never, N::Yes, V::Fail, G::None, 504, Again::No),
        (C::TimeoutTotal, T::Never, N::No, V::IfFairShare, G::None, 504, Again::No),
        (C::StreamBroken, T::Never, N::Yes, V::Fail, G::None, 502, Again::No),
        (C::Malformed, T::Never, N::Yes, V::Fail, G::None, 502, Again::No),
        (C::EmptyAnswer, T::Never, N::Yes, V::Soft, G::None, 502, Again::No),
        (C::ContextLength, T::Never, N::OnlyLargerWindow, V::None, G::LearnWindow, 400, Again::No),
        (C::ContentFilter, T::Never, N::OptIn, V::None, G::None, 400, Again::No),
        (C::Auth, T::Never, N::Yes, V::None, G::Credential, 502, Again::No),
        (C::ModelNotFound, T::Never, N::Yes, V::None, G::MissingModel, 404, Again::No),
        (C::BadRequest, T::Never, N::No, V::None, G::None, 400, Again::No),
        (C::UnsupportedParameter, T::Never, N::IfCapable, V::None, G::None, 400, Again::No),
        (C::ToolCallInvalid, T::Once, N::Yes, V::None, G::None, 502, Again::No),
        (C::ClientCancelled, T::Never, N::No, V::None, G::None, 499, Again::No),
        (C::PluginFault, T::OnceAtOnce, N::Yes, V::None, G::None, 502, Again::No),
    ];
    for (class, same_target, next_target, vote, gate, status, again) in table {
        let rule = class.rule();
        let expect = Rule {
            same_target,
            next_target,
            vote,
            gate,
            client: ClientAnswer { status, code: rule.client.code, again },
        };
        assert_eq!(rule, expect, "{class}");
    }
    let rows: HashSet<Class> = table.iter().map(|row| row.0).collect();
    assert_eq!(rows, HashSet::from(Class::ALL), "no class lacks a row");
    let codes: HashSet<&str> = Class::ALL.iter().map(|class| class.rule().client.code).collect();
    assert_eq!(codes.len(), Class::ALL.len(), "codes tell classes apart");
}

#[test]
fn a_pause_on_the_same_target_leaves_time_for_others() {
    let random = Random::seeded(1);
    let pause = |same: SameTarget, hint: Option<Duration>, left| same.pause(hint, left, &random);
    assert_eq!(pause(SameTarget::Never, None, S(100)), None);
    assert_eq!(pause(SameTarget::OnceAtOnce, None, S(1)), Some(Duration::ZERO));
    assert_eq!(pause(SameTarget::OnceAtOnce, None, Duration::ZERO), None);
    assert_eq!(pause(SameTarget::AfterHint, Some(S(2)), S(100)), Some(S(2)));
    assert_eq!(pause(SameTarget::AfterHint, Some(MS(2_501)), S(100)), None, "longer than anybody waits");
    assert_eq!(pause(SameTarget::AfterHint, Some(S(2)), S(7)), None, "more than a quarter of what is left");
    assert_eq!(pause(SameTarget::AfterHint, Some(S(2)), S(8)), Some(S(2)));
    for _ in 0..100 {
        let once = pause(SameTarget::Once, None, S(100)).unwrap();
        assert!((MS(100)..MS(400)).contains(&once), "{once:?}");
        let unhinted = pause(SameTarget::AfterHint, None, S(100)).unwrap();
        assert!((MS(1_250)..MS(1_500)).contains(&unhinted), "{unhinted:?}");
    }
}

fn target(name: &str) -> TargetId {
    TargetId::new(name, "m")
}

/// A failure written as `class[@hint seconds]`, a refusal as `!gate[@seconds]`, each on a target of its own.
fn case(words: &str) -> (ClientError, Option<Class>) {
    let (mut failures, mut refusals) = (Vec::new(), Vec::new());
    for (n, word) in words.split_whitespace().enumerate() {
        let (what, time) = word.split_once('@').map_or((word, None), |(what, time)| (what, Some(time)));
        let time = time.map(|time| S(time.parse().unwrap()));
        if let Some(gate) = what.strip_prefix('!') {
            let gate = Gate::ALL.into_iter().find(|g| g.label() == gate).unwrap();
            refusals.push((target(&format!("p{n}")), gate, time));
        } else {
            let class = Class::ALL.into_iter().find(|c| c.label() == what).unwrap();
            let failure = Failure { retry_after: time, ..Failure::new(class, "said") };
            failures.push((target(&format!("p{n}")), failure));
        }
    }
    final_error(&failures, &refusals)
}

#[test]
fn the_most_useful_outcome_decides() {
    let check = |words: &str, status: u16, code: &str, after: Option<u64>, again: Option<bool>| {
        let (error, _) = case(words);
        let got = (error.status, error.code.as_str(), error.retry_after, error.should_retry);
        assert_eq!(got, (status, code, after.map(S), again), "{words}: {error:?}");
    };
    let no = Some(false);
    // Alone, each says what the table says.
    check("rate_limited@7", 429, "rate_limited", Some(7), None);
    check("rate_limited", 429, "rate_limited", Some(1), None);
    check("quota_exhausted", 429, "quota_exhausted", None, no);
    check("overloaded@9", 503, "overloaded", Some(9), None);
    check("overloaded", 503, "overloaded", Some(5), None);
    check("server_error", 502, "server_error", None, no);
    check("connect", 502, "connect", None, no);
    check("timeout_connect", 504, "timeout_connect", None, no);
    check("timeout_first_token", 504, "timeout_first_token", None, no);
    check("timeout_total", 504, "timeout_total", None, no);
    check("malformed", 502, "malformed", None, no);
    check("context_length", 400, "context_length_exceeded", None, no);
    check("content_filter", 400, "content_filter", None, no);
    check("upstream_auth", 502, "upstream_auth", None, no);
    check("model_not_found", 404, "model_not_found", None, no);
    check("bad_request", 400, "bad_request", None, no);
    check("unsupported_parameter", 400, "unsupported_parameter", None, no);
    check("tool_call_invalid", 502, "tool_call_invalid", None, no);
    check("plugin_fault", 502, "plugin_fault", None, no);
    // Refused without a call.
    check("!breaker_open@4 !breaker_open@3", 503, "unavailable", Some(3), None);
    check("!rate_limited@4", 429, "rate_limited", Some(4), None);
    check("!paced@4", 429, "rate_limited", Some(4), None);
    check("!concurrency_limited", 503, "overloaded", Some(1), None);
    check("!paced@2 !concurrency_limited", 503, "overloaded", Some(1), None);
    check("!quota_exhausted@4", 429, "quota_exhausted", None, no);
    check("!credential_refused@4", 502, "upstream_auth", None, no);
    check("!model_missing@4", 404, "model_not_found", None, no);
    check("!no_adapter", 503, "no_adapter", None, no);
    check("", 503, "unavailable", None, no);
    // Mixed.
    check("rate_limited@9 rate_limited@4 !rate_limited@6", 429, "rate_limited", Some(4), None);
    check("rate_limited@9 !quota_exhausted@1 upstream_auth", 429, "rate_limited", Some(9), None);
    check("rate_limited@9 overloaded@4", 503, "overloaded", Some(4), None);
    check("rate_limited@9 server_error", 503, "unavailable", Some(9), None);
    check("server_error !breaker_open@8", 503, "unavailable", Some(8), None);
    check("server_error timeout_connect", 504, "timeout_connect", None, no);
    check("overloaded@4 bad_request", 400, "bad_request", None, no);
    check("rate_limited@9 timeout_total", 504, "timeout_total", None, no);
    check("context_length server_error", 400, "context_length_exceeded", None, no);
    check("context_length overloaded@3", 503, "overloaded", Some(3), None);
    check("model_not_found server_error", 502, "server_error", None, no);
    check("model_not_found upstream_auth", 502, "upstream_auth", None, no);
    check("model_not_found !model_missing@9", 404, "model_not_found", None, no);
    // Longer than official clients obey: the time stays, the retry is called off.
    check("rate_limited@61", 429, "rate_limited", Some(61), no);
    check("rate_limited@60", 429, "rate_limited", Some(60), None);
    check("!breaker_open@300", 503, "unavailable", Some(300), no);
}

#[test]
fn the_class_is_the_one_that_decided() {
    let check = |words: &str, expect: Option<Class>| assert_eq!(case(words).1, expect, "{words}");
    for class in Class::ALL {
        check(class.label(), Some(class));
    }
    check("bad_request server_error", Some(Class::BadRequest));
    check("timeout_total connect", Some(Class::TimeoutTotal));
    check("overloaded@4 server_error", Some(Class::Overloaded));
    check("overloaded@4 rate_limited@9", Some(Class::Overloaded));
    check("rate_limited@9 !quota_exhausted upstream_auth", Some(Class::RateLimited));
    check("rate_limited@9 server_error", Some(Class::RateLimited));
    check("upstream_auth !model_missing@9", Some(Class::Auth));
    check("!quota_exhausted@4 !credential_refused@4", Some(Class::QuotaExhausted));
    check("server_error !breaker_open@8", None);
    check("!no_adapter", None);
    check("", None);
}

#[test]
fn never_401_and_404_only_alone() {
    for one in Class::ALL {
        for other in Class::ALL {
            let (error, _) = case(&format!("{one} {other}"));
            assert_ne!(error.status, 401, "{one} {other}");
            let unknown = one == Class::ModelNotFound && other == Class::ModelNotFound;
            assert_eq!(error.status == 404, unknown, "{one} {other}");
            assert!(
                error.retry_after.is_some() || error.should_retry == Some(false),
                "{one} {other}: either an honest time or no retry"
            );
        }
    }
}

#[test]
fn a_target_counts_with_its_last_failure_and_its_longest_time() {
    let a = target("a");
    let limited = |after| Failure { retry_after: Some(after), ..Failure::new(Class::RateLimited, "slow") };
    let twice = [(a.clone(), Failure::new(Class::ServerError, "x")), (a.clone(), limited(S(2)))];
    let (error, _) = final_error(&twice, &[(a.clone(), Gate::Rate, Some(S(8)))]);
    assert_eq!((error.status, error.retry_after), (429, Some(S(8))));
    let failed = [(a.clone(), Failure::new(Class::ServerError, "x"))];
    let (error, _) = final_error(&failed, &[(a, Gate::Breaker, Some(S(4)))]);
    assert_eq!((error.status, error.retry_after), (502, None));
}

#[test]
fn a_verdict_keeps_the_providers_words_without_secrets() {
    let failure = Failure {
        code: Some("invalid_value".into()),
        param: Some("messages[0].role".into()),
        ..Failure::new(
            Class::BadRequest,
            "role `x` is wrong, see https://docs.example/errors, key sk-abcdef12",
        )
    };
    let (error, _) = final_error(&[(target("a"), failure)], &[]);
    assert_eq!(error.status, 400);
    assert_eq!(error.code, "invalid_value");
    assert_eq!(error.param.as_deref(), Some("messages[0].role"));
    assert_eq!(error.message, "role `x` is wrong, see [url] key [redacted]");
}
