//! What an organisation and the register of organisations must accept and refuse.

use std::sync::Arc;

use super::*;
use crate::model::{
    Connection, ConnectionId, ConnectionKey, EntityUid, MemberId, PersonId, RoleAssignment, Secret,
    TenantId,
};

fn uid(text: &str) -> EntityUid {
    EntityUid::parse(text).unwrap()
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
        source: crate::model::Source::File,
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
        by_platform: true,
    }
}

fn data(tenant: &str) -> OrganisationData {
    OrganisationData {
        id: TenantId::parse(tenant).unwrap(),
        name: tenant.to_owned(),
        suspended: false,
        root: uid("Operator::top"),
        hosts: vec![format!("{tenant}.Example")],
        connections: vec![connection(tenant, &format!("{tenant}.example"))],
        policies: Vec::new(),
        digest: [0; 32],
        created: None,
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

/// The organisation and its members after `change`; its resources are `Operator::top` and `Operator::sub`.
fn build(
    change: impl FnOnce(&mut OrganisationData, &mut Vec<Member>),
) -> Result<(Organisation, Members), Vec<DirectoryError>> {
    let (mut data, mut given) = (data("acme"), vec![member("ann", "1")]);
    change(&mut data, &mut given);
    let organisation = Organisation::build(data)?;
    let exists =
        |name: &EntityUid| ["top", "sub"].contains(&name.id()) && name.kind() == "Operator";
    let members = Members::build(&organisation, given, &exists)?;
    Ok((organisation, members))
}

/// The faults after `change`, as text.
fn faults(change: impl FnOnce(&mut OrganisationData, &mut Vec<Member>)) -> Vec<String> {
    build(change)
        .map_or_else(|errors| errors.iter().map(ToString::to_string).collect(), |_| Vec::new())
}

#[test]
fn a_person_is_connection_issuer_and_subject_of_this_organisation() {
    let (_, members) = build(|_, _| ()).unwrap();
    let known = person("acme", "https://id.example", "1");
    assert_eq!(members.member_of(&known).unwrap().id.as_str(), "ann");
    for other in [
        person("other", "https://id.example", "1"),
        person("acme", "https://id.example/", "1"),
        person("acme", "https://id.example", "2"),
    ] {
        assert!(members.member_of(&other).is_none(), "{other:?}");
    }
}

#[test]
fn a_disabled_member_is_nobody_but_can_be_looked_up() {
    let (_, members) = build(|_, members| members[0].disabled = true).unwrap();
    assert!(members.member_of(&person("acme", "https://id.example", "1")).is_none());
    assert!(members.member(&MemberId::parse("ann").unwrap()).is_some());
}

#[test]
fn accepts_the_plain_organisation() {
    assert_eq!(faults(|_, _| ()), [""; 0]);
}

#[test]
fn refuses_what_does_not_hang_together() {
    type Change = fn(&mut OrganisationData, &mut Vec<Member>);
    let table: [(Change, &str); 7] = [
        (|d, _| d.root = uid("Operator::none"), "the root `Operator::none` is not among"),
        (|_, m| m.push(member("ann", "2")), "the member `ann` is there twice"),
        (|_, m| m[0].roles[0].on = uid("Operator::x"), "on `Operator::x`, which does not"),
        (|d, _| d.connections.clear(), "by the connection `sso`, which does not exist"),
        (|_, m| m.push(member("bob", "1")), "`ann` and `bob` share the subject `1`"),
        (
            |d, _| d.connections.push(connection("acme", "x.example")),
            "connection `sso` is there twice",
        ),
        (|d, _| d.connections = vec![connection("other", "x.example")], "belongs to another"),
    ];
    for (change, wanted) in table {
        let found = faults(change);
        let all = found.iter().all(|fault| fault.contains(wanted));
        assert!(!found.is_empty() && all, "{wanted}: {found:?}");
    }
}

#[test]
fn tells_every_fault_at_once() {
    let found = faults(|data, members| {
        data.root = uid("Operator::none");
        members[0].roles[0].on = uid("Operator::x");
        data.connections.clear();
    });
    assert_eq!(found.len(), 3, "{found:?}");
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
