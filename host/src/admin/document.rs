//! The admin interface as an OpenAPI document, made of the table of routes.
//!
//! What stands at a handler says what it takes and gives; what follows from its door (the token, and the two refusals of
//! the guards) is added here, so that no handler can forget it. Schemas come from the types that are written and read.

use std::sync::LazyLock;

use axum::response::Response;
use http::StatusCode;
use utoipa::ToSchema as _;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder, PathItem, Paths, Ref,
    Response as Answer, ResponseBuilder,
};

use super::json::{ErrorBody, json};
use super::{Door, routes};

/// The name of the token in the document.
const TOKEN: &str = "token";
/// What guards answer, by status.
const UNAUTHORIZED: &str = "Unauthorized";
const FORBIDDEN: &str = "Forbidden";

static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(write);

/// This document.
#[utoipa::path(get, path = "/admin/openapi.json", tag = "status", responses(
    (status = 200, description = "OpenAPI 3.1", body = Object),
))]
pub(super) async fn document() -> Response {
    json(StatusCode::OK, &*DOCUMENT)
}

/// Every path, as the document has it.
pub(super) fn paths() -> Vec<&'static str> {
    DOCUMENT.paths.paths.keys().map(String::as_str).collect()
}

fn write() -> OpenApi {
    let mut paths = Paths::new();
    let mut components = ComponentsBuilder::new()
        .security_scheme(
            TOKEN,
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
        )
        .response(UNAUTHORIZED, refusal("`unauthorized`: the token is missing or wrong"))
        .response(
            FORBIDDEN,
            refusal("`bad_host`, `foreign_host`, `foreign_origin`: asked by a name or page that is not ours"),
        );
    for (door, (schemas, documented, _)) in routes() {
        components = components.schemas_from_iter(schemas);
        for (path, mut item) in documented.paths {
            operations(&mut item).for_each(|operation| stand_behind(door, operation));
            // A target's name holds slashes; OpenAPI knows no word for that, and `%2F` is understood as well.
            paths.paths.insert(path.replace("{*", "{"), item);
        }
    }
    let info = InfoBuilder::new()
        .title("Seawall admin API")
        .description(Some("What operators look at and work on. Errors are always of the shape `Error`."))
        .license(Some(License::new("Apache-2.0")))
        .version(env!("CARGO_PKG_VERSION"));
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components.build())).build()
}

/// What follows from the door.
fn stand_behind(door: Door, operation: &mut Operation) {
    let (token, nothing) = (SecurityRequirement::new(TOKEN, [] as [&str; 0]), SecurityRequirement::default());
    operation.security = Some(match door {
        Door::Health => vec![nothing],
        Door::Token => vec![token],
        Door::Metrics => vec![token, nothing],
    });
    let answers = &mut operation.responses.responses;
    answers.insert("403".to_owned(), Ref::from_response_name(FORBIDDEN).into());
    if door != Door::Health {
        answers.insert("401".to_owned(), Ref::from_response_name(UNAUTHORIZED).into());
    }
    // Handlers are called alike in different rooms.
    if let (Some(id), Some(tag)) = (&mut operation.operation_id, operation.tags.iter().flatten().next()) {
        *id = format!("{tag}_{id}");
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.delete, &mut item.patch].into_iter().flatten()
}

fn refusal(what: &str) -> Answer {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ErrorBody::name()))).build();
    ResponseBuilder::new().description(what).content("application/json", content).build()
}
