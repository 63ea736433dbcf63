//! Lists the members somebody may see.

use std::collections::HashMap;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::guard::{Guarded, Questions, Shared};
use super::member::{MemberBody, may_at, status};
use super::operation::LIST_MEMBERS;
use super::paging::Query;
use super::problem::{Problem, ProblemBody};
use super::server::json_response;
use crate::directory::Member;
use crate::model::{ActionId, EntityUid, MemberId};
use crate::pipeline::Entered;

/// A page of members.
#[derive(Debug, Serialize, ToSchema)]
struct MembersBody {
    /// The members, by id.
    items: Vec<MemberBody>,
    /// Where the next page begins: send it as `cursor`. Not there on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Nodes that are asked about for one list, which takes some hundred milliseconds at most. Who sees only parts of an
/// organisation sees few of its nodes; members of others are left out.
const NODES_ASKED_MAX: usize = 10_000;

const KEYS: &[&str] = &["limit", "cursor", "role", "on", "status", "source", "search"];

/// List members
///
/// Those with a role on a node where you may see who has access; all of them, where that is the whole organisation.
#[utoipa::path(
    get, path = "/v1/organisations/{organisation}/members", operation_id = "listMembers", tag = "Members",
    params(("organisation" = String, Path),
        ("limit" = Option<u32>, Query, description = "How many, 1 to 200; 50 unless given."),
        ("cursor" = Option<String>, Query, description = "`next` of the page before."),
        ("role" = Option<String>, Query, description = "Those with this role."),
        ("on" = Option<String>, Query, description = "Those with a role on this node, as `Team::t1`."),
        ("status" = Option<String>, Query, description = "`active`, `invited` or `disabled`."),
        ("source" = Option<String>, Query, description = "`file`, `api` or `scim`."),
        ("search" = Option<String>, Query, description = "Those whose id, name or address has this in it.")),
    responses((status = 200, body = MembersBody, description = "A page of members."),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "The query cannot be read.")),
)]
pub(super) async fn list_members(
    State(door): Shared,
    Path(organisation): Path<String>,
    RawQuery(query): RawQuery,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let ask =
        async |entered: &Entered, view: &ActionId| asked(entered, view, query.as_deref()).await;
    let act = async |_: &Guarded<'_>, page: MembersBody| {
        Ok(json_response(StatusCode::OK, &serde_json::json!(page)))
    };
    door.asked(&LIST_MEMBERS, (&parts, Some(&organisation)), ask, act).await
}

/// What is listed is what may be seen; the question on record is about the first node where that is so.
async fn asked(
    entered: &Entered,
    view: &ActionId,
    query: Option<&str>,
) -> Result<(Questions, MembersBody), Problem> {
    let query = Query::read(query, KEYS)?;
    let filter = Filter::read(&query)?;
    let members = entered.members().await.map_err(|_| Problem::not_done())?;
    let root = entered.root().ok_or_else(Problem::not_done)?;
    let mut seen: HashMap<&EntityUid, bool> = HashMap::new();
    let sees_all = may_at(entered, view, root);
    let mut may_see = |node| {
        let asked = seen.len();
        *seen.entry(node).or_insert_with(|| asked < NODES_ASKED_MAX && may_at(entered, view, node))
    };
    let mut at = Some(root).filter(|_| sees_all);
    let mut visible: Vec<&Member> = Vec::new();
    for member in members.iter() {
        let node = member.roles.iter().map(|role| &role.on).find(|node| may_see(node));
        if sees_all || node.is_some() {
            at = at.or(node);
            visible.push(member);
        }
    }
    let mut page: Vec<&Member> =
        visible.into_iter().filter(|member| filter.takes(member)).collect();
    page.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    let limit = query.limit()?;
    let more = page.len() > limit;
    page.truncate(limit);
    let next = page.last().filter(|_| more).map(|member| member.id.to_string());
    let items = page.into_iter().map(MemberBody::of).collect();
    let questions = vec![(view.clone(), at.unwrap_or(root).clone())];
    Ok((questions, MembersBody { items, next }))
}

/// Which members are wanted.
struct Filter<'q> {
    after: Option<MemberId>,
    role: Option<&'q str>,
    on: Option<EntityUid>,
    status: Option<&'static str>,
    source: Option<&'static str>,
    search: Option<String>,
}

impl<'q> Filter<'q> {
    fn read(query: &'q Query) -> Result<Self, Problem> {
        let words = |words: &[&'static str]| words.iter().map(|word| (*word, *word)).collect();
        let states: Vec<_> = words(&["active", "invited", "disabled"]);
        let sources: Vec<_> = words(&["file", "api", "scim"]);
        let on = query.value("on").map(EntityUid::parse).transpose();
        let after = query.value("cursor").map(MemberId::parse).transpose();
        Ok(Self {
            after: after.map_err(|_| Problem::bad("`cursor` is `next` of the page before"))?,
            role: query.value("role"),
            on: on.map_err(|error| Problem::bad(format!("`on`: {error}")))?,
            status: query.one_of("status", &states)?,
            source: query.one_of("source", &sources)?,
            search: query.value("search").map(str::to_lowercase),
        })
    }

    fn takes(&self, member: &Member) -> bool {
        let found = |text: &str, part: &str| text.to_lowercase().contains(part);
        self.after.as_ref().is_none_or(|after| member.id > *after)
            && self.role.is_none_or(|role| member.roles.iter().any(|it| it.role == role))
            && self.on.as_ref().is_none_or(|on| member.roles.iter().any(|it| it.on == *on))
            && self.status.is_none_or(|wanted| status(member) == wanted)
            && self.source.is_none_or(|wanted| member.source.name() == wanted)
            && self.search.as_deref().is_none_or(|part| {
                found(member.id.as_str(), part)
                    || found(&member.name, part)
                    || member.email.as_deref().is_some_and(|email| found(email, part))
            })
    }
}
