use super::request;
use crate::request::Protocol::{self, Chat, Embeddings, Messages};

const ONE: &str = r#""messages":[{"role":"user","content":"hi"}]"#;

#[test]
fn facts_are_read_and_the_rest_passes() {
    let json = r#"{"model":"a/b","stream":true,"stream_options":{"include_usage":true},"max_tokens":5,
        "max_completion_tokens":9,"n":3,"tools":[{}],"response_format":{"type":"json_schema"},"future":{"x":[1]},
        "messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}"#;
    let (facts, body) = request(Chat, json).unwrap();
    assert_eq!(facts.model, "a/b");
    assert!(facts.stream && facts.include_usage && facts.has_tools && facts.has_images && facts.has_schema);
    assert_eq!((facts.max_output_tokens, facts.choices), (Some(9), 3));
    assert_eq!(facts.input_tokens_estimate as usize, json.len() / 4);
    assert_eq!(body.bytes(), json);
}

#[test]
fn what_is_absent_or_null_has_a_default() {
    for extra in ["", r#","stream":null,"n":null,"tools":null,"stream_options":null,"max_tokens":null"#] {
        let (facts, _) = request(Chat, &format!(r#"{{"model":"m",{ONE}{extra}}}"#)).unwrap();
        assert!(
            !facts.stream
                && !facts.include_usage
                && !facts.has_tools
                && !facts.has_images
                && !facts.has_schema
        );
        assert_eq!((facts.max_output_tokens, facts.choices), (None, 1));
    }
}

#[test]
fn odd_numbers_pass() {
    let cap = |number: &str| {
        request(Chat, &format!(r#"{{"model":"m",{ONE},"max_tokens":{number}}}"#)).unwrap().0.max_output_tokens
    };
    assert_eq!(cap("-1"), None);
    assert_eq!(cap("0"), None);
    assert_eq!(cap("10.0"), Some(10));
    assert_eq!(cap("99999999999999"), Some(u32::MAX));
}

#[test]
fn images_are_seen_where_they_are_and_only_there() {
    let check = |protocol, content: &str, expect| {
        let json = format!(r#"{{"model":"m","messages":[{{"role":"user","content":{content}}}]}}"#);
        assert_eq!(request(protocol, &json).unwrap().0.has_images, expect, "{content}");
    };
    check(Chat, r#""image_url""#, false);
    check(Chat, r#""what is an \"image_url\"?""#, false);
    check(Chat, r#"[{"type":"text","text":"image_url"}]"#, false);
    check(Chat, r#"[{"type": "image_url"}]"#, true);
    check(Messages, r#"[{"type":"text","text":"image"}]"#, false);
    check(Messages, r#"[{"type" : "image","source":{}}]"#, true);
    check(Messages, r#"[{"type":"tool_result","content":[{"type":"image"}]}]"#, true);
    check(Messages, r#"[{"type":"tool_result","content":"image"}]"#, false);
}

#[test]
fn payloads_do_not_count_as_prompt() {
    let payload = "A".repeat(40_000);
    let json = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{payload}"}}}}]}}]}}"#
    );
    assert!(request(Chat, &json).unwrap().0.input_tokens_estimate < 100);
}

#[test]
fn messages_facts() {
    let json = format!(
        r#"{{"model":"m","max_tokens":7,{ONE},"output_format":{{"type":"json_schema"}},"tools":[{{}}]}}"#
    );
    let (facts, _) = request(Messages, &json).unwrap();
    assert!(facts.has_schema && facts.has_tools && !facts.stream);
    assert_eq!(facts.max_output_tokens, Some(7));
    let json = format!(r#"{{"model":"m",{ONE},"output_config":{{"format":{{"type":"json_schema"}}}}}}"#);
    assert!(request(Messages, &json).unwrap().0.has_schema);
}

#[test]
fn embeddings_facts() {
    for input in [r#""x""#, r#"["x"]"#, "[1,2]", "[[1]]"] {
        let (facts, _) =
            request(Embeddings, &format!(r#"{{"model":"m","input":{input},"stream":true}}"#)).unwrap();
        assert_eq!((facts.model.as_str(), facts.stream), ("m", false));
    }
}

#[test]
fn bad_requests_say_what_to_change() {
    let check = |protocol: Protocol, json: &str, code: &str, param: Option<&str>| {
        let error = request(protocol, json).unwrap_err();
        assert_eq!((error.status, error.code.as_str(), error.param.as_deref()), (400, code, param), "{json}");
        error.message
    };
    let message = check(Chat, "{\"model\":\"m\",\n  oops}", "invalid_json", None);
    assert!(message.contains("line 2 column 3"), "{message}");
    check(Chat, "", "invalid_json", None);
    check(Chat, "[]", "invalid_json", None);
    for protocol in [Chat, Messages] {
        check(protocol, &format!("{{{ONE}}}"), "missing_required_parameter", Some("model"));
        check(protocol, &format!(r#"{{"model":"",{ONE}}}"#), "missing_required_parameter", Some("model"));
        check(protocol, &format!(r#"{{"model":null,{ONE}}}"#), "missing_required_parameter", Some("model"));
        check(protocol, &format!(r#"{{"model":5,{ONE}}}"#), "invalid_type", Some("model"));
        check(protocol, r#"{"model":"m"}"#, "missing_required_parameter", Some("messages"));
        check(protocol, r#"{"model":"m","messages":null}"#, "missing_required_parameter", Some("messages"));
        check(protocol, r#"{"model":"m","messages":[ ]}"#, "empty_array", Some("messages"));
        check(protocol, r#"{"model":"m","messages":{}}"#, "invalid_type", Some("messages"));
        check(protocol, r#"{"model":"m","messages":"hi"}"#, "invalid_type", Some("messages"));
        for (name, value) in [("stream", "\"yes\""), ("max_tokens", "\"5\""), ("tools", "{}"), ("n", "[]")] {
            let json = format!(r#"{{"model":"m",{ONE},"{name}":{value}}}"#);
            check(protocol, &json, "invalid_type", Some(name));
        }
    }
    check(Embeddings, r#"{"model":"m"}"#, "missing_required_parameter", Some("input"));
    check(Embeddings, r#"{"model":"m","input":""}"#, "empty_string", Some("input"));
    check(Embeddings, r#"{"model":"m","input":[]}"#, "empty_array", Some("input"));
    check(Embeddings, r#"{"model":"m","input":5}"#, "invalid_type", Some("input"));
}

#[test]
fn unsigned_thinking_is_taken_out_at_the_door() {
    let check = |messages: &str, expect: &str| {
        let json = |messages: &str| format!(r#"{{"model": "m", "messages": {messages}, "max_tokens":1}}"#);
        let (_, body) = request(Messages, &json(messages)).unwrap();
        assert_eq!(body.bytes(), &json(expect));
    };
    let user = r#"{"role":"user","content":"say \"thinking\""}"#;
    check(
        &format!(
            r#"[{user}, {{"role":"assistant","content":[{{"type":"thinking","thinking":"a","signature":""}},{{"type":"text","text":"b"}}]}}]"#
        ),
        &format!(r#"[{user},{{"role":"assistant","content":[{{"type":"text","text":"b"}}]}}]"#),
    );
    check(
        &format!(r#"[{user},{{"role":"assistant","content":[{{"type":"thinking","thinking":"a"}}]}}]"#),
        &format!("[{user}]"),
    );
    check(
        &format!(
            r#"[{user},{{"role":"assistant","content":[{{"type":"thinking","thinking":"a","signature":"other:S=;"}},{{"type":"text","text":"b"}}]}}]"#
        ),
        &format!(r#"[{user},{{"role":"assistant","content":[{{"type":"text","text":"b"}}]}}]"#),
    );
    let signed = format!(
        r#"[{user}, {{"role":"assistant","content":[ {{"type":"thinking","thinking":"a","signature":"s"}} ]}}]"#
    );
    check(&signed, &signed);
}

#[test]
fn side_effects_are_seen() {
    let check = |protocol, extra: &str, expect| {
        let json = format!(r#"{{"model":"m",{ONE}{extra}}}"#);
        assert_eq!(request(protocol, &json).unwrap().0.side_effects, expect, "{extra}");
    };
    check(Chat, "", false);
    check(Chat, r#","store":false"#, false);
    check(Chat, r#","store":null"#, false);
    check(Chat, r#","store":true"#, true);
    check(Chat, r#","tools":[{"type":"function","function":{}},{"type":"custom"},{}]"#, false);
    check(Chat, r#","tools":[{"type":"function"},{"type":"web_search"}]"#, true);
    check(Messages, r#","tools":[{"name":"x"},{"type":"custom"},{"type":"bash_20250124"}]"#, false);
    check(Messages, r#","tools":[{"type":"web_search_20250305"}]"#, true);
    check(Messages, r#","tools":[{"name":"x"},{"type":"code_execution_20250825"}]"#, true);
    check(Messages, r#","mcp_servers":[]"#, false);
    check(Messages, r#","mcp_servers":[{"url":"x"}]"#, true);
}
