use seawall_plugin::body::LocalBody;
use seawall_plugin::prelude::*;
use seawall_plugin_kit::{Corpus, body_of, failure_of};

use super::{reply, target};
use crate::Gemini;

const MODEL: &str = "gemini-embedding-001";

fn build(body: Value) -> Result<(String, Value), ProviderError> {
    let request = Gemini::build_request(&LocalBody::new("embeddings", &body), &target(MODEL))?;
    let BodyPlan::Full(bytes) = request.body else { panic!("a whole body") };
    Ok((request.path_and_query, serde_json::from_slice(&bytes).expect("JSON")))
}

#[test]
fn requests() {
    let one = |text: &str| json!({ "model": "models/gemini-embedding-001", "content": { "parts": [{ "text": text }] } });
    let (path, body) = build(json!({ "input": "a", "encoding_format": "base64" })).expect("a request");
    assert_eq!((path.as_str(), body), ("/models/gemini-embedding-001:embedContent", one("a")));
    let (path, body) = build(json!({ "input": ["a", "b"], "dimensions": 8 })).expect("a request");
    assert_eq!(path, "/models/gemini-embedding-001:batchEmbedContents");
    let mut sized = [one("a"), one("b")];
    for request in &mut sized {
        request["outputDimensionality"] = json!(8);
    }
    assert_eq!(body, json!({ "requests": sized }));
    let class = |body: Value| build(body).expect_err("a refusal").class;
    assert_eq!(class(json!({ "input": [1, 2] })), ErrorClass::UnsupportedParameter);
    assert_eq!(class(json!({ "input": [[1], [2]] })), ErrorClass::UnsupportedParameter);
    assert_eq!(class(json!({ "input": 5 })), ErrorClass::BadRequest);
    assert_eq!(class(json!({})), ErrorClass::BadRequest);
}

#[test]
fn replies() {
    let parse = |body: Value| Gemini::parse_response("embeddings", &target(MODEL), &reply(&body));
    let list = |vectors: &[Value]| {
        let entry = |(index, vector): (usize, &Value)| json!({ "object": "embedding", "index": index, "embedding": vector });
        json!({ "object": "list", "model": MODEL, "data": vectors.iter().enumerate().map(entry).collect::<Vec<_>>(),
            "usage": { "prompt_tokens": 0, "total_tokens": 0 } })
    };
    for (body, expect) in [
        (json!({ "embedding": { "values": [0.5, -1e-9] } }), list(&[json!([0.5, -1e-9])])),
        (
            json!({ "embeddings": [{ "values": [1.5] }, { "values": [2.5] }] }),
            list(&[json!([1.5]), json!([2.5])]),
        ),
    ] {
        let answer = parse(body).expect("an answer");
        assert_eq!(serde_json::from_slice::<Value>(&body_of(answer)).expect("JSON"), expect);
    }
    let counted = parse(json!({ "embedding": { "values": [] }, "usageMetadata": { "promptTokenCount": 4 } }));
    let counted: Value = serde_json::from_slice(&body_of(counted.expect("an answer"))).expect("JSON");
    assert_eq!(counted["usage"]["prompt_tokens"], 4);
    assert_eq!(parse(json!({})).expect_err("a failure").class, ErrorClass::Malformed);
}

#[test]
fn recordings() {
    let Some(corpus) = Corpus::load() else { return };
    for exchange in corpus.select("gemini-embeddings", |_| true) {
        if exchange.status >= 400 {
            let class = Gemini::classify(&target("m"), &failure_of(exchange)).class;
            assert_eq!(class, ErrorClass::ModelNotFound, "{}", exchange.id);
            continue;
        }
        let recorded: Value = serde_json::from_slice(&exchange.body).expect("JSON");
        let answer =
            Gemini::parse_response("embeddings", &target(MODEL), &reply(&recorded)).expect("an answer");
        let answer: Value = serde_json::from_slice(&body_of(answer)).expect("JSON");
        assert_eq!(answer["data"][0]["embedding"], recorded["embeddings"][0]["values"], "{}", exchange.id);
        assert!(answer["data"][0]["embedding"].as_array().is_some_and(|values| values.len() == 768));
    }
}
