//! What an organisation and the register of organisations must accept and refuse.

use std::sync::Arc;

use super::*;
use crate::model::{
    Connection, ConnectionId, ConnectionKey, EntityRecord, EntityUid, MemberId, PersonId,
    RoleAssignment, Secret, TenantId,
};

fn uid(text: &str) -> EntityUid {
    EntityUid::parse(text).unwrap()
}

fn record(name: &str, parents: &[&str]) -> EntityRecord {
    let parents = parents.iter().map(|parent| uid(parent)).collect();
    EntityRecord { uid: uid(name), parents, attributes: serde_json::Map::new() }
}

fn member(id: &str, subject: &str) -> Member {
    Member {
        id: MemberId::parse(id).unwrap(),
        name: id.to_owned(),
        email: None,
        identities: vec![Identity {
            connection: ConnectionId::parse("sso").unwrap(),
            subject: subject.to_owned(),
        }],
        roles: vec![RoleAssignment { role: "admin".to_owned(), on: uid("Operator::top") }],
        attributes: serde_json::Map::new(),
        disabled: false,
    }
}

fn connection(tenant: &str, domain: &str) -> Connection {
    Connection {
        key: ConnectionKey {
            tenant: TenantId::parse(tenant).unwrap(),
            id: ConnectionId::parse("sso").unwrap(),
        },
        display_name: "SSO".to_owned(),
        issuer: "https://id.example".to_owned(),
        client_id: "hubgate".to_owned(),
        client_secret: Secret::new("s3cret".to_owned()),
        scopes: Vec::new(),
        email_domains: vec![domain.to_owned()],
        ca_pem: None,
        enabled: true,
    }
}

fn data(tenant: &str) -> OrganisationData {
    OrganisationData {
        id: TenantId::parse(tenant).unwrap(),
        name: tenant.to_owned(),
        suspended: false,
        root: uid("Operator::top"),
        hosts: vec![format!("{tenant}.Example")],
        members: vec![member("ann", "1")],
        resources: vec![record("Operator::top", &[]), record("Operator::sub", &["Operator::top"])],
        connections: vec![connection(tenant, &format!("{tenant}.example"))],
        policies: Vec::new(),
    }
}

fn person(tenant: &str, issuer: &str, subject: &str) -> PersonId {
    PersonId {
        tenant: TenantId::parse(tenant).unwrap(),
        connection: ConnectionId::parse("sso").unwrap(),
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
    }
}

/// The faults after `change`, as text.
fn faults(change: impl FnOnce(&mut OrganisationData)) -> Vec<String> {
    let mut data = data("acme");
    change(&mut data);
    match Organisation::build(data) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_person_is_connection_issuer_and_subject_of_this_organisation() {
    let organisation = Organisation::build(data("acme")).unwrap();
    let known = person("acme", "https://id.example", "1");
    assert_eq!(organisation.member_of(&known).unwrap().id.as_str(), "ann");
    for other in [
        person("other", "https://id.example", "1"),
        person("acme", "https://id.example/", "1"),
        person("acme", "https://id.example", "2"),
    ] {
        assert!(organisation.member_of(&other).is_none(), "{other:?}");
    }
}

#[test]
fn a_disabled_member_is_nobody_but_can_be_looked_up() {
    let mut data = data("acme");
    data.members[0].disabled = true;
    let organisation = Organisation::build(data).unwrap();
    assert!(organisation.member_of(&person("acme", "https://id.example", "1")).is_none());
    assert!(organisation.member(&MemberId::parse("ann").unwrap()).is_some());
}

#[test]
fn accepts_the_plain_organisation() {
    assert_eq!(faults(|_| ()), [""; 0]);
}

#[test]
fn refuses_what_does_not_hang_together() {
    type Change = fn(&mut OrganisationData);
    let table: [(Change, &str); 10] = [
        (|d| d.root = uid("Operator::none"), "the root `Operator::none` is not among"),
        (|d| d.resources.push(record("Operator::sub", &[])), "`Operator::sub` is there twice"),
        (|d| d.resources.push(record("Team::t", &["Operator::x"])), "has the parent `Operator::x`"),
        (|d| d.resources[0].parents = vec![uid("Operator::sub")], "stands above itself"),
        (|d| d.members.push(member("ann", "2")), "the member `ann` is there twice"),
        (|d| d.members[0].roles[0].on = uid("Operator::x"), "on `Operator::x`, which does not"),
        (|d| d.connections.clear(), "by the connection `sso`, which does not exist"),
        (|d| d.members.push(member("bob", "1")), "`ann` and `bob` share the subject `1`"),
        (
            |d| d.connections.push(connection("acme", "x.example")),
            "connection `sso` is there twice",
        ),
        (|d| d.connections = vec![connection("other", "x.example")], "belongs to another"),
    ];
    for (change, wanted) in table {
        let found = faults(change);
        let all = found.iter().all(|fault| fault.contains(wanted));
        assert!(!found.is_empty() && all, "{wanted}: {found:?}");
    }
}

#[test]
fn an_entity_may_not_be_its_own_parent() {
    let found = faults(|d| d.resources[0].parents = vec![uid("Operator::top")]);
    assert!(found[0].contains("stands above itself"), "{found:?}");
}

#[test]
fn refuses_a_tree_of_more_than_sixteen_levels() {
    let chain = |levels: usize| {
        move |data: &mut OrganisationData| {
            data.resources.extend((0..levels).map(|n| {
                let parent = if n == 0 {
                    "Operator::top".to_owned()
                } else {
                    format!("Operator::{}", n - 1)
                };
                record(&format!("Operator::{n}"), &[&parent])
            }));
            // Deepest first: the answer must not depend on the order.
            data.resources.reverse();
        }
    };
    assert_eq!(faults(chain(16)), [""; 0]);
    let found = faults(chain(17));
    assert!(found[0].contains("`Operator::16` stands more than 16 levels"), "{found:?}");
}

#[test]
fn tells_every_fault_at_once() {
    let found = faults(|data| {
        data.root = uid("Operator::none");
        data.members[0].roles[0].on = uid("Operator::x");
        data.connections.clear();
    });
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn the_digest_follows_every_part_but_the_secret() {
    let digest = |change: &dyn Fn(&mut OrganisationData)| {
        let mut data = data("acme");
        change(&mut data);
        Organisation::build(data).unwrap().digest()
    };
    let plain = digest(&|_| ());
    assert_eq!(plain, digest(&|d| d.connections[0].client_secret = Secret::new("new".into())));
    let changes: [&dyn Fn(&mut OrganisationData); 6] = [
        &|d| d.suspended = true,
        &|d| d.members[0].disabled = true,
        &|d| d.members[0].roles.clear(),
        &|d| d.resources.push(record("Team::t", &["Operator::sub"])),
        &|d| d.connections[0].enabled = false,
        &|d| d.members[0].identities[0].subject = "11".into(),
    ];
    for (number, change) in changes.iter().enumerate() {
        assert_ne!(plain, digest(change), "change {number}");
    }
}

#[test]
fn a_principal_has_every_role_of_the_schema_and_no_other() {
    let roles = [
        RoleAssignment { role: "admin".into(), on: uid("Operator::sub") },
        RoleAssignment { role: "made_up".into(), on: uid("Operator::top") },
    ];
    let names = ["admin", "support_agent"];
    let entity = principal_entity(uid("User::ann"), &roles, names, serde_json::Map::new());
    let wanted = serde_json::json!({ "roles": {
        "admin": [{ "__entity": { "type": "Operator", "id": "sub" } }],
        "support_agent": [],
    }});
    assert_eq!(serde_json::Value::Object(entity.attributes), wanted);
}

#[test]
fn the_register_finds_by_id_host_and_domain() {
    let organisations = ["acme", "bolt"].map(|id| Arc::new(Organisation::build(data(id)).unwrap()));
    let directory = Directory::build(organisations.to_vec()).unwrap();
    let acme = TenantId::parse("acme").unwrap();
    assert_eq!(directory.organisation(&acme).unwrap().id(), &acme);
    assert_eq!(directory.organisation_for_host("acme.example").unwrap().id(), &acme);
    assert_eq!(directory.connection_for_domain("ACME.example").unwrap().key.tenant, acme);
    assert!(directory.connection_for_domain("sub.acme.example").is_none());
    assert!(directory.organisation_for_host("other.example").is_none());
}

#[test]
fn the_register_refuses_what_two_organisations_share() {
    let first = Arc::new(Organisation::build(data("acme")).unwrap());
    let mut second = data("bolt");
    second.hosts = vec!["acme.example".to_owned()];
    second.connections[0].email_domains = vec!["Acme.Example".to_owned()];
    let second = Arc::new(Organisation::build(second).unwrap());
    let errors = Directory::build(vec![Arc::clone(&first), second]).unwrap_err();
    assert_eq!(errors.len(), 2, "{errors:?}");
    let errors = Directory::build(vec![Arc::clone(&first), first]).unwrap_err();
    assert!(errors.iter().any(|e| matches!(e, RegisterError::DuplicateOrganisation(_))));
}
