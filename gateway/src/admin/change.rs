//! The way of every change: under the organisation's turn, on what is in force, kept with its audit event, and
//! answered once for a request that is sent twice.

use async_trait::async_trait;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::desk::{DeskError, Held};
use super::diff::{changes, digest, etag, hex};
use super::guard::Guarded;
use super::problem::Problem;
use super::server::json_response;
use crate::audit::{Actor, AuditEvent, EventAction, Item};
use crate::model::{DecisionId, EntityUid, Secret, TenantId};
use crate::pipeline::{ChangeNote, Ground};
use crate::store::{Answered, ManagedChange, ObjectWrite, StoreError};

/// `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Longest key: a UUID has 36 characters.
const KEY_BYTES_MAX: usize = 128;

/// Tries before another process that is quicker each time is told to the client.
const TRIES: usize = 4;

/// What a change comes to.
#[derive(Debug)]
pub(super) struct Plan {
    /// What is written.
    pub(super) objects: Vec<ObjectWrite>,
    /// What is told of it; nothing where nothing changed.
    pub(super) events: Vec<EventDraft>,
    /// What is held in memory of the objects, besides what the snapshot holds.
    pub(super) forget: Vec<Held>,
    /// What is answered.
    pub(super) answer: Answer,
}

impl Plan {
    /// Nothing changes.
    pub(super) const fn nothing(answer: Answer) -> Self {
        Self { objects: Vec::new(), events: Vec::new(), forget: Vec::new(), answer }
    }

    /// One object, and what is told of it.
    pub(super) fn one(object: ObjectWrite, event: EventDraft, answer: Answer) -> Self {
        Self { objects: vec![object], events: vec![event], forget: Vec::new(), answer }
    }

    /// The same plan, after which `held` is read again.
    #[must_use]
    pub(super) fn forgetting(mut self, held: Held) -> Self {
        self.forget.push(held);
        self
    }
}

/// An event before who and when are added.
#[derive(Debug)]
pub(super) struct EventDraft {
    /// What was done.
    pub(super) action: EventAction,
    /// To what.
    pub(super) item: Item,
    /// The node it belongs to.
    pub(super) parent: Option<EntityUid>,
    /// The item before, as it is shown.
    pub(super) before: Option<Value>,
    /// The item after, as it is shown.
    pub(super) after: Option<Value>,
}

/// An answer before it is sent.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Value,
    /// A member of the body that is shown now and never again.
    pub(super) once: Option<(&'static str, Secret<String>)>,
    pub(super) location: Option<String>,
    /// Its `ETag`; that of the body, unless given.
    pub(super) tag: Option<String>,
}

impl Answer {
    /// The item as it is now.
    pub(super) const fn item(status: StatusCode, body: Value) -> Self {
        Self { status, body, once: None, location: None, tag: None }
    }

    /// Nothing to show.
    pub(super) const fn empty() -> Self {
        Self::item(StatusCode::NO_CONTENT, Value::Null)
    }
}

/// A change somebody asked for.
#[async_trait]
pub(super) trait Change: Send + Sync {
    /// What it comes to on what is in force now. It may be asked again when another process was quicker.
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem>;
}

/// Makes a change.
pub(super) async fn change(
    guarded: &Guarded<'_>,
    body: &[u8],
    asked: &dyn Change,
) -> Result<Response, Problem> {
    change_of(guarded, guarded.admitted.tenant(), body, asked).await
}

/// Makes a change of an organisation that may be another than the asker's: only the platform does.
pub(super) async fn change_of(
    guarded: &Guarded<'_>,
    tenant: &TenantId,
    body: &[u8],
    asked: &dyn Change,
) -> Result<Response, Problem> {
    let desk = guarded.desk;
    let again = SentAgain::read(guarded, body)?;
    for _ in 0..TRIES {
        let turn = desk.turn(tenant).await;
        let before = desk.objects().state(tenant).await?;
        let turn = desk.settled(turn).await?;
        // Not before: an answer that is given again says that it is in force.
        if let Some(again) = &again
            && let Some(answered) = desk.objects().answered(tenant, &again.name).await?
        {
            return again.replay(answered);
        }
        let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
        let Plan { objects, events, forget, answer } = asked.plan(guarded, &ground).await?;
        if objects.is_empty() && events.is_empty() {
            return Ok(shown(answer));
        }
        let now = desk.now();
        let actor = actor(guarded, (&ground, tenant)).await;
        let decision = guarded.admitted.decision();
        let made = |draft| Ok(event((actor.clone(), decision), draft, (desk.event_id(now)?, now)));
        let events = events.into_iter().map(made).collect::<Result<Vec<_>, DeskError>>()?;
        let answered = again.as_ref().map(|again| again.keep(&answer));
        let change = ManagedChange { objects, events: events.clone(), answered };
        let noter = guarded.admitted.noter(tenant);
        let tell = move || events.iter().for_each(|event| noter.note(&noted(event)));
        match desk.commit(turn, (before, change), (forget, tell)).await {
            Ok(()) => return Ok(shown(answer)),
            Err(DeskError::Overtaken) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(DeskError::Overtaken.into())
}

/// Refuses a change of something else than was shown. Without `If-Match` two people who change one thing would undo
/// each other's change unseen.
pub(super) fn wants_match(headers: &HeaderMap, current: &Value) -> Result<(), Problem> {
    let Some(given) = headers.get(header::IF_MATCH) else {
        return Err(Problem::match_required());
    };
    check_match(given, current)
}

/// As [`wants_match`], where the field may be missing: what is gone can be undone by nobody.
pub(super) fn takes_match(headers: &HeaderMap, current: &Value) -> Result<(), Problem> {
    headers.get(header::IF_MATCH).map_or(Ok(()), |given| check_match(given, current))
}

/// RFC 9110 §13.1.1: `*`, or strong tags of which one must be the current one.
fn check_match(given: &HeaderValue, current: &Value) -> Result<(), Problem> {
    let given = given.to_str().unwrap_or_default().trim();
    let current = etag(current);
    let fits = given == "*" || given.split(',').any(|tag| tag.trim() == current);
    if fits { Ok(()) } else { Err(Problem::other_version(&current)) }
}

/// An item with its tag.
pub(super) fn item_response(status: StatusCode, item: &Value) -> Response {
    tagged_response(status, item, &etag(item))
}

/// What is shown, with a tag that may leave out what changes by itself.
pub(super) fn tagged_response(status: StatusCode, shown: &Value, tag: &str) -> Response {
    let mut response = json_response(status, shown);
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn shown(answer: Answer) -> Response {
    let Answer { status, mut body, once, location, tag } = answer;
    let tag = tag.unwrap_or_else(|| etag(&body));
    let tag = HeaderValue::from_str(&tag).ok().filter(|_| body.is_object());
    if let (Some((key, secret)), Some(members)) = (once, body.as_object_mut()) {
        members.insert(key.to_owned(), Value::String(secret.expose().to_owned()));
    }
    let mut response = json_response(status, &body);
    let fields = response.headers_mut();
    if let Some(tag) = tag {
        fields.insert(header::ETAG, tag);
    }
    if let Some(location) = location.and_then(|it| HeaderValue::from_str(&it).ok()) {
        fields.insert(header::LOCATION, location);
    }
    response
}

/// Who makes a change of `tenant`. People of another organisation are not taken for its own: two may share an id.
async fn actor(guarded: &Guarded<'_>, (ground, tenant): (&Ground<'_>, &TenantId)) -> Actor {
    let (admitted, name) = (&guarded.admitted, ground.name_of_asker().await);
    let principal = admitted.principal().map(ToString::to_string).unwrap_or_default();
    let own = admitted.tenant();
    let principal = if own == tenant { principal } else { format!("{own}/{principal}") };
    Actor { principal, name }
}

fn event(
    (actor, decision): (Actor, DecisionId),
    draft: EventDraft,
    (id, at): (String, crate::model::UnixNanos),
) -> AuditEvent {
    let EventDraft { action, item, parent, before, after } = draft;
    AuditEvent {
        id,
        at,
        action,
        actor,
        item,
        parent: parent.map(|node| node.to_string()),
        changes: changes(before.as_ref(), after.as_ref()),
        before: before.as_ref().map(digest),
        after: after.as_ref().map(digest),
        decision: Some(decision),
    }
}

fn noted(event: &AuditEvent) -> ChangeNote<'_> {
    ChangeNote {
        audit_event: &event.id,
        action: event.action.name(),
        item: (&event.item.kind, &event.item.id),
        before: event.before.as_deref(),
        after: event.after.as_deref(),
    }
}

/// A request that may be sent again: a client that heard no answer sends it with the same key.
struct SentAgain {
    name: String,
    request: String,
}

impl SentAgain {
    fn read(guarded: &Guarded<'_>, body: &[u8]) -> Result<Option<Self>, Problem> {
        let mut lines = guarded.headers.get_all(IDEMPOTENCY_KEY).iter();
        let (Some(key), second) = (lines.next(), lines.next()) else { return Ok(None) };
        let key = key.as_bytes();
        let fits = (1..=KEY_BYTES_MAX).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
        if !fits || second.is_some() {
            let detail = format!(
                "`Idempotency-Key` has 1 to {KEY_BYTES_MAX} visible characters, and comes once"
            );
            return Err(Problem::bad(detail));
        }
        // Whose key it is belongs to the name: another's request must not be answered with ours.
        let whose = guarded.admitted.principal().map(ToString::to_string).unwrap_or_default();
        let asked = [guarded.operation.id.as_bytes(), guarded.path.as_bytes(), body];
        let tenant = guarded.admitted.tenant().as_str().as_bytes();
        let (name, request) = (named(&[tenant, whose.as_bytes(), key]), named(&asked));
        Ok(Some(Self { name, request }))
    }

    fn keep(&self, answer: &Answer) -> (String, Answered) {
        let answered = Answered {
            request: self.request.clone(),
            status: answer.status.as_u16(),
            body: answer.body.to_string(),
            location: answer.location.clone(),
            tag: answer.tag.clone(),
        };
        (self.name.clone(), answered)
    }

    fn replay(&self, answered: Answered) -> Result<Response, Problem> {
        if answered.request != self.request {
            return Err(Problem::key_used());
        }
        let status = StatusCode::from_u16(answered.status).unwrap_or(StatusCode::OK);
        let body = serde_json::from_str(&answered.body).unwrap_or(Value::Null);
        let Answered { location, tag, .. } = answered;
        let answer = Answer { location, tag, ..Answer::item(status, body) };
        let mut response = shown(answer);
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(response)
    }
}

/// SHA-256 over parts of any length, in hex.
fn named(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex(&hash.finalize())
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        tracing::error!(%error, "a change was not made, or is not known to be");
        match error {
            DeskError::Overtaken => Self::overtaken(),
            DeskError::Entropy(_) => Self::not_done(),
            DeskError::Store(StoreError::TooLarge { .. } | StoreError::TooMany { .. }) => {
                Self::more_than_kept()
            }
            DeskError::Store(_) | DeskError::Overlay(_) | DeskError::Broken => Self::unknown_end(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a request was not answered");
        Self::not_done()
    }
}
