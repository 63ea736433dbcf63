//! Lists what happened to an organisation.

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::request::Parts;
use http::{Request, StatusCode};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::event::EventBody;
use super::guard::{Door, Guarded, Questions, Shared};
use super::operation::{LIST_EVENTS, Operation};
use super::paging::Query;
use super::problem::{Problem, ProblemBody};
use super::server::json_response;
use super::show_event::anywhere;
use crate::audit::{AuditEvent, EventAction};
use crate::model::{ActionId, EntityUid};
use crate::pipeline::{Entered, Ground};

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventsBody {
    /// The events, the latest first.
    items: Vec<EventBody>,
    /// Where the page of earlier events begins: send it as `after`. Not there where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

const KEYS: &[&str] = &[
    "operatorId",
    "teamId",
    "userId",
    "entityType",
    "entityId",
    "action",
    "search",
    "fromDate",
    "toDate",
    "perPage",
    "after",
    "before",
];

/// Events of a page where nothing is said, and the most of one.
const PER_PAGE: (usize, usize) = (50, 10_000);

/// Events looked at for one page: a filter that fits few goes on with `next`.
const LOOKED_AT_MAX: usize = 20_000;

/// List audit events
///
/// The latest first. Those of nodes where you may see the audit log; filters leave out the others.
#[utoipa::path(
    get, path = "/v1/organisations/{organisation}/auditlog/events", operation_id = "listEvents", tag = "Audit events",
    params(("organisation" = String, Path),
        ("operatorId" = Option<String>, Query, description = "Those of this operator account."),
        ("teamId" = Option<String>, Query, description = "Those of this team."),
        ("userId" = Option<String>, Query, description = "What this member did."),
        ("entityType" = Option<String>, Query, description = "What was done to this kind of item, as `member`."),
        ("entityId" = Option<String>, Query, description = "What was done to the item with this id."),
        ("action" = Option<String>, Query, description = "`created`, `updated`, `deleted`, `signed_in`, `signed_out` or `token_reused`."),
        ("search" = Option<String>, Query, description = "Those with this in names, ids or changes."),
        ("fromDate" = Option<String>, Query, description = "From this time on (RFC 3339)."),
        ("toDate" = Option<String>, Query, description = "Before this time (RFC 3339)."),
        ("perPage" = Option<u32>, Query, description = "How many, 1 to 10000; 50 unless given."),
        ("after" = Option<String>, Query, description = "Those that come after this event in the list."),
        ("before" = Option<String>, Query, description = "Those that come before it.")),
    responses((status = 200, body = EventsBody, description = "A page of events."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "The query cannot be read.")),
)]
pub(super) async fn list_events(
    State(door): Shared,
    Path(organisation): Path<String>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    listed(&door, &LIST_EVENTS, (&parts, Some(&organisation)), query.as_deref()).await
}

/// The events of an organisation, or of the asker's own where none is named.
pub(super) async fn listed(
    door: &Door,
    operation: &'static Operation,
    asked_for: (&Parts, Option<&str>),
    query: Option<&str>,
) -> Response {
    let ask = async |entered: &Entered, view: &ActionId| asked(entered, view, query);
    let act = async |guarded: &Guarded<'_>, wanted: Wanted| {
        let page = wanted.page(guarded).await?;
        Ok(json_response(StatusCode::OK, &serde_json::json!(page)))
    };
    door.asked(operation, asked_for, ask, act).await
}

/// Asked about the operator or team the filter names, or else about the first node where it may be seen.
fn asked(
    entered: &Entered,
    view: &ActionId,
    query: Option<&str>,
) -> Result<(Questions, Wanted), Problem> {
    let wanted = Wanted::read(&Query::read(query, KEYS)?)?;
    let questions = match &wanted.parent {
        Some(node) => vec![(view.clone(), node.clone())],
        None => anywhere(entered, view),
    };
    Ok((questions, Wanted { view: Some(view.clone()), ..wanted }))
}

/// Which events are wanted.
#[derive(Debug)]
struct Wanted {
    view: Option<ActionId>,
    parent: Option<EntityUid>,
    principal: Option<String>,
    kind: Option<String>,
    id: Option<String>,
    action: Option<EventAction>,
    search: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    per_page: usize,
    after: Option<String>,
    before: Option<String>,
}

impl Wanted {
    fn read(query: &Query) -> Result<Self, Problem> {
        let actions = EventAction::ALL.map(|action| (action.name(), action));
        let node = |kind: &str, key: &str| {
            let uid = query.value(key).map(|id| EntityUid::new(kind, id)).transpose();
            uid.map_err(|error| Problem::bad(format!("`{key}`: {error}")))
        };
        let (operator, team) = (node("Operator", "operatorId")?, node("Team", "teamId")?);
        if operator.is_some() && team.is_some() {
            return Err(Problem::bad("name `operatorId` or `teamId`, not both"));
        }
        let text = |key: &str| query.value(key).map(str::to_owned);
        Ok(Self {
            view: None,
            parent: operator.or(team),
            principal: query.value("userId").map(|id| format!("User::{id}")),
            kind: text("entityType"),
            id: text("entityId"),
            action: query.one_of("action", &actions)?,
            search: query.value("search").map(str::to_lowercase),
            from: moment(query, "fromDate")?,
            to: moment(query, "toDate")?,
            per_page: query.count("perPage", PER_PAGE.0, PER_PAGE.1)?,
            after: cursor(query, "after")?,
            before: cursor(query, "before")?,
        })
    }

    async fn page(&self, guarded: &Guarded<'_>) -> Result<EventsBody, Problem> {
        let ground = guarded.admitted.ground().await.ok_or_else(Problem::revoked)?;
        let (objects, tenant) = (guarded.desk.objects(), guarded.admitted.tenant());
        let mut items: Vec<AuditEvent> = Vec::new();
        let mut after = self.after.clone();
        let mut looked_at = 0;
        let mut next = None;
        'pages: loop {
            let page = objects.events(tenant, after.as_deref(), usize::MAX).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            for event in page {
                if self.before.as_ref().is_some_and(|before| event.id >= *before) {
                    break 'pages;
                }
                if self.from.is_some_and(|from| moment_of(&event) < from) {
                    // What follows is older still.
                    break 'pages;
                }
                looked_at += 1;
                let place = event.id.clone();
                if self.takes(&event) && self.may_see(&ground, &event) {
                    if items.len() == self.per_page && self.before.is_none() {
                        next = items.last().map(|last| last.id.clone());
                        break 'pages;
                    }
                    items.push(event);
                }
                if looked_at >= LOOKED_AT_MAX && self.before.is_some() {
                    let detail = "`before` is too far back for this: narrow it by `toDate`, or go by `after`";
                    return Err(Problem::bad(detail));
                }
                if looked_at >= LOOKED_AT_MAX {
                    next = Some(place);
                    break 'pages;
                }
            }
        }
        if self.before.is_some() {
            // The page just before an event, not the one that begins the list.
            items.drain(..items.len().saturating_sub(self.per_page));
        }
        Ok(EventsBody { items: items.into_iter().map(EventBody::of).collect(), next })
    }

    fn may_see(&self, ground: &Ground<'_>, event: &AuditEvent) -> bool {
        self.view.as_ref().is_some_and(|view| may_see(ground, view, event))
    }

    fn takes(&self, event: &AuditEvent) -> bool {
        let at = moment_of(event);
        let parent = self.parent.as_ref().map(ToString::to_string);
        parent.is_none_or(|parent| event.parent.as_ref() == Some(&parent))
            && self.principal.as_ref().is_none_or(|it| event.actor.principal == *it)
            && self.kind.as_ref().is_none_or(|it| event.item.kind == *it)
            && self.id.as_ref().is_none_or(|it| event.item.id == *it)
            && self.action.is_none_or(|it| event.action == it)
            && self.from.is_none_or(|from| at >= from)
            && self.to.is_none_or(|to| at < to)
            && self.search.as_ref().is_none_or(|it| text_of(event).contains(it))
    }
}

/// Whether who asks may see an event: at its node, or from the root where it has none or its node is gone.
pub(super) fn may_see(ground: &Ground<'_>, view: &ActionId, event: &AuditEvent) -> bool {
    let node = event.parent.as_deref().and_then(|node| EntityUid::parse(node).ok());
    let at = |node: &EntityUid| {
        let partition = ground.partition();
        partition.contains(node)
            && partition.schema().action_accepts(view, node.kind())
            && ground.may(view, node)
    };
    node.is_some_and(|node| at(&node)) || ground.organisation().is_some_and(|it| at(it.root()))
}

fn moment_of(event: &AuditEvent) -> Timestamp {
    let millis = i64::try_from(event.at.nanos() / 1_000_000).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

fn text_of(event: &AuditEvent) -> String {
    let text = serde_json::to_string(&(&event.actor, &event.item, &event.changes));
    text.unwrap_or_default().to_lowercase()
}

fn moment(query: &Query, key: &str) -> Result<Option<Timestamp>, Problem> {
    let given = query.value(key).map(str::parse).transpose();
    given.map_err(|_| Problem::bad(format!("`{key}` is a time as `2026-11-22T10:15:30Z`")))
}

fn cursor(query: &Query, key: &str) -> Result<Option<String>, Problem> {
    match query.value(key) {
        Some(id) if !AuditEvent::is_id(id) => {
            Err(Problem::bad(format!("`{key}` is the id of an event")))
        }
        id => Ok(id.map(str::to_owned)),
    }
}
