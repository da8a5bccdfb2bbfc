//! The template stays as small as it is said to be.

#[test]
fn an_adapter_for_a_chat_server_is_under_60_lines() {
    let lines = include_str!("../../examples/minimal-adapter/src/lib.rs").lines().count();
    assert!(lines < 60, "{lines} lines");
}
