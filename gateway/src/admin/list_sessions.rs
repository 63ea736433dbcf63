//! Lists who is signed in.

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::event::timestamp;
use super::guard::{Guarded, Shared};
use super::operation::LIST_SESSIONS;
use super::paging::Query;
use super::problem::{Problem, ProblemBody};
use super::server::json_response;
use crate::authn::SessionKey;
use crate::directory::Members;
use crate::model::{ConnectionId, MemberId, UnixNanos};
use crate::store::{SessionNote, StoredSessions};

/// A session.
#[derive(Debug, Serialize, ToSchema)]
struct SessionBody {
    /// Its name: SHA-256 of what the browser holds, as in the decision log.
    id: String,
    /// The member who is signed in; not there for somebody who is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<String>,
    /// The name of the member.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The connection they signed in by.
    connection: String,
    /// When they signed in.
    created: String,
    /// When they last used it, to the minute.
    last_seen: String,
    /// When it ends if they do not use it again.
    expires: String,
}

/// A page of sessions.
#[derive(Debug, Serialize, ToSchema)]
struct SessionsBody {
    /// The sessions, in no order that means anything.
    items: Vec<SessionBody>,
    /// Where the next page begins: send it as `cursor`. Not there on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Sessions read for one page: a filter that fits few goes on with `next`.
const LOOKED_AT_MAX: usize = 5_000;

/// List sessions
///
/// Of everybody who is signed in to the organisation.
#[utoipa::path(
    get, path = "/v1/organisations/{organisation}/sessions", operation_id = "listSessions", tag = "Sessions",
    params(("organisation" = String, Path),
        ("limit" = Option<u32>, Query, description = "How many, 1 to 200; 50 unless given."),
        ("cursor" = Option<String>, Query, description = "`next` of the page before."),
        ("member" = Option<String>, Query, description = "Those of this member."),
        ("connection" = Option<String>, Query, description = "Those by this connection.")),
    responses((status = 200, body = SessionsBody, description = "A page of sessions."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "The query cannot be read.")),
)]
pub(super) async fn list_sessions(
    State(door): Shared,
    Path(organisation): Path<String>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let query = Query::read(query.as_deref(), &["limit", "cursor", "member", "connection"])?;
        let page = page(guarded, &query).await?;
        Ok(json_response(StatusCode::OK, &serde_json::json!(page)))
    };
    door.guarded(&LIST_SESSIONS, &parts, Some(&organisation), act).await
}

async fn page(guarded: &Guarded<'_>, query: &Query) -> Result<SessionsBody, Problem> {
    let wanted = Wanted::read(query)?;
    let after: Option<SessionKey> = query
        .value("cursor")
        .map(str::parse)
        .transpose()
        .map_err(|_| Problem::bad("`cursor` is `next` of the page before"))?;
    let limit = query.limit()?;
    let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
    let members = ground.members().await.map_err(|_| Problem::not_done())?;
    let sessions = guarded.desk.sessions();
    let now = guarded.desk.now();
    let found = sessions.notes(guarded.admitted.tenant(), after.as_ref(), LOOKED_AT_MAX).await?;
    let is_last = found.len() < LOOKED_AT_MAX;
    let mut last = None;
    let mut items = Vec::new();
    for note in &found {
        if items.len() == limit {
            return Ok(SessionsBody { items, next: last });
        }
        last = Some(note.key.to_string());
        if wanted.takes(note, &members) && is_alive(sessions, note, now) {
            items.push(shown(sessions, note, &members));
        }
    }
    Ok(SessionsBody { items, next: last.filter(|_| !is_last) })
}

/// Whether a session is in force, as far as its times say.
pub(super) fn is_alive(sessions: &StoredSessions, note: &SessionNote, now: UnixNanos) -> bool {
    now < sessions.end_of(note)
}

fn shown(sessions: &StoredSessions, note: &SessionNote, members: &Members) -> SessionBody {
    let member = members.member_of(&note.person);
    SessionBody {
        id: note.key.to_string(),
        member: member.map(|member| member.id.to_string()),
        name: member.map(|member| member.name.clone()),
        connection: note.person.connection.to_string(),
        created: timestamp(note.created),
        last_seen: timestamp(note.last_seen),
        expires: timestamp(sessions.end_of(note)),
    }
}

/// Which sessions are wanted.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    member: Option<MemberId>,
    connection: Option<ConnectionId>,
}

impl Wanted {
    pub(super) fn read(query: &Query) -> Result<Self, Problem> {
        let member = query.value("member").map(MemberId::parse).transpose();
        let connection = query.value("connection").map(ConnectionId::parse).transpose();
        Ok(Self {
            member: member.map_err(|error| Problem::bad(format!("`member`: {error}")))?,
            connection: connection
                .map_err(|error| Problem::bad(format!("`connection`: {error}")))?,
        })
    }

    pub(super) fn takes(&self, note: &SessionNote, members: &Members) -> bool {
        // Also of a member who was disabled: the session is theirs all the same.
        let holder = members.holder(&note.person);
        self.member.as_ref().is_none_or(|member| holder == Some(member))
            && self.connection.as_ref().is_none_or(|it| note.person.connection == *it)
    }
}
