//! Ends sessions: of a member, of a connection, or all.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::change::{Answer, Change, EventDraft, Plan, change};
use super::desk::Held;
use super::guard::{Guarded, Shared};
use super::list_sessions::{Wanted, is_alive};
use super::operation::END_SESSIONS;
use super::paging::Query;
use super::problem::{Problem, ProblemBody};
use crate::audit::{EventAction, Item};
use crate::authn::SessionKey;
use crate::pipeline::Ground;
use crate::store::{Kind, ObjectWrite, SessionNote};

/// What ended.
#[derive(Debug, Serialize, ToSchema)]
struct EndedBody {
    /// How many sessions.
    ended: usize,
    /// Whether there are more: send it again.
    more: bool,
}

/// Sessions ended together: with their events they are one batch of the store.
const ENDED_MAX: usize = 4_000;

/// End sessions
///
/// Those of a member, those by a connection, or all: in force with the next request, and live streams are cut. The one
/// who asks is not spared.
#[utoipa::path(
    delete, path = "/v1/organisations/{organisation}/sessions", operation_id = "endSessions", tag = "Sessions",
    params(("organisation" = String, Path),
        ("member" = Option<String>, Query, description = "Those of this member."),
        ("connection" = Option<String>, Query, description = "Those by this connection."),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with it, the request is done once.")),
    responses((status = 200, body = EndedBody, description = "They have ended."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "The query cannot be read."),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "The key stands for another request.")),
)]
pub(super) async fn end_sessions(
    State(door): Shared,
    Path(organisation): Path<String>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let read = Query::read(query.as_deref(), &["member", "connection"])?;
        let ending = Ending(Wanted::read(&read)?);
        let asked = query.as_deref().unwrap_or_default();
        change(guarded, asked.as_bytes(), &ending).await
    };
    door.guarded(&END_SESSIONS, &parts, Some(&organisation), act).await
}

struct Ending(Wanted);

#[async_trait]
impl Change for Ending {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let members = ground.members().await.map_err(|_| Problem::not_done())?;
        let (sessions, tenant) = (guarded.desk.sessions(), guarded.admitted.tenant());
        let now = guarded.desk.now();
        let mut found = Vec::new();
        let mut after = None;
        let mut more = false;
        while !more {
            let page = sessions.notes(tenant, after.as_ref(), ENDED_MAX).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key);
            let alive =
                |note: &SessionNote| self.0.takes(note, &members) && is_alive(sessions, note, now);
            found.extend(page.into_iter().filter(alive));
            more = found.len() > ENDED_MAX;
        }
        found.truncate(ENDED_MAX);
        let body = EndedBody { ended: found.len(), more };
        Ok(Plan {
            objects: found.iter().map(|note| gone(&note.key)).collect(),
            events: found.iter().map(|note| ended(ground, note)).collect(),
            forget: found.iter().map(|note| Held::Session(note.key)).collect(),
            answer: Answer::item(StatusCode::OK, json!(body)),
        })
    }
}

/// The write that ends a session. What finds its organisation finds nothing there any more, and expires.
pub(super) fn gone(key: &SessionKey) -> ObjectWrite {
    ObjectWrite::gone(Kind::Session, &key.to_string()).beside()
}

/// The event that tells of it.
pub(super) fn ended(ground: &Ground<'_>, note: &SessionNote) -> EventDraft {
    let (kind, id) = ("session".to_owned(), note.key.to_string());
    EventDraft {
        action: EventAction::SignedOut,
        item: Item { kind, id, name: note.person.connection.to_string() },
        parent: ground.organisation().map(|organisation| organisation.root().clone()),
        before: None,
        after: None,
    }
}

/// Adds the end of all sessions that `takes` says, as far as one batch reaches.
pub(super) async fn end_where(
    guarded: &Guarded<'_>,
    ground: &Ground<'_>,
    takes: &(dyn Fn(&SessionNote) -> bool + Send + Sync),
    plan: &mut Plan,
) -> Result<(), Problem> {
    let (sessions, tenant) = (guarded.desk.sessions(), guarded.admitted.tenant());
    let now = guarded.desk.now();
    let mut after = None;
    loop {
        let page = sessions.notes(tenant, after.as_ref(), ENDED_MAX).await?;
        after = page.last().map(|note| note.key);
        let is_last = page.len() < ENDED_MAX;
        for note in page.iter().filter(|note| takes(note) && is_alive(sessions, note, now)) {
            plan.objects.push(gone(&note.key));
            plan.events.push(ended(ground, note));
            plan.forget.push(Held::Session(note.key));
        }
        if is_last || plan.forget.len() >= ENDED_MAX {
            return Ok(());
        }
    }
}
