//! Whole conversations as Entra ID and Okta lead them: what they send, and what is kept then.

use crate::scim::Document;
use crate::scim::Filter;
use crate::scim::Kind;
use crate::scim::patch;
use serde_json::{Value, json};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

fn read(kind: Kind, body: &Value) -> Document {
    Document::read(kind, body).unwrap()
}

#[track_caller]
fn patched(document: &Document, operations: &Value) -> Document {
    let body = json!({"schemas": [PATCH], "Operations": operations});
    patch(document.kind(), document, &body).unwrap_or_else(|error| panic!("{error}"))
}

fn at<'a>(document: &'a Document, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let mut value = document.attributes().get(*first)?;
    for step in rest {
        value = match step.parse::<usize>() {
            Ok(index) => value.get(index)?,
            Err(_) => value.get(step)?,
        };
    }
    Some(value)
}

fn entra_user() -> Document {
    read(
        Kind::User,
        &json!({
            "schemas": [USER, ENTERPRISE],
            "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
            "userName": "Test_User_ab6490ee@example.com",
            "active": true,
            "addresses": [{"primary": false, "type": "work", "country": "GB", "postalCode": "W1"}],
            "displayName": "Test User",
            "emails": [{"primary": true, "type": "work", "value": "test@example.com"}],
            "meta": {"resourceType": "User"},
            "name": {"formatted": "Test User", "familyName": "User", "givenName": "Test"},
            "phoneNumbers": [{"type": "work", "value": "+44 1"}],
            "roles": [],
            "title": "Engineer",
            ENTERPRISE: {"employeeNumber": "701984", "department": "Tour Operations"},
        }),
    )
}

fn entra_group() -> Document {
    read(
        Kind::Group,
        &json!({
            "schemas": [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
            "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159",
            "displayName": "displayName",
            "meta": {"resourceType": "Group"},
        }),
    )
}

fn okta_user(active: bool) -> Value {
    json!({
        "schemas": [USER],
        "id": "23a35c27-23d3-4c03-b4c5-6443c09e7173",
        "userName": "test.user@okta.local",
        "name": {"givenName": "Test", "middleName": "", "familyName": "User"},
        "emails": [{"primary": true, "value": "test.user@okta.local", "type": "work"}],
        "displayName": "Test User",
        "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [],
        "password": "1mz050nq",
        "active": active,
        "meta": {"resourceType": "User"},
    })
}

#[test]
fn entra_looks_a_user_up_and_makes_it() {
    let filter = Filter::parse("userName eq \"test_user_AB6490ee@example.com\"").unwrap();
    let user = entra_user();
    assert!(filter.matches(&user.clone().into_value()));
    assert_eq!(filter.equality(), Some(("userName", "test_user_AB6490ee@example.com")));
    assert_eq!(user.user_name(), Some("Test_User_ab6490ee@example.com"));
    assert_eq!(user.external_id(), Some("0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef"));
    assert_eq!(user.primary_email(), Some("test@example.com"));
    assert_eq!(user.display_name(), "Test User");
    assert!(user.active());
    assert!(at(&user, &["roles"]).is_none());
}

#[test]
fn entra_changes_attributes_one_by_one() {
    let user = patched(
        &entra_user(),
        &json!([
            {"op": "Replace", "path": "displayName", "value": "New Name"},
            {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "new@example.com"},
            {"op": "Replace", "path": "name.familyName", "value": "Name"},
            {"op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+44 2"},
            {"op": "Add", "path": "addresses[type eq \"work\"].streetAddress", "value": "1 High St"},
            {"op": "Add", "path": format!("{ENTERPRISE}:department"), "value": "Sales"},
            {"op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": "26118915"},
            {"op": "Remove", "path": "title"},
            {"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "{\"id\":1}"},
        ]),
    );
    assert_eq!(user.display_name(), "New Name");
    assert_eq!(user.primary_email(), Some("new@example.com"));
    assert_eq!(at(&user, &["name", "familyName"]), Some(&json!("Name")));
    assert_eq!(at(&user, &["phoneNumbers", "1", "value"]), Some(&json!("+44 2")));
    assert_eq!(at(&user, &["addresses", "0", "streetAddress"]), Some(&json!("1 High St")));
    assert_eq!(at(&user, &["addresses", "0", "country"]), Some(&json!("GB")));
    assert_eq!(at(&user, &[ENTERPRISE, "department"]), Some(&json!("Sales")));
    assert_eq!(at(&user, &[ENTERPRISE, "employeeNumber"]), Some(&json!("701984")));
    assert_eq!(at(&user, &[ENTERPRISE, "manager"]), Some(&json!({"value": "26118915"})));
    assert_eq!(at(&user, &["title"]), None);
}

#[test]
fn entra_changes_attributes_in_one_object() {
    let user = patched(
        &entra_user(),
        &json!([{
            "op": "Add",
            "value": {
                "displayName": "New Name",
                "name.givenName": "New",
                "emails[type eq \"work\"].value": "new@example.com",
                format!("{ENTERPRISE}:costCenter"): "77",
                "active": "True",
            },
        }]),
    );
    assert_eq!(user.display_name(), "New Name");
    assert_eq!(at(&user, &["name", "givenName"]), Some(&json!("New")));
    assert_eq!(user.primary_email(), Some("new@example.com"));
    assert_eq!(at(&user, &[ENTERPRISE, "costCenter"]), Some(&json!("77")));
}

#[test]
fn entra_names_a_manager_in_two_ways() {
    let reference = json!([{"$ref": "https://hub.example/scim/Users/7", "value": "7"}]);
    for value in [json!("7"), reference] {
        let operations = json!([{"op": "Add", "path": "manager", "value": value}]);
        let user = patched(&entra_user(), &operations);
        assert_eq!(at(&user, &[ENTERPRISE, "manager"]), Some(&json!({"value": "7"})));
    }
}

#[test]
fn entra_disables_a_user() {
    for operation in [
        json!({"op": "Replace", "path": "active", "value": "False"}),
        json!({"op": "replace", "path": "active", "value": false}),
        json!({"op": "Replace", "value": {"active": false}}),
        json!({"op": "Replace", "path": "active", "value": [{"$ref": null, "value": "False"}]}),
    ] {
        assert!(!patched(&entra_user(), &json!([operation])).active(), "{operation}");
    }
}

#[test]
fn entra_adds_and_removes_members() {
    let group = patched(
        &entra_group(),
        &json!([{"op": "Add", "path": "members", "value": [
            {"$ref": null, "value": "f648f8d5ea4e4cd38e9c"}, {"value": "a1"},
        ]}]),
    );
    let again = json!([{"op": "Add", "path": "members", "value": [{"value": "a1"}]}]);
    let group = patched(&group, &again);
    assert_eq!(group.members(), ["f648f8d5ea4e4cd38e9c", "a1"]);
    let removal = json!([{"op": "Remove", "path": "members", "value": [
        {"$ref": null, "value": "f648f8d5ea4e4cd38e9c"},
    ]}]);
    let group = patched(&group, &removal);
    assert_eq!(group.members(), ["a1"]);
    let rename = json!([{"op": "Replace", "path": "displayName", "value": "Renamed"}]);
    assert_eq!(patched(&group, &rename).display_name(), "Renamed");
    assert_eq!(patched(&group, &rename).members(), ["a1"]);
}

#[test]
fn entra_asks_whether_a_member_is_in_a_group() {
    let add = json!([{"op": "Add", "path": "members", "value": [{"value": "a1"}]}]);
    let mut group = patched(&entra_group(), &add).into_value();
    group.as_object_mut().unwrap().insert("id".into(), "g1".into());
    let found = |id: &str| {
        let filter = format!("id eq \"g1\" and members eq \"{id}\"");
        Filter::parse(&filter).unwrap().matches(&group)
    };
    assert!(found("a1"));
    assert!(!found("a2"));
}

#[test]
fn okta_makes_and_replaces_a_user() {
    let user = read(Kind::User, &okta_user(true));
    assert_eq!(user.user_name(), Some("test.user@okta.local"));
    assert_eq!(user.primary_email(), Some("test.user@okta.local"));
    assert!(user.active());
    for dropped in ["id", "password", "groups", "meta"] {
        assert!(at(&user, &[dropped]).is_none(), "{dropped}");
    }
    assert!(!read(Kind::User, &okta_user(false)).active());
}

#[test]
fn okta_deactivates_and_activates_a_user() {
    let user = read(Kind::User, &okta_user(true));
    let set = |active: bool| json!([{"op": "replace", "value": {"active": active}}]);
    let off = patched(&user, &set(false));
    assert!(!off.active());
    assert_eq!(patched(&off, &set(true)), user);
}

#[test]
fn okta_sends_the_profile_of_an_enterprise() {
    let mut body = okta_user(true);
    body.as_object_mut().unwrap().insert(
        ENTERPRISE.into(),
        json!({"department": "Sales", "manager": {"value": "7", "displayName": "Boss"}}),
    );
    let user = read(Kind::User, &body);
    assert_eq!(at(&user, &["schemas"]), Some(&json!([USER, ENTERPRISE])));
    assert_eq!(at(&user, &[ENTERPRISE, "manager", "displayName"]), Some(&json!("Boss")));
}

#[test]
fn okta_pushes_a_group() {
    let body = json!({"schemas": [GROUP], "displayName": "Test SCIMv2", "members": []});
    let group = read(Kind::Group, &body);
    assert!(group.members().is_empty());
    let rename = json!([{"op": "replace", "value": {"id": "abf4dd94", "displayName": "New"}}]);
    let group = patched(&group, &rename);
    assert_eq!(group.display_name(), "New");
    let change = json!([
        {"op": "add", "path": "members", "value": [
            {"value": "23a35c27", "display": "test.user@okta.local"}, {"value": "59c3bbb5"},
        ]},
        {"op": "remove", "path": "members[value eq \"59c3bbb5\"]"},
    ]);
    let group = patched(&group, &change);
    assert_eq!(group.members(), ["23a35c27"]);
    let all =
        json!([{"op": "replace", "path": "members", "value": [{"value": "1"}, {"value": "2"}]}]);
    assert_eq!(patched(&group, &all).members(), ["1", "2"]);
}

#[test]
fn okta_replaces_a_group_whole() {
    let body = json!({
        "schemas": [GROUP], "id": "abf4dd94", "displayName": "Test SCIMv2",
        "members": [{"value": "23a35c27", "display": "test.user@okta.local"}],
        "meta": {"resourceType": "Group"},
    });
    assert_eq!(read(Kind::Group, &body).members(), ["23a35c27"]);
}
