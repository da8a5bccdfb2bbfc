//! The OpenAPI document against the router that it speaks of.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::{Value, json};

use super::super::{Door, routes as table};
use super::{TOKEN, call, desk, read};

const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH];

async fn document() -> Value {
    let (routes, _shutdown) = desk();
    let response = call(&routes, Method::GET, "/admin/openapi.json", &[TOKEN], "").await;
    assert_eq!(response.headers()["content-type"], "application/json");
    read(response).await
}

/// Path, method and operation of everything in the document.
fn operations(document: &Value) -> impl Iterator<Item = (&String, &String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |(m, what)| (path, m, what)))
}

/// Asks the router with every method; what it does not refuse as unknown it serves.
#[tokio::test]
async fn it_has_what_the_router_serves_and_nothing_else() {
    let (routes, _shutdown) = desk();
    let mut served = BTreeSet::new();
    for (_, (_, documented, _)) in table() {
        let [path] = documented.paths.keys().collect::<Vec<_>>()[..] else {
            panic!("one row, one path: {:?}", documented.paths.keys())
        };
        let example = path.replace("{id}", "1").replace("{*target}", "left/m").replace("{action}", "none");
        for method in METHODS {
            let response = call(&routes, method.clone(), &example, &[TOKEN], "").await;
            let status = response.status();
            if status == 404 {
                let error = read(response).await;
                assert_ne!(error["error"]["code"], "not_found", "{method} {example} is no route");
            }
            if status != 405 {
                served.insert((path.replace("{*", "{"), method.as_str().to_lowercase()));
            }
        }
    }
    let document = document().await;
    let told: BTreeSet<_> = operations(&document).map(|(path, m, _)| (path.clone(), m.clone())).collect();
    assert_eq!(told, served);
}

#[tokio::test]
async fn it_says_who_may_knock_and_what_others_are_told() {
    let document = document().await;
    let scheme = &document["components"]["securitySchemes"]["token"];
    assert_eq!(scheme, &json!({"type": "http", "scheme": "bearer"}));
    for (door, (_, documented, _)) in table() {
        let security = match door {
            Door::Health => json!([{}]),
            Door::Token => json!([{"token": []}]),
            Door::Metrics => json!([{"token": []}, {}]),
        };
        for path in documented.paths.keys() {
            for (method, operation) in document["paths"][path.replace("{*", "{")].as_object().unwrap() {
                assert_eq!(operation["security"], security, "{method} {path}");
                let answers = operation["responses"].as_object().unwrap();
                assert!(answers.contains_key("403"), "{method} {path}");
                assert_eq!(answers.contains_key("401"), door != Door::Health, "{method} {path}");
                // What else goes wrong has the one shape of an error, or is health's own answer.
                for (status, answer) in answers.iter().filter(|(status, _)| status.as_str() > "403") {
                    let schema = answer.pointer("/content/application~1json/schema/$ref").unwrap();
                    let shape = if door == Door::Health { "Readiness" } else { "Error" };
                    assert_eq!(schema, &format!("#/components/schemas/{shape}"), "{method} {path} {status}");
                }
            }
        }
    }
}

/// Two types of one name would stand for each other unseen.
#[tokio::test]
async fn names_in_it_are_unique_and_known() {
    let mut schemas = BTreeMap::new();
    for (name, schema) in table().into_iter().flat_map(|(_, (schemas, ..))| schemas) {
        let schema = serde_json::to_value(schema).unwrap();
        let known = schemas.entry(name.clone()).or_insert_with(|| schema.clone());
        assert_eq!(*known, schema, "two types are called {name}");
    }
    let document = document().await;
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{method} {path}: {id} is another's");
        assert!(operation["summary"].is_string(), "{method} {path} says nothing of itself");
    }
    let mut left = vec![&document];
    while let Some(value) = left.pop() {
        match value {
            Value::Object(members) => left.extend(members.values()),
            Value::Array(items) => left.extend(items),
            Value::String(text) => {
                if let Some(place) = text.strip_prefix('#').filter(|place| place.starts_with("/components/"))
                {
                    assert!(document.pointer(place).is_some(), "{text} leads nowhere");
                }
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn it_changes_only_on_purpose() {
    let told = format!("{}\n", serde_json::to_string_pretty(&document().await).unwrap());
    let kept = include_str!("openapi.json");
    let differs = told.lines().zip(kept.lines()).enumerate().find(|(_, (told, kept))| told != kept);
    assert!(
        told == kept,
        "if that is meant, put GET /admin/openapi.json through `jq .` into host/src/admin/tests/openapi.json; \
         first difference (line from 0, new, kept): {differs:?}"
    );
}
