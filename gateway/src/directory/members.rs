//! The members of one organisation, read when it is first asked about.

use std::collections::{HashMap, HashSet};

use super::member::{Identity, Member};
use super::organisation::{DirectoryError, Organisation};
use crate::model::{EntityUid, MemberId, PersonId, Source};

/// Most members of one organisation.
pub const MEMBERS_MAX: usize = 100_000;

/// The members of one organisation, checked. Never changes.
#[derive(Clone, Debug)]
pub struct Members {
    members: HashMap<MemberId, Member>,
    people: HashMap<PersonId, MemberId>,
}

impl Members {
    /// Checks the members of `organisation`, and that its root is a resource; `exists` says whether there is
    /// a resource of a name.
    ///
    /// # Errors
    /// Every [`DirectoryError`]: nothing of a faulty organisation is taken.
    pub fn build(
        organisation: &Organisation,
        given: Vec<Member>,
        exists: &dyn Fn(&EntityUid) -> bool,
    ) -> Result<Self, Vec<DirectoryError>> {
        let mut errors = Vec::new();
        if !exists(organisation.root()) {
            errors.push(DirectoryError::UnknownRoot(organisation.root().clone()));
        }
        let mut people = HashMap::new();
        let members = members(given, &mut errors);
        let mut sorted: Vec<&Member> = members.values().collect();
        sorted.sort_by(|a, b| a.id.cmp(&b.id));
        for member in sorted {
            check_roles(member, exists, &mut errors);
            add_people(organisation, member, &mut people, &mut errors);
        }
        if errors.is_empty() { Ok(Self { members, people }) } else { Err(errors) }
    }

    /// The same members and `managed` ones, which were checked when they were taken. What has changed since
    /// makes nobody unreadable: a member the files have too is the files' one, a subject somebody has already
    /// stays theirs, an identity at a connection that is gone is none, and a role on a node that is gone reaches
    /// nothing.
    #[must_use]
    pub fn with_managed(mut self, organisation: &Organisation, managed: Vec<Member>) -> Self {
        for member in managed {
            if self.members.len() >= MEMBERS_MAX || self.members.contains_key(&member.id) {
                tracing::warn!(tenant = %organisation.id(), member = %member.id, "a managed member is left out");
                continue;
            }
            for identity in &member.identities {
                let Some(person) = person(organisation, identity) else { continue };
                self.people.entry(person).or_insert_with(|| member.id.clone());
            }
            self.members.insert(member.id.clone(), member);
        }
        self
    }

    /// The same members, with `provisioned` in the place of those that an identity provider keeps.
    #[must_use]
    pub fn with_provisioned(&self, organisation: &Organisation, provisioned: Vec<Member>) -> Self {
        let mut members = self.clone();
        let gone = |member: &Member| member.source == Source::Scim;
        members.people.retain(|_, holder| members.members.get(holder).is_some_and(|it| !gone(it)));
        members.members.retain(|_, member| !gone(member));
        members.with_managed(organisation, provisioned)
    }

    /// The same members but for one, who is `changed`, or gone.
    #[must_use]
    pub fn but(
        &self,
        organisation: &Organisation,
        id: &MemberId,
        changed: Option<&Member>,
    ) -> Self {
        let mut members = self.clone();
        members.members.remove(id);
        members.people.retain(|_, holder| holder != id);
        members.with_managed(organisation, changed.cloned().into_iter().collect())
    }

    /// Whose identity it is, disabled or not.
    pub fn holder(&self, person: &PersonId) -> Option<&MemberId> {
        self.people.get(person)
    }

    /// The member with this id, disabled or not.
    pub fn member(&self, id: &MemberId) -> Option<&Member> {
        self.members.get(id)
    }

    /// All members, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// How many there are, disabled ones included.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The member a person is. Disabled members are nobody.
    pub fn member_of(&self, person: &PersonId) -> Option<&Member> {
        self.members.get(self.people.get(person)?).filter(|member| !member.disabled)
    }
}

fn members(given: Vec<Member>, errors: &mut Vec<DirectoryError>) -> HashMap<MemberId, Member> {
    if given.len() > MEMBERS_MAX {
        errors.push(DirectoryError::TooManyMembers(given.len()));
        return HashMap::new();
    }
    let mut members = HashMap::with_capacity(given.len());
    let mut seen = HashSet::new();
    for member in given {
        if !seen.insert(member.id.clone()) {
            errors.push(DirectoryError::DuplicateMember(member.id.clone()));
        }
        members.insert(member.id.clone(), member);
    }
    members
}

fn check_roles(
    member: &Member,
    exists: &dyn Fn(&EntityUid) -> bool,
    errors: &mut Vec<DirectoryError>,
) {
    for role in member.roles.iter().filter(|role| !exists(&role.on)) {
        errors.push(DirectoryError::UnknownNode {
            member: member.id.clone(),
            role: role.role.clone(),
            on: role.on.clone(),
        });
    }
}

/// The person an identity is; nobody, where the organisation has no such connection.
pub fn person(organisation: &Organisation, identity: &Identity) -> Option<PersonId> {
    let connection = organisation.connection(&identity.connection)?;
    Some(PersonId {
        tenant: organisation.id().clone(),
        connection: identity.connection.clone(),
        issuer: connection.issuer.clone(),
        subject: identity.subject.clone(),
    })
}

fn add_people(
    organisation: &Organisation,
    member: &Member,
    people: &mut HashMap<PersonId, MemberId>,
    errors: &mut Vec<DirectoryError>,
) {
    for identity in &member.identities {
        let Some(person) = person(organisation, identity) else {
            errors.push(DirectoryError::UnknownConnection {
                member: member.id.clone(),
                connection: identity.connection.clone(),
            });
            continue;
        };
        if let Some(first) = people.insert(person, member.id.clone()) {
            errors.push(DirectoryError::SharedIdentity {
                first,
                second: member.id.clone(),
                connection: identity.connection.clone(),
                subject: identity.subject.clone(),
            });
        }
    }
}
