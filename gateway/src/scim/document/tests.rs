//! What is read of a resource, what is refused, and how it is shown.

use serde_json::{Value, json};

use super::super::kind::{ENTERPRISE_SCHEMA, GROUP_SCHEMA, USER_SCHEMA};
use super::value::{TEXT_BYTES_MAX, VALUES_MAX};
use super::*;

fn user(more: Value) -> Result<Document, ScimError> {
    let mut body = json!({"schemas": [USER_SCHEMA], "userName": "ada"});
    let more: Map<String, Value> = serde_json::from_value(more).unwrap();
    body.as_object_mut().unwrap().extend(more);
    Document::read(Kind::User, &body)
}

fn group(members: Value) -> Result<Document, ScimError> {
    let mut body = json!({"schemas": [GROUP_SCHEMA], "displayName": "Staff"});
    body.as_object_mut().unwrap().insert("members".into(), members);
    Document::read(Kind::Group, &body)
}

fn refused(read: Result<Document, ScimError>) -> (&'static str, String) {
    let error = read.unwrap_err();
    assert_eq!(error.status, 400);
    (error.scim_type.unwrap(), error.detail)
}

#[test]
fn names_are_spelt_as_in_the_schema() {
    let body = json!({
        "SCHEMAS": [USER_SCHEMA.to_uppercase()],
        "USERNAME": "ada",
        "Name": {"GIVENNAME": "Ada"},
        "Emails": [{"VALUE": "ada@example.com", "Primary": "True"}],
        ENTERPRISE_SCHEMA.to_lowercase(): {"DEPARTMENT": "Engines"},
    });
    assert_eq!(
        Document::read(Kind::User, &body).unwrap().into_value(),
        json!({
            "schemas": [USER_SCHEMA, ENTERPRISE_SCHEMA],
            "userName": "ada",
            "name": {"givenName": "Ada"},
            "emails": [{"value": "ada@example.com", "primary": true}],
            ENTERPRISE_SCHEMA: {"department": "Engines"},
        })
    );
}

#[test]
fn what_is_not_kept_is_dropped() {
    let read = user(json!({
        "id": "7", "meta": {"version": "x"}, "groups": [{"value": "g"}],
        "password": "secret", "favouriteColour": 5,
        "title": null, "emails": [], "phoneNumbers": [null, {}], "name": {"nick": "A"},
        "urn:example:1.0:User": {"x": 1}, ENTERPRISE_SCHEMA: {"unknown": 1},
    }));
    let expected = json!({"schemas": [USER_SCHEMA], "userName": "ada"});
    assert_eq!(read.unwrap().into_value(), expected);
}

#[test]
fn reading_what_was_kept_changes_nothing() {
    let read = user(json!({
        "active": "False", "emails": [{"value": "a@b"}], ENTERPRISE_SCHEMA: {"manager": "5"},
    }));
    let read = read.unwrap();
    assert_eq!(Document::read(Kind::User, &read.clone().into_value()).unwrap(), read);
}

#[test]
fn a_value_of_another_type_is_refused_by_its_place() {
    let cases = [
        (json!({"userName": 5}), "`userName` is a text"),
        (json!({"active": "yes"}), "`active` is true or false"),
        (json!({"active": 1}), "`active` is true or false"),
        (json!({"name": "Ada"}), "`name` is an object"),
        (json!({"name": ["Ada"]}), "`name` is an object"),
        (json!({"name": {"givenName": {}}}), "`name.givenName` is a text"),
        (json!({"emails": {"value": "a@b"}}), "`emails` is a list"),
        (json!({"emails": ["a@b"]}), "`emails[0]` is an object"),
        (json!({"emails": [{"value": "a"}, {"value": 1}]}), "`emails[1].value` is a text"),
        (json!({ENTERPRISE_SCHEMA: []}), &format!("`{ENTERPRISE_SCHEMA}` is an object")),
        (json!({ENTERPRISE_SCHEMA: {"manager": 5}}), "`manager` is an object"),
        (json!({"title": "a\u{0}b"}), "`title` has a control character"),
        (json!({"userName": " "}), "`userName` is required"),
        (json!({"userName": null}), "`userName` is required"),
    ];
    for (more, detail) in cases {
        assert_eq!(refused(user(more)), ("invalidValue", detail.to_owned()));
    }
}

#[test]
fn another_message_is_refused() {
    let named = format!("`schemas` names `{USER_SCHEMA}`");
    let cases = [
        (json!([]), "the body is an object"),
        (json!({"userName": "ada"}), named.as_str()),
        (json!({"schemas": USER_SCHEMA, "userName": "ada"}), named.as_str()),
        (json!({"schemas": [GROUP_SCHEMA], "userName": "ada"}), named.as_str()),
        (
            json!({"schemas": [USER_SCHEMA], "userName": "a", "username": "b"}),
            "`userName` is given twice",
        ),
        (
            json!({"schemas": [USER_SCHEMA], "userName": "a", "emails": [{"value": "a", "Value": "b"}]}),
            "`emails[0].value` is given twice",
        ),
    ];
    for (body, detail) in cases {
        let told = refused(Document::read(Kind::User, &body));
        assert_eq!(told, ("invalidSyntax", detail.to_owned()));
    }
}

#[test]
fn everything_has_a_limit() {
    let emails = |count: usize| json!({"emails": vec![json!({"value": "a@b"}); count]});
    let title = |bytes: usize| json!({"title": "é".repeat(bytes / 2)});
    assert!(user(emails(VALUES_MAX)).is_ok());
    assert!(user(title(TEXT_BYTES_MAX)).is_ok());
    assert_eq!(refused(user(emails(VALUES_MAX + 1))).1, "`emails` has at most 64 values");
    assert_eq!(refused(user(title(TEXT_BYTES_MAX + 2))).1, "`title` has at most 1024 bytes");
    let members = |count: usize| {
        group((0..count).map(|id| json!({"value": id.to_string()})).collect::<Vec<_>>().into())
    };
    assert_eq!(members(MEMBERS_MAX).unwrap().members().len(), MEMBERS_MAX);
    assert_eq!(refused(members(MEMBERS_MAX + 1)).1, "`members` has at most 10000 values");
}

#[test]
fn one_value_is_primary_at_most() {
    let emails = |second: bool| json!({"emails": [{"value": "a", "primary": true}, {"value": "b", "primary": second}]});
    assert!(user(emails(false)).is_ok());
    assert_eq!(refused(user(emails(true))).1, "`emails` has one primary value at most");
}

#[test]
fn a_member_is_there_once_and_has_an_id() {
    let read = group(json!([{"value": "1", "display": "first"}, {"value": "2"}, {"value": "1"}]));
    assert_eq!(read.unwrap().members(), ["1", "2"]);
    let lacking = refused(group(json!([{"value": "1"}, {"display": "x"}])));
    assert_eq!(lacking.1, "`members[1].value` is required");
    let body = json!({"schemas": [GROUP_SCHEMA], "members": []});
    assert_eq!(refused(Document::read(Kind::Group, &body)).1, "`displayName` is required");
}

#[test]
fn a_manager_may_be_the_id_alone() {
    let managed = |manager: Value| {
        let read = user(json!({ENTERPRISE_SCHEMA: {"manager": manager}})).unwrap();
        read.attributes().get(ENTERPRISE_SCHEMA).cloned()
    };
    assert_eq!(managed(json!("5")), Some(json!({"manager": {"value": "5"}})));
    assert_eq!(managed(json!("")), None);
}

#[test]
fn the_name_to_show_is_the_best_there_is() {
    let cases = [
        (json!({"displayName": "Countess", "name": {"formatted": "Ada L"}}), "Countess"),
        (json!({"displayName": " ", "name": {"formatted": "Ada L", "givenName": "A"}}), "Ada L"),
        (json!({"name": {"givenName": "Ada", "familyName": "Lovelace"}}), "Ada Lovelace"),
        (json!({"name": {"familyName": "Lovelace"}}), "Lovelace"),
        (json!({}), "ada"),
    ];
    for (more, expected) in cases {
        assert_eq!(user(more).unwrap().display_name(), expected);
    }
}

#[test]
fn a_user_may_sign_in_unless_it_says_otherwise() {
    assert!(user(json!({})).unwrap().active());
    assert!(user(json!({"active": "true"})).unwrap().active());
    assert!(!user(json!({"active": "False"})).unwrap().active());
}

#[test]
fn the_primary_address_goes_before_the_first() {
    let cases = [
        (json!([{"value": "a"}, {"value": "b", "primary": true}]), Some("b")),
        (json!([{"type": "work"}, {"value": "b"}]), Some("b")),
        (json!([{"type": "work", "primary": true}, {"value": "b"}]), Some("b")),
        (json!([]), None),
    ];
    for (emails, expected) in cases {
        assert_eq!(user(json!({"emails": emails})).unwrap().primary_email(), expected);
    }
}

#[test]
fn what_the_server_says_is_shown() {
    let groups = [GroupReference {
        id: "g1".into(),
        display_name: "Staff".into(),
        location: "https://hub.example/scim/v2/Groups/g1".into(),
    }];
    let read_only = ReadOnly {
        id: "7",
        created: "2026-01-01T00:00:00Z",
        last_modified: "2026-01-02T00:00:00Z",
        location: "https://hub.example/scim/v2/Users/7",
        version: "W/\"3\"",
        groups: &groups,
    };
    let shown = user(json!({"externalId": "x"})).unwrap().with_read_only(&read_only);
    assert_eq!(
        shown,
        json!({
            "schemas": [USER_SCHEMA], "id": "7", "externalId": "x", "userName": "ada",
            "active": true,
            "meta": {
                "resourceType": "User",
                "created": "2026-01-01T00:00:00Z",
                "lastModified": "2026-01-02T00:00:00Z",
                "location": "https://hub.example/scim/v2/Users/7",
                "version": "W/\"3\"",
            },
            "groups": [{
                "value": "g1", "$ref": "https://hub.example/scim/v2/Groups/g1",
                "display": "Staff", "type": "direct",
            }],
        })
    );
    let shown = group(json!([])).unwrap().with_read_only(&read_only);
    assert_eq!(shown["meta"]["resourceType"], "Group");
    assert!(shown.get("groups").is_none() && shown.get("active").is_none());
}
