//! A group: how it is shown, and what comes of the provider's changes to it.

use std::collections::BTreeSet;

use async_trait::async_trait;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::user::document;
use super::{BASE, GROUP_NAME, GROUPS_MAX, named, settings};
use crate::admin::change::{Answer, Change, EventDraft, Plan, takes_match};
use crate::admin::diff::etag;
use crate::admin::event::timestamp;
use crate::admin::guard::Guarded;
use crate::admin::problem::Problem;
use crate::audit::{EventAction, Item};
use crate::model::MemberId;
use crate::pipeline::Ground;
use crate::scim::{self, Document, MEMBERS_MAX, Projection, ReadOnly, ScimError};
use crate::store::{Kind, ObjectWrite, StoredGroup, StoredUser, index_id, membership_id};

/// Most people who join or leave a group with one change: two writes each are one batch of the store.
const MOVED_MAX: usize = 4_000;

/// A group with who is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peopled {
    pub(super) group: StoredGroup,
    pub(super) members: BTreeSet<MemberId>,
}

/// Names the present state of a group.
fn version(stored: &StoredGroup) -> Value {
    json!([stored.document, stored.changed])
}

/// Where a group is.
fn place(id: &str) -> String {
    format!("{BASE}/Groups/{id}")
}

/// A group as it is answered; without `members` it is said of nobody that they are in it.
pub(super) fn shown(
    stored: &StoredGroup,
    members: Option<&BTreeSet<MemberId>>,
    projection: &Projection,
) -> Result<Value, Problem> {
    let (location, tag) = (place(&stored.id), etag(&version(stored)));
    let mut whole = document(&stored.document, scim::Kind::Group)?.with_read_only(&ReadOnly {
        id: &stored.id,
        created: &timestamp(stored.created),
        last_modified: &timestamp(stored.changed),
        location: &location,
        version: &tag,
        groups: &[],
    });
    let member = |id: &MemberId| {
        let place = format!("{BASE}/Users/{id}");
        json!({ "value": id, "$ref": place, "type": "User" })
    };
    let members: Vec<Value> = members.into_iter().flatten().map(member).collect();
    if let Some(whole) = whole.as_object_mut()
        && !members.is_empty()
    {
        whole.insert("members".to_owned(), members.into());
    }
    Ok(projection.apply(scim::Kind::Group, whole))
}

/// A group of the path.
pub(super) async fn found(guarded: &Guarded<'_>, id: &str) -> Result<StoredGroup, Problem> {
    // An id that no key can have is nobody's.
    let id = MemberId::parse(id).map_err(|_| Problem::not_found())?;
    let (objects, tenant) = (guarded.desk.objects(), guarded.admitted.tenant());
    let found = objects.find(tenant, Kind::ScimGroup, id.as_str()).await?;
    found.ok_or_else(Problem::not_found)
}

/// Who is in a group.
pub(super) async fn people(guarded: &Guarded<'_>, id: &str) -> Result<BTreeSet<MemberId>, Problem> {
    let (objects, tenant) = (guarded.desk.objects(), guarded.admitted.tenant());
    Ok(objects.in_group(tenant, id, MEMBERS_MAX).await?.into_iter().collect())
}

/// What shall become of a group.
#[derive(Debug)]
pub(super) enum GroupChange {
    Create { id: MemberId, document: Document },
    Replace { id: String, document: Document },
    Patch { id: String, body: Value },
    Delete { id: String },
}

/// A group's change, and what of it is answered.
pub(super) struct GroupWrite {
    pub(super) change: GroupChange,
    pub(super) projection: Projection,
}

#[async_trait]
impl Change for GroupWrite {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        settings(guarded).await?;
        let before = match &self.change {
            GroupChange::Create { .. } => None,
            GroupChange::Replace { id, .. }
            | GroupChange::Patch { id, .. }
            | GroupChange::Delete { id } => {
                let (group, members) = (found(guarded, id).await?, people(guarded, id).await?);
                takes_match(guarded.headers, &version(&group))?;
                Some(Peopled { group, members })
            }
        };
        let after = self.after(guarded, before.as_ref())?;
        if let Some(after) = &after {
            is_free(guarded, after, before.is_none()).await?;
        }
        self.planned(guarded, ground, (before, after)).await
    }
}

impl GroupWrite {
    /// The group after the change; nothing, where it goes.
    fn after(
        &self,
        guarded: &Guarded<'_>,
        before: Option<&Peopled>,
    ) -> Result<Option<Peopled>, Problem> {
        let now = guarded.desk.now();
        Ok(match (&self.change, before) {
            (GroupChange::Create { id, document }, _) => {
                let (kept, members) = parted(document.clone())?;
                let id = id.to_string();
                let group = StoredGroup { id, document: kept, created: now, changed: now };
                Some(Peopled { group, members })
            }
            (GroupChange::Replace { document, .. }, Some(before)) => {
                Some(changed(before, parted(document.clone())?, now))
            }
            (GroupChange::Patch { body, .. }, Some(before)) => {
                let mut whole = before.group.document.clone();
                let member = |id: &MemberId| json!({ "value": id });
                let members: Vec<Value> = before.members.iter().map(member).collect();
                whole.insert("members".to_owned(), members.into());
                let whole = document(&whole, scim::Kind::Group)?;
                let after = scim::patch(scim::Kind::Group, &whole, body)?;
                Some(changed(before, parted(after)?, now))
            }
            _ => None,
        })
    }

    async fn planned(
        &self,
        guarded: &Guarded<'_>,
        ground: &Ground<'_>,
        (before, after): (Option<Peopled>, Option<Peopled>),
    ) -> Result<Plan, Problem> {
        let answer = match &after {
            None => Answer::empty(),
            Some(after) => {
                let status = if before.is_none() { StatusCode::CREATED } else { StatusCode::OK };
                let told = shown(&after.group, Some(&after.members), &self.projection)?;
                let mut answer = Answer::item(status, told);
                answer.location = Some(place(&after.group.id));
                answer.tag = Some(etag(&version(&after.group)));
                answer
            }
        };
        if before == after {
            return Ok(Plan::nothing(answer));
        }
        let Some(told) = after.as_ref().or(before.as_ref()) else {
            return Err(Problem::not_found());
        };
        let all = |it: &Peopled| shown(&it.group, Some(&it.members), &Projection::Whole);
        let event = EventDraft {
            action: match (&before, &after) {
                (None, _) => EventAction::Created,
                (Some(_), None) => EventAction::Deleted,
                (Some(_), Some(_)) => EventAction::Updated,
            },
            item: item(&told.group),
            parent: ground.organisation().map(|it| it.root().clone()),
            before: before.as_ref().map(all).transpose()?,
            after: after.as_ref().map(all).transpose()?,
        };
        let mut plan = Plan::nothing(answer);
        plan.events.push(event);
        plan.objects = writes(before.as_ref(), after.as_ref())?;
        plan.objects.extend(moved(guarded, (before.as_ref(), after.as_ref())).await?);
        Ok(plan)
    }
}

/// What is kept with a group, and who is in it.
fn parted(document: Document) -> Result<(Map<String, Value>, BTreeSet<MemberId>), Problem> {
    let mut members = BTreeSet::new();
    for id in document.members() {
        members.insert(MemberId::parse(id).map_err(|_| nobody(id))?);
    }
    let Value::Object(mut kept) = document.into_value() else { return Err(Problem::not_done()) };
    kept.remove("members");
    Ok((kept, members))
}

fn nobody(id: &str) -> Problem {
    let id: String = id.chars().take(64).collect();
    ScimError::invalid_value(format!("there is no user `{id}`")).into()
}

fn changed(
    before: &Peopled,
    (document, members): (Map<String, Value>, BTreeSet<MemberId>),
    now: crate::model::UnixNanos,
) -> Peopled {
    let same = document == before.group.document && members == before.members;
    let changed = if same { before.group.changed } else { now };
    Peopled { group: StoredGroup { document, changed, ..before.group.clone() }, members }
}

/// The name that finds a group.
fn name(group: &StoredGroup) -> Option<String> {
    let name = group.document.get("displayName").and_then(Value::as_str);
    name.map(str::to_lowercase)
}

/// Refuses a group that goes by another one's name: what that one is given would be given to this one.
async fn is_free(guarded: &Guarded<'_>, after: &Peopled, is_new: bool) -> Result<(), Problem> {
    if let Some(name) = name(&after.group) {
        let holder = named(guarded, GROUP_NAME, &name).await?;
        if holder.is_some_and(|holder| holder != after.group.id) {
            return Err(ScimError::uniqueness("another group has this `displayName`").into());
        }
    }
    let groups = super::all_groups(guarded).await?;
    // Roles are settled by either name, so neither may be either of another group.
    let text = |group: &StoredGroup, key: &str| {
        group.document.get(key).and_then(Value::as_str).map(str::to_owned)
    };
    let names = |group: &StoredGroup| [text(group, "displayName"), text(group, "externalId")];
    let own: Vec<String> = names(&after.group).into_iter().flatten().collect();
    let mut others = groups.values().filter(|group| group.id != after.group.id);
    if others.any(|group| names(group).iter().flatten().any(|name| own.contains(name))) {
        let detail = "another group goes by this `displayName` or `externalId`";
        return Err(ScimError::uniqueness(detail).into());
    }
    if is_new && groups.len() >= GROUPS_MAX {
        let detail = format!("an organisation has at most {GROUPS_MAX} groups");
        return Err(ScimError::plain(409, detail).into());
    }
    Ok(())
}

/// The writes that make the group `after` of the group `before`, but for who is in it.
fn writes(before: Option<&Peopled>, after: Option<&Peopled>) -> Result<Vec<ObjectWrite>, Problem> {
    let mut objects = Vec::new();
    let (old, new) = (before.and_then(|it| name(&it.group)), after.and_then(|it| name(&it.group)));
    if old != new {
        let place = |name: String| index_id(GROUP_NAME, &name);
        objects.extend(old.map(|it| ObjectWrite::gone(Kind::ScimName, &place(it)).beside()));
        if let (Some(name), Some(after)) = (new, after) {
            let found = ObjectWrite::put(Kind::ScimName, &place(name), &after.group.id)?;
            objects.push(found.beside());
        }
    }
    objects.push(match (before, after) {
        (_, Some(after)) => ObjectWrite::put(Kind::ScimGroup, &after.group.id, &after.group)?,
        (Some(before), None) => ObjectWrite::gone(Kind::ScimGroup, &before.group.id),
        (None, None) => return Err(Problem::not_found()),
    });
    Ok(objects)
}

/// The writes for everybody who joins the group or leaves it.
async fn moved(
    guarded: &Guarded<'_>,
    (before, after): (Option<&Peopled>, Option<&Peopled>),
) -> Result<Vec<ObjectWrite>, Problem> {
    let nobody_there = BTreeSet::new();
    let members = |it: Option<&Peopled>| it.map_or(&nobody_there, |it| &it.members).clone();
    let (old, new) = (members(before), members(after));
    let Some(group) = after.or(before).map(|it| it.group.id.clone()) else {
        return Ok(Vec::new());
    };
    let mut moved: Vec<&MemberId> = old.symmetric_difference(&new).collect();
    if after.is_none() {
        // A group that is gone gives nothing, whoever still names it; its id is never given again.
        moved.truncate(MOVED_MAX);
    }
    if moved.len() > MOVED_MAX {
        let detail = format!("at most {MOVED_MAX} people join or leave a group at once");
        return Err(ScimError::too_large(detail).into());
    }
    let (objects, tenant) = (guarded.desk.objects(), guarded.admitted.tenant());
    let mut writes = Vec::with_capacity(moved.len() * 2);
    for id in moved {
        let user: Option<StoredUser> = objects.find(tenant, Kind::ScimUser, id.as_str()).await?;
        let joins = new.contains(id);
        let Some(mut user) = user else {
            if joins {
                return Err(nobody(id.as_str()));
            }
            continue;
        };
        let place = membership_id(&group, id);
        writes.push(if joins {
            user.groups.insert(group.clone());
            ObjectWrite::put(Kind::ScimMembership, &place, &true)?.beside()
        } else {
            user.groups.remove(&group);
            ObjectWrite::gone(Kind::ScimMembership, &place).beside()
        });
        writes.push(ObjectWrite::put(Kind::ScimUser, id.as_str(), &user)?);
    }
    Ok(writes)
}

/// A group, as events tell of it.
fn item(stored: &StoredGroup) -> Item {
    let name = stored.document.get("displayName").and_then(Value::as_str).unwrap_or_default();
    Item { kind: "group".to_owned(), id: stored.id.clone(), name: name.to_owned() }
}
