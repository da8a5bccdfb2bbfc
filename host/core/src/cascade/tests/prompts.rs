//! Prompt templates: who gets other words, and what happens when there are none.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::note::Note;
use crate::ports::{PromptFacts, PromptTemplate, TemplateRef};
use crate::record::Record;
use crate::request::Protocol;
use crate::settings::Alias;
use crate::testing::{Script, Step, World, alias, error, request_of, text};

/// Says what it was given, or nothing that is of use.
#[derive(Debug)]
struct Telling {
    id: TemplateRef,
    works: bool,
}

impl PromptTemplate for Telling {
    fn template(&self) -> &TemplateRef {
        &self.id
    }
    fn render(&self, facts: &PromptFacts<'_>) -> Result<String, String> {
        let PromptFacts { target, degraded, system } = facts;
        if self.works { Ok(format!("{target} {degraded} [{system}]")) } else { Err("odd".to_owned()) }
    }
}

/// `a`, then `b` with a template.
fn templated(works: bool) -> Alias {
    let mut alias = alias(&["a", "b"]);
    let id = TemplateRef { name: "small".into(), version: "1".into() };
    alias.targets[1].prompt = Some(Arc::new(Telling { id, works }));
    alias
}

fn asked(stream: bool) -> Value {
    let turn = |role: &str, content: &str| json!({ "role": role, "content": content });
    json!({ "model": "chat", "stream": stream, "messages": [turn("system", "Be kind."), turn("user", "hello")] })
}

fn system(body: &Value) -> &Value {
    &body["messages"][0]["content"]
}

fn templates(record: &Record) -> Vec<Option<String>> {
    record.attempts.iter().map(|call| call.template.as_ref().map(ToString::to_string)).collect()
}

async fn failed_over(works: bool) -> World {
    let world = World::new(&["a", "b"]);
    world.script("a", [error(500, "down")]);
    world.answer(&request_of(Protocol::Chat, &asked(false)), &templated(works)).await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_target_gets_its_own_words_and_the_record_says_which() {
    let world = failed_over(true).await;
    let bodies = world.upstream.bodies();
    assert_eq!(system(&bodies[0]), "Be kind.", "no template, the client's own bytes");
    assert_eq!(system(bodies.last().unwrap()), "b/m true [Be kind.]");
    let told = world.notes.all().into_iter().find_map(|note| match note {
        Note::RequestEnded(record) => Some(templates(&record)),
        _ => None,
    });
    assert_eq!(told.unwrap(), [None, None, Some("small@1".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_template_that_fails_leaves_the_clients_own_prompt() {
    let world = failed_over(false).await;
    assert_eq!(system(world.upstream.bodies().last().unwrap()), "Be kind.");
    let told = world.notes.all().into_iter().find_map(|note| match note {
        Note::PromptFailed { target, template, message, .. } => {
            Some(format!("{target} {template} {message}"))
        }
        _ => None,
    });
    assert_eq!(told.as_deref(), Some("b/m small@1 odd"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_goes_on_elsewhere_goes_on_with_the_others_words() {
    let world = World::new(&["a", "b"]);
    world.script("a", [Script::Stream(vec![text("one "), Step::Break])]);
    let reply = world.answer(&request_of(Protocol::Chat, &asked(true)), &templated(true)).await;
    super::see(reply).await;
    let bodies = world.upstream.bodies();
    assert!(bodies.len() >= 2, "{bodies:?}");
    assert_eq!(system(bodies.last().unwrap()), "b/m true [Be kind.]");
}
