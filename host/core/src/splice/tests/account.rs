//! What clients and operators are told of tokens.

use crate::event::Usage;
use crate::splice::{Account, Mode};

fn usage(input_tokens: u64, output_tokens: u64) -> Usage {
    Usage { input_tokens, output_tokens, ..Usage::default() }
}

#[test]
fn a_restart_has_counted_everything() {
    let mut account = Account::default();
    account.broke(None, 400, 12);
    let last = Usage { native: Some("{}".to_owned()), ..usage(10, 150) };
    assert_eq!(account.for_client(Mode::Restart, &last, 400, 200), usage(10, 150));
    assert_eq!(account.spent(Some(&last)), usage(22, 250));
}

#[test]
fn a_continuation_is_counted_with_what_went_before() {
    let mut account = Account::default();
    account.broke(None, 400, 12);
    // Its prompt held the delivered text, 100 tokens by estimate.
    assert_eq!(account.for_client(Mode::Prefill, &usage(110, 50), 400, 100), usage(10, 150));
    // Enough text of its own tells its tokens' length: two bytes each.
    assert_eq!(account.for_client(Mode::Prefill, &usage(210, 300), 400, 600), usage(10, 500));
    assert_eq!(account.spent(Some(&usage(110, 50))), usage(122, 150));
}

#[test]
fn a_prompt_that_was_counted_is_not_estimated() {
    let mut account = Account::default();
    account.broke(Some(&usage(11, 1)), 40, 99);
    account.broke(Some(&usage(21, 1)), 40, 99);
    assert_eq!(account.for_client(Mode::Prefill, &usage(30, 5), 80, 20), usage(11, 25));
    assert_eq!(account.spent(None), usage(32, 20));
}
