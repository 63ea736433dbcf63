//! A user: how it is shown, and what comes of the provider's changes to it.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{BASE, USER_EXTERNAL, USER_NAME, named, settings};
use crate::admin::change::{Answer, Change, EventDraft, Plan, takes_match};
use crate::admin::diff::etag;
use crate::admin::end_sessions::end_where;
use crate::admin::event::timestamp;
use crate::admin::guard::Guarded;
use crate::admin::problem::Problem;
use crate::audit::{EventAction, Item};
use crate::directory::{Identity, MEMBERS_MAX, Members, person};
use crate::model::MemberId;
use crate::pipeline::Ground;
use crate::scim::{self, Document, GroupReference, Projection, ReadOnly, ScimError};
use crate::store::{
    Kind, ObjectWrite, Provisioning, SessionNote, StoredGroup, StoredUser, index_id, membership_id,
};

/// The document of what is kept.
pub(super) fn document(kept: &Map<String, Value>, kind: scim::Kind) -> Result<Document, Problem> {
    // What was kept was read before.
    Ok(Document::read(kind, &Value::Object(kept.clone()))?)
}

/// Names the present state of a user.
fn version(stored: &StoredUser) -> Value {
    json!([stored.document, stored.groups, stored.changed])
}

/// Where a user is.
fn place(id: &MemberId) -> String {
    format!("{BASE}/Users/{id}")
}

/// A user as it is answered; `groups` are those there are.
pub(super) fn shown(
    stored: &StoredUser,
    groups: &BTreeMap<String, StoredGroup>,
    projection: &Projection,
) -> Result<Value, Problem> {
    let reference = |id: &String| {
        let name = groups.get(id)?.document.get("displayName")?.as_str()?;
        let (id, display_name) = (id.clone(), name.to_owned());
        Some(GroupReference { location: format!("{BASE}/Groups/{id}"), id, display_name })
    };
    let groups: Vec<GroupReference> = stored.groups.iter().filter_map(reference).collect();
    let (location, tag) = (place(&stored.id), etag(&version(stored)));
    let whole = document(&stored.document, scim::Kind::User)?.with_read_only(&ReadOnly {
        id: stored.id.as_str(),
        created: &timestamp(stored.created),
        last_modified: &timestamp(stored.changed),
        location: &location,
        version: &tag,
        groups: &groups,
    });
    Ok(projection.apply(scim::Kind::User, whole))
}

/// A user of the path.
pub(super) async fn found(guarded: &Guarded<'_>, id: &str) -> Result<StoredUser, Problem> {
    let id = MemberId::parse(id).map_err(|_| Problem::not_found())?;
    let (objects, tenant) = (guarded.desk.objects(), guarded.admitted.tenant());
    let found = objects.find(tenant, Kind::ScimUser, id.as_str()).await?;
    found.ok_or_else(Problem::not_found)
}

/// What shall become of a user.
#[derive(Debug)]
pub(super) enum UserChange {
    Create { id: MemberId, document: Document },
    Replace { id: String, document: Document },
    Patch { id: String, body: Value },
    Delete { id: String },
}

/// A user's change, and what of it is answered.
pub(super) struct UserWrite {
    pub(super) change: UserChange,
    pub(super) projection: Projection,
}

#[async_trait]
impl Change for UserWrite {
    async fn plan(&self, guarded: &Guarded<'_>, ground: &Ground<'_>) -> Result<Plan, Problem> {
        let settings = settings(guarded).await?;
        let members = ground.members().await.map_err(|_| Problem::not_done())?;
        let before = match &self.change {
            UserChange::Create { .. } => None,
            UserChange::Replace { id, .. }
            | UserChange::Patch { id, .. }
            | UserChange::Delete { id } => Some(found(guarded, id).await?),
        };
        if let Some(before) = &before {
            takes_match(guarded.headers, &version(before))?;
        }
        let after = self.after(guarded, before.as_ref())?;
        if let Some(after) = &after {
            is_free(guarded, ground, (after, &settings, &members)).await?;
            if before.is_none() && members.len() >= MEMBERS_MAX {
                let detail = format!("an organisation has at most {MEMBERS_MAX} members");
                return Err(ScimError::plain(409, detail).into());
            }
        }
        self.planned(guarded, ground, (&settings, before, after)).await
    }
}

impl UserWrite {
    /// The user after the change; nothing, where it goes.
    fn after(
        &self,
        guarded: &Guarded<'_>,
        before: Option<&StoredUser>,
    ) -> Result<Option<StoredUser>, Problem> {
        let now = guarded.desk.now();
        let kept = |document: Document| match document.into_value() {
            Value::Object(kept) => kept,
            _ => Map::new(),
        };
        Ok(match (&self.change, before) {
            (UserChange::Create { id, document }, _) => Some(StoredUser {
                id: id.clone(),
                document: kept(document.clone()),
                groups: BTreeSet::new(),
                created: now,
                changed: now,
            }),
            (UserChange::Replace { document, .. }, Some(before)) => {
                let mut after = kept(document.clone());
                // Whoever was switched off stays so until the provider says otherwise in so many words.
                if let (None, Some(active)) = (after.get("active"), before.document.get("active")) {
                    after.insert("active".to_owned(), active.clone());
                }
                Some(changed(before, after, now))
            }
            (UserChange::Patch { body, .. }, Some(before)) => {
                let whole = document(&before.document, scim::Kind::User)?;
                let after = scim::patch(scim::Kind::User, &whole, body)?;
                Some(changed(before, kept(after), now))
            }
            _ => None,
        })
    }

    async fn planned(
        &self,
        guarded: &Guarded<'_>,
        ground: &Ground<'_>,
        (settings, before, after): (&Provisioning, Option<StoredUser>, Option<StoredUser>),
    ) -> Result<Plan, Problem> {
        let answer = match &after {
            None => Answer::empty(),
            Some(after) => {
                let groups = super::all_groups(guarded).await?;
                let status = if before.is_none() { StatusCode::CREATED } else { StatusCode::OK };
                let mut answer = Answer::item(status, shown(after, &groups, &self.projection)?);
                answer.location = Some(place(&after.id));
                answer.tag = Some(etag(&version(after)));
                answer
            }
        };
        if before == after {
            return Ok(Plan::nothing(answer));
        }
        let Some(told) = after.as_ref().or(before.as_ref()) else {
            return Err(Problem::not_found());
        };
        let event = EventDraft {
            action: match (&before, &after) {
                (None, _) => EventAction::Created,
                (Some(_), None) => EventAction::Deleted,
                (Some(_), Some(_)) => EventAction::Updated,
            },
            item: item(told)?,
            parent: ground.organisation().map(|it| it.root().clone()),
            before: before.as_ref().map(|it| Value::Object(it.document.clone())),
            after: after.as_ref().map(|it| Value::Object(it.document.clone())),
        };
        let mut plan = Plan::nothing(answer);
        plan.events.push(event);
        plan.objects = writes(before.as_ref(), after.as_ref())?;
        if let Some(before) = &before
            && must_leave(settings, before, after.as_ref())
        {
            // Should they be let in again, they sign in again.
            let (connection, subject) = (&settings.connection, before.subject(settings.subject));
            let theirs = |note: &SessionNote| {
                note.person.connection == *connection && Some(&*note.person.subject) == subject
            };
            end_where(guarded, ground, &theirs, &mut plan).await?;
        }
        Ok(plan)
    }
}

/// A user that another document says something else of; when it is the same, nothing changed.
fn changed(
    before: &StoredUser,
    document: Map<String, Value>,
    now: crate::model::UnixNanos,
) -> StoredUser {
    let changed = if document == before.document { before.changed } else { now };
    StoredUser { document, changed, ..before.clone() }
}

/// Whether somebody who may be signed in may not stay so.
fn must_leave(settings: &Provisioning, before: &StoredUser, after: Option<&StoredUser>) -> bool {
    let is_off = |user: &StoredUser| user.document.get("active") == Some(&Value::Bool(false));
    after.is_none_or(|after| {
        (is_off(after) && !is_off(before))
            || after.subject(settings.subject) != before.subject(settings.subject)
    })
}

/// The names that find a user. They are compared as RFC 7643 §4.1 says: `userName` in any case.
fn names(user: &StoredUser) -> Vec<(&'static str, String)> {
    let text = |key: &str| user.document.get(key).and_then(Value::as_str);
    let name = text("userName").map(|name| (USER_NAME, name.to_lowercase()));
    let external = text("externalId").map(|name| (USER_EXTERNAL, name.to_owned()));
    name.into_iter().chain(external).collect()
}

/// Refuses a user whose names, or whose subject, are somebody else's.
async fn is_free(
    guarded: &Guarded<'_>,
    ground: &Ground<'_>,
    (after, settings, members): (&StoredUser, &Provisioning, &Members),
) -> Result<(), Problem> {
    for (what, name) in names(after) {
        let holder = named(guarded, what, &name).await?;
        if holder.is_some_and(|holder| holder != after.id.as_str()) {
            let which = if what == USER_NAME { "userName" } else { "externalId" };
            let detail = format!("another user has this `{which}`");
            return Err(ScimError::uniqueness(detail).into());
        }
    }
    let Some(subject) = after.subject(settings.subject) else { return Ok(()) };
    let identity =
        Identity { connection: settings.connection.clone(), subject: subject.to_owned() };
    let person = ground.organisation().and_then(|it| person(it, &identity));
    let holder = person.and_then(|person| members.holder(&person).cloned());
    if let Some(holder) = holder.filter(|holder| *holder != after.id) {
        let detail = format!("the member `{holder}` signs in as this, and is kept elsewhere");
        return Err(ScimError::uniqueness(detail).into());
    }
    Ok(())
}

/// The writes that make `after` of `before`.
fn writes(
    before: Option<&StoredUser>,
    after: Option<&StoredUser>,
) -> Result<Vec<ObjectWrite>, Problem> {
    let mut objects = Vec::new();
    let (old, new) = (before.map(names).unwrap_or_default(), after.map(names).unwrap_or_default());
    for (what, name) in old.iter().filter(|name| !new.contains(name)) {
        objects.push(ObjectWrite::gone(Kind::ScimName, &index_id(what, name)).beside());
    }
    match (before, after) {
        (_, Some(after)) => {
            for (what, name) in new.iter().filter(|name| !old.contains(name)) {
                let place = index_id(what, name);
                objects.push(ObjectWrite::put(Kind::ScimName, &place, &after.id)?.beside());
            }
            objects.push(ObjectWrite::put(Kind::ScimUser, after.id.as_str(), after)?);
        }
        (Some(before), None) => {
            let left = before.groups.iter().map(|group| membership_id(group, &before.id));
            let left = left.map(|id| ObjectWrite::gone(Kind::ScimMembership, &id).beside());
            objects.extend(left);
            objects.push(ObjectWrite::gone(Kind::ScimUser, before.id.as_str()));
        }
        (None, None) => {}
    }
    Ok(objects)
}

/// A user, as events tell of it.
fn item(stored: &StoredUser) -> Result<Item, Problem> {
    let name = document(&stored.document, scim::Kind::User)?.display_name();
    Ok(Item { kind: "member".to_owned(), id: stored.id.to_string(), name })
}
