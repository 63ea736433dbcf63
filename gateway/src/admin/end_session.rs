//! Ends one session.

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::Request;

use super::change::{Answer, Change, Plan, change};
use super::desk::Held;
use super::end_sessions::{ended, gone};
use super::guard::{Guarded, Shared};
use super::list_sessions::is_alive;
use super::operation::END_SESSION;
use super::problem::Problem;
use crate::authn::SessionKey;
use crate::pipeline::Ground;

/// End a session
///
/// In force with the next request; live streams are cut.
#[utoipa::path(
    delete, path = "/v1/organisations/{organisation}/sessions/{session}", operation_id = "endSession", tag = "Sessions",
    params(("organisation" = String, Path), ("session" = String, Path, description = "The session's id.")),
    responses((status = 204, description = "It has ended.")),
)]
pub(super) async fn end_session(
    State(door): Shared,
    Path((organisation, session)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let act = async |guarded: &Guarded<'_>| {
        let key: SessionKey = session.parse().map_err(|_| Problem::not_found())?;
        change(guarded, &[], &Ending(key)).await
    };
    door.guarded(&END_SESSION, &parts, Some(&organisation), act).await
}

struct Ending(SessionKey);

#[async_trait]
impl Change for Ending {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let (sessions, tenant) = (guarded.desk.sessions(), guarded.admitted.tenant());
        let note = sessions.note(tenant, &self.0).await?;
        let note = note.filter(|note| is_alive(sessions, note, guarded.desk.now()));
        let note = note.ok_or_else(Problem::not_found)?;
        let plan = Plan::one(gone(&self.0), ended(ground, &note), Answer::empty());
        Ok(plan.forgetting(Held::Session(self.0)))
    }
}
