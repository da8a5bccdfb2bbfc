//! The trail as operators read it, and what operators do, put on it.

use std::convert::Infallible;
use std::time::SystemTime;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Shared;
use super::json::{AdminError, ErrorBody, json};
use super::order::ORDER_BYTES;
use crate::audit::{
    Audit, Deed, Figures, Filter, Kind, LARGEST_PAGE, Listed, Page, QueryError, Reader, Whole, parse_id,
    parse_moment,
};
use crate::tasks::blocking;

const EXAMPLE: &str = "for example /admin/audit?from=15m&target=PROVIDER/MODEL&class=overloaded&limit=50; members: from, to, \
                       id, alias, target, outcome, class, tag, kind, limit, before, after";

/// A filter as it stands in a URL.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Begun at or after this moment: `15m` ago, `2026-01-31T12:00:00Z`, or milliseconds since 1970.
    from: Option<String>,
    /// Begun before it.
    to: Option<String>,
    /// Of this request, with what belongs to it.
    id: Option<String>,
    /// The alias or target that the client asked for.
    alias: Option<String>,
    /// A target that was called or passed over.
    target: Option<String>,
    /// How it ended.
    outcome: Option<String>,
    /// A class of failure that occurred.
    class: Option<String>,
    /// Something remarkable: `injected`, `spliced`, `hedge`, `retry`, a gate's name.
    tag: Option<String>,
    /// Kinds of entries, with commas between them; all but content, if missing.
    kind: Option<String>,
    /// Entries of the page: 100 unless said, at most 1000.
    limit: Option<usize>,
    /// Older than this place: `next` of the page before.
    before: Option<String>,
    /// Stored behind this number, the oldest first: `last_seq` of what was read before.
    after: Option<i64>,
}

type AskedFor = Result<Query<Asked>, axum::extract::rejection::QueryRejection>;

/// A page of the audit trail, the newest first.
#[utoipa::path(get, path = "/admin/audit", tag = "audit", params(Asked), responses(
    (status = 200, description = "The entries that fit", body = Page),
    (status = 400, description = "`bad_filter`", body = ErrorBody),
    (status = 404, description = "`no_audit`", body = ErrorBody),
    (status = 503, description = "`too_long`, `unreadable`", body = ErrorBody),
))]
pub(super) async fn page(State(admin): State<Shared>, asked: AskedFor) -> Result<Response, AdminError> {
    let (reader, filter) = (reader(&admin)?, filter(asked)?);
    let page = read(move || reader.page(&filter)).await?;
    Ok(json(StatusCode::OK, &page))
}

/// One entry, with what belongs to it.
#[utoipa::path(get, path = "/admin/audit/{id}", tag = "audit",
    params(("id" = String, Path, description = "`req_...`, or its digits")),
    responses(
        (status = 200, description = "What is on record", body = Whole),
        (status = 400, description = "`bad_filter`", body = ErrorBody),
        (status = 404, description = "`not_on_record`, `no_audit`", body = ErrorBody),
        (status = 503, description = "`too_long`, `unreadable`", body = ErrorBody),
    ),
)]
pub(super) async fn one(State(admin): State<Shared>, Path(id): Path<String>) -> Result<Response, AdminError> {
    let reader = reader(&admin)?;
    let id = parse_id(&id).ok_or_else(|| bad(format!("`{id}` is no id of an entry")))?;
    let whole = read(move || reader.whole(id)).await?;
    Ok(json(StatusCode::OK, &whole))
}

/// How many entries went where, and whether the trail can be written.
#[utoipa::path(get, path = "/admin/audit/status", tag = "audit", responses(
    (status = 200, description = "As it is now", body = Figures),
    (status = 404, description = "`no_audit`", body = ErrorBody),
))]
pub(super) async fn status(State(admin): State<Shared>) -> Result<Response, AdminError> {
    Ok(json(StatusCode::OK, &trail(&admin)?.figures()))
}

/// Every entry that fits, one line each, in the order of storing. Read as it is taken.
#[utoipa::path(get, path = "/admin/audit/export", tag = "audit", params(Asked), responses(
    (status = 200, description = "A line for each entry", content_type = "application/x-ndjson", body = Listed),
    (status = 400, description = "`bad_filter`", body = ErrorBody),
    (status = 404, description = "`no_audit`", body = ErrorBody),
    (status = 503, description = "`too_long`, `unreadable`", body = ErrorBody),
))]
pub(super) async fn export(State(admin): State<Shared>, asked: AskedFor) -> Result<Response, AdminError> {
    let (reader, filter) = (reader(&admin)?, filter(asked)?);
    let first = Filter { after: Some(filter.after.unwrap_or(0)), limit: Some(LARGEST_PAGE), ..filter };
    // Read before the answer begins, so that what is wrong can still be a status.
    let page = read({
        let (reader, first) = (reader.clone(), first.clone());
        move || reader.page(&first)
    })
    .await?;
    let lines = futures_util::stream::unfold(Some((page, reader, first)), |left| async {
        let (page, reader, filter) = left?;
        let lines = lines(&page);
        if page.entries.len() < LARGEST_PAGE {
            return Some((Ok::<_, Infallible>(lines), None));
        }
        let filter = Filter { after: Some(page.last_seq), ..filter };
        let next = read({
            let (reader, filter) = (reader.clone(), filter.clone());
            move || reader.page(&filter)
        });
        let next = next.await.ok().map(|page| (page, reader, filter));
        Some((Ok(lines), next))
    });
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

fn lines(page: &Page) -> Bytes {
    let mut lines = Vec::new();
    for entry in &page.entries {
        // Writing to memory fails for no entry.
        drop(serde_json::to_writer(&mut lines, entry));
        lines.push(b'\n');
    }
    lines.into()
}

/// Puts on record whatever an operator does but look: the order, and what came of it. Behind the guard, so that who may
/// not do anything writes nothing.
pub(super) async fn deeds(State(admin): State<Shared>, request: Request, next: Next) -> Response {
    let looks = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let Some(audit) = admin.audit.clone().filter(|_| !looks) else { return next.run(request).await };
    let (head, body) = request.into_parts();
    // Orders are small; what is larger is refused further in, and its beginning is not worth keeping.
    let read = Limited::new(body, ORDER_BYTES).collect().await.map(http_body_util::Collected::to_bytes);
    let (order, body) = match read {
        Ok(bytes) => (String::from_utf8_lossy(&bytes).into_owned(), Body::from(bytes)),
        Err(_) => {
            ("(broken, or too large to be an order)".to_owned(), Body::from(vec![b' '; ORDER_BYTES + 1]))
        }
    };
    let (method, path) = (head.method.to_string(), head.uri.path().to_owned());
    let response = next.run(Request::from_parts(head, body)).await;
    audit.operator(Deed { method, path, order, status: response.status().as_u16() });
    response
}

fn trail(admin: &Shared) -> Result<&Audit, AdminError> {
    admin.audit.as_ref().ok_or_else(|| {
        AdminError::new(StatusCode::NOT_FOUND, "no_audit", "this gateway keeps no audit trail")
            .fix("set [audit] enabled = true in its configuration")
    })
}

fn reader(admin: &Shared) -> Result<Reader, AdminError> {
    trail(admin).map(Audit::reader)
}

async fn read<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, QueryError> + Send + 'static,
) -> Result<T, AdminError> {
    match blocking(work).await {
        Some(read) => read.map_err(refused),
        None => {
            Err(AdminError::new(StatusCode::INTERNAL_SERVER_ERROR, "read_failed", "reading the trail failed"))
        }
    }
}

fn refused(error: QueryError) -> AdminError {
    let message = error.to_string();
    match error {
        QueryError::Unknown(_) => AdminError::new(StatusCode::NOT_FOUND, "not_on_record", message),
        QueryError::None(_) => AdminError::new(StatusCode::NOT_FOUND, "no_audit", message)
            .fix("the first entry makes it; GET /admin/audit/status says whether it can be written"),
        QueryError::BadPlace => bad(message),
        QueryError::TooLong => {
            AdminError::new(StatusCode::SERVICE_UNAVAILABLE, "too_long", message).fix("set from and to")
        }
        QueryError::Database(_) => AdminError::new(StatusCode::SERVICE_UNAVAILABLE, "unreadable", message)
            .fix("GET /admin/audit/status says what is wrong with the database"),
    }
}

fn bad(message: String) -> AdminError {
    AdminError::new(StatusCode::BAD_REQUEST, "bad_filter", message).fix(EXAMPLE)
}

fn filter(asked: AskedFor) -> Result<Filter, AdminError> {
    let Query(asked) = asked.map_err(|error| bad(error.body_text()))?;
    let now = SystemTime::now();
    let moment = |text: Option<String>| match text {
        None => Ok(None),
        Some(text) => parse_moment(&text, now).map(Some).ok_or_else(|| {
            bad(format!("`{text}` is no moment; write 15m (ago), 2026-01-31T12:00:00Z, or milliseconds"))
        }),
    };
    let id = match asked.id {
        None => None,
        Some(id) => Some(parse_id(&id).ok_or_else(|| bad(format!("`{id}` is no id of a request")))?),
    };
    Ok(Filter {
        from_ms: moment(asked.from)?,
        to_ms: moment(asked.to)?,
        id,
        alias: asked.alias,
        target: asked.target,
        outcome: asked.outcome,
        class: asked.class,
        tag: asked.tag,
        kinds: asked.kind.as_deref().map_or(Ok(Vec::new()), kinds)?,
        limit: asked.limit,
        before: asked.before.map(|place| place.parse().map_err(refused)).transpose()?,
        after: asked.after,
    })
}

fn kinds(words: &str) -> Result<Vec<Kind>, AdminError> {
    let kind = |word: &str| Kind::ALL.into_iter().find(|kind| kind.label() == word);
    let read: Option<Vec<Kind>> = words.split(',').map(|word| kind(word.trim())).collect();
    read.ok_or_else(|| {
        let known = Kind::ALL.map(Kind::label).join(", ");
        bad(format!("`{words}` names a kind that there is not; kinds: {known}"))
    })
}
