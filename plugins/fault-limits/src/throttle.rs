//! A lower tier: so much a minute, without saving up. What the gateway has counted is all that is needed, so that there is
//! nothing to remember.

use seawall_plugin::fault::Attempt;

/// Nothing if the attempt may pass, else whole seconds until one may.
pub(crate) fn wait_s(attempt: &Attempt, per_minute: u64, tokens_per_minute: u64) -> Option<u64> {
    let requests = debt_ms(attempt.passed, per_minute, attempt.armed_for_ms);
    let tokens = debt_ms(attempt.passed_tokens, tokens_per_minute, attempt.armed_for_ms);
    let wait = requests.max(tokens);
    (wait > 0).then(|| wait.div_ceil(1000))
}

/// How long until what has passed would have been allowed; 0 = no limit, or it has been.
fn debt_ms(passed: u64, per_minute: u64, armed_for_ms: u64) -> u64 {
    if per_minute == 0 {
        return 0;
    }
    let due = u128::from(passed) * 60_000 / u128::from(per_minute);
    u64::try_from(due).unwrap_or(u64::MAX).saturating_sub(armed_for_ms)
}
