//! What each operation does to each kind of attribute, and what it refuses.

use serde_json::{Value, json};

use super::super::document::MEMBERS_MAX;
use super::super::kind::{GROUP_SCHEMA, USER_SCHEMA};
use super::*;

fn ada() -> Document {
    let body = json!({
        "schemas": [USER_SCHEMA],
        "userName": "ada",
        "title": "Countess",
        "active": true,
        "name": {"givenName": "Ada", "familyName": "Byron"},
        "emails": [
            {"value": "ada@work.example", "type": "work", "primary": true},
            {"value": "ada@home.example", "type": "home"},
        ],
        ENTERPRISE_SCHEMA: {
            "department": "Engines", "manager": {"value": "5", "displayName": "Charles"},
        },
    });
    Document::read(Kind::User, &body).unwrap()
}

fn staff(ids: &[&str]) -> Document {
    let members: Vec<Value> = ids.iter().map(|id| json!({"value": id})).collect();
    let body = json!({"schemas": [GROUP_SCHEMA], "displayName": "Staff", "members": members});
    Document::read(Kind::Group, &body).unwrap()
}

fn patched(document: &Document, operations: Value) -> Result<Value, ScimError> {
    let parts = [("schemas", json!([PATCH_SCHEMA])), ("Operations", operations)];
    let body: Value = parts.into_iter().collect();
    patch(document.kind(), document, &body).map(Document::into_value)
}

/// One operation on Ada, and what is then at a pointer.
#[track_caller]
fn check(operation: Value, pointer: &str, expected: impl Into<Value>) {
    let told = operation.to_string();
    let read =
        patched(&ada(), vec![operation].into()).unwrap_or_else(|error| panic!("{told}: {error}"));
    let expected = expected.into();
    assert_eq!(read.pointer(pointer).cloned().unwrap_or_default(), expected, "{told}");
}

#[track_caller]
fn refused(document: &Document, operation: Value) -> (u16, &'static str, String) {
    let told = operation.to_string();
    let error = patched(document, vec![operation].into()).expect_err(&told);
    (error.status, error.scim_type.unwrap_or_default(), error.detail)
}

fn members(value: &Value) -> Vec<&str> {
    let members = value.get("members").and_then(Value::as_array).into_iter().flatten();
    members.map(|member| member["value"].as_str().unwrap()).collect()
}

#[test]
fn an_attribute_with_one_value_is_set_and_removed() {
    for op in ["add", "Replace"] {
        check(json!({"op": op, "path": "title", "value": "Dr."}), "/title", json!("Dr."));
        check(json!({"op": op, "path": "TITLE", "value": ["Dr."]}), "/title", json!("Dr."));
        check(json!({"op": op, "value": {"Title": "Dr."}}), "/title", json!("Dr."));
        check(json!({"op": op, "path": "active", "value": "False"}), "/active", json!(false));
        check(json!({"op": op, "path": "locale", "value": "en"}), "/locale", json!("en"));
        let wrapped = json!([{"$ref": null, "value": "Dr."}]);
        check(json!({"op": op, "path": "title", "value": wrapped}), "/title", json!("Dr."));
    }
    check(json!({"op": "REMOVE", "path": "title"}), "/title", json!(null));
    check(json!({"op": "remove", "path": "title", "value": "x"}), "/title", json!(null));
    check(json!({"op": "replace", "path": "title", "value": null}), "/title", json!(null));
    check(json!({"op": "replace", "value": {"title": null}}), "/title", json!(null));
    check(json!({"op": "add", "path": "title", "value": null}), "/title", json!("Countess"));
}

#[test]
fn the_parts_that_are_not_given_stay() {
    let name = |parts: Value| json!({"op": "replace", "path": "name", "value": parts});
    let both = json!({"givenName": "Ada", "familyName": "Lovelace"});
    check(name(json!({"FAMILYNAME": "Lovelace"})), "/name", both.clone());
    check(name(json!({})), "/name/givenName", json!("Ada"));
    check(name(json!({"givenName": null})), "/name", json!({"familyName": "Byron"}));
    check(name(json!(null)), "/name", json!(null));
    let keyed = json!({"op": "add", "value": {"name.familyName": "Lovelace"}});
    check(keyed, "/name", both.clone());
    let at = json!({"op": "add", "path": "name.familyName", "value": "Lovelace"});
    check(at, "/name", both);
    let gone = json!({"op": "remove", "path": "name.familyName"});
    check(gone, "/name", json!({"givenName": "Ada"}));
}

#[test]
fn the_extension_is_reached_in_every_spelling() {
    let at = |rest: &str| format!("/{ENTERPRISE_SCHEMA}{rest}");
    let urn = |name: &str| format!("{ENTERPRISE_SCHEMA}:{name}");
    let set = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
    let keyed = |key: &str, value: Value| json!({"op": "replace", "value": {key: value}});
    for operation in [
        set(&urn("department"), json!("Sums")),
        set(&urn("DEPARTMENT").to_uppercase(), json!("Sums")),
        set("department", json!("Sums")),
        set(ENTERPRISE_SCHEMA, json!({"Department": "Sums"})),
        keyed(&urn("department"), json!("Sums")),
        keyed(ENTERPRISE_SCHEMA, json!({"department": "Sums"})),
    ] {
        check(operation.clone(), &at("/department"), json!("Sums"));
        check(operation, &at("/manager/value"), json!("5"));
    }
    for value in [json!("7"), json!({"value": "7"}), json!([{"$ref": "x", "value": "7"}])] {
        check(set(&urn("manager"), value), &at("/manager"), json!({"value": "7"}));
    }
    let named = json!({"value": "5", "displayName": "Babbage"});
    check(set("manager", json!({"displayName": "Babbage"})), &at("/manager"), named);
    check(set(&urn("manager.value"), json!("7")), &at("/manager/value"), json!("7"));
    check(keyed(&urn("manager"), json!("")), &at("/manager"), json!(null));
    check(json!({"op": "remove", "path": urn("manager")}), &at("/manager"), json!(null));
    check(json!({"op": "remove", "path": ENTERPRISE_SCHEMA}), &at(""), json!(null));
    check(json!({"op": "remove", "path": ENTERPRISE_SCHEMA}), "/schemas", json!([USER_SCHEMA]));
}

#[test]
fn values_of_a_list_are_added_replaced_and_removed() {
    let one = json!({"value": "x@y", "type": "other"});
    let add = |value: &Value| json!({"op": "add", "path": "emails", "value": value});
    check(add(&one), "/emails/2", one.clone());
    check(add(&json!([one.clone()])), "/emails/2", one.clone());
    let again = json!([{"value": "ADA@home.example", "type": "home", "display": "Home"}]);
    check(add(&again), "/emails/1/display", json!("Home"));
    check(add(&again), "/emails/2", json!(null));
    let set = |value: Value| json!({"op": "replace", "path": "emails", "value": value});
    check(set(one.clone()), "/emails", json!([one]));
    check(set(json!([])), "/emails", json!(null));
    check(json!({"op": "remove", "path": "emails"}), "/emails", json!(null));
    let gone = json!({"op": "remove", "path": "emails", "value": [{"type": "work"}]});
    check(gone, "/emails/0/type", json!("home"));
    let none = json!({"op": "remove", "path": "emails", "value": []});
    check(none, "/emails/1/type", json!("home"));
}

#[test]
fn a_filter_chooses_values() {
    let at = |op: &str, path: &str, value: Value| json!({"op": op, "path": path, "value": value});
    let work = "emails[type eq \"work\"]";
    let part = format!("{work}.value");
    check(at("replace", &part, json!("n@w")), "/emails/0/value", json!("n@w"));
    check(at("replace", &part, json!("n@w")), "/emails/0/primary", json!(true));
    check(at("replace", &part, json!(null)), "/emails/0/value", json!(null));
    check(
        at("replace", work, json!({"value": "n@w"})),
        "/emails/0",
        json!({"value": "n@w", "type": "work"}),
    );
    check(at("add", work, json!({"display": "W"})), "/emails/0/value", json!("ada@work.example"));
    check(at("replace", work, json!(null)), "/emails/0/type", json!("home"));
    check(json!({"op": "remove", "path": work}), "/emails/0/type", json!("home"));
    check(
        json!({"op": "remove", "path": format!("{work}.primary")}),
        "/emails/0/primary",
        json!(null),
    );
    check(json!({"op": "replace", "value": {part: "n@w"}}), "/emails/0/value", json!("n@w"));
    let absent = json!({"op": "remove", "path": "emails[type eq \"fax\"]"});
    check(absent, "/emails/1/type", json!("home"));
}

#[test]
fn a_value_of_a_type_that_is_missing_is_made() {
    let made = [
        ("phoneNumbers[type eq \"mobile\"].value", json!("+44"), "/phoneNumbers/0"),
        ("addresses[type eq \"work\"].locality", json!("London"), "/addresses/0"),
        ("emails[type eq \"other\"]", json!({"value": "x@y"}), "/emails/2"),
    ];
    let expected = [
        json!({"type": "mobile", "value": "+44"}),
        json!({"type": "work", "locality": "London"}),
        json!({"type": "other", "value": "x@y"}),
    ];
    for ((path, value, pointer), expected) in made.into_iter().zip(expected) {
        for op in ["add", "replace"] {
            check(json!({"op": op, "path": path, "value": value}), pointer, expected.clone());
        }
        check(json!({"op": "replace", "path": path, "value": null}), pointer, json!(null));
    }
    for path in
        ["emails[value eq \"x\"].display", "emails[type ne \"work\" and type ne \"home\"].value"]
    {
        let told = refused(&ada(), json!({"op": "replace", "path": path, "value": "x"}));
        assert_eq!((told.0, told.1), (400, "noTarget"));
    }
}

#[test]
fn what_is_made_primary_is_the_only_one() {
    let home =
        json!({"op": "replace", "path": "emails[type eq \"home\"].primary", "value": "True"});
    check(home.clone(), "/emails/0/primary", json!(false));
    check(home, "/emails/1/primary", json!(true));
    let third = json!({"op": "add", "path": "emails", "value": [{"value": "x", "primary": true}]});
    check(third.clone(), "/emails/0/primary", json!(false));
    check(third, "/emails/2/primary", json!(true));
    let all = json!({"op": "replace", "path": "emails[value pr].primary", "value": true});
    assert_eq!(refused(&ada(), all).1, "invalidValue");
}

#[test]
fn members_come_and_go() {
    let change = |operation: Value| {
        let read = patched(&staff(&["1", "2", "3"]), json!([operation])).unwrap();
        members(&read).join(" ")
    };
    let with =
        |op: &str, value: Value| change(json!({"op": op, "path": "members", "value": value}));
    assert_eq!(with("Add", json!([{"value": "4"}, {"value": "2"}, {"value": "4"}])), "1 2 3 4");
    assert_eq!(with("add", json!({"value": "4"})), "1 2 3 4");
    assert_eq!(change(json!({"op": "add", "value": {"members": [{"value": "4"}]}})), "1 2 3 4");
    assert_eq!(with("replace", json!([{"value": "9"}])), "9");
    assert_eq!(with("replace", json!([])), "");
    assert_eq!(with("Remove", json!([{"value": "1"}, {"value": "8"}])), "2 3");
    assert_eq!(with("remove", json!({"value": "3"})), "1 2");
    assert_eq!(with("remove", json!([])), "1 2 3");
    assert_eq!(change(json!({"op": "remove", "path": "members"})), "");
    assert_eq!(change(json!({"op": "remove", "path": "members[value eq \"2\"]"})), "1 3");
    assert_eq!(change(json!({"op": "remove", "path": "members[value eq \"8\"]"})), "1 2 3");
    let two = "members[value eq \"1\" or value eq \"2\"]";
    assert_eq!(change(json!({"op": "remove", "path": two})), "3");
}

#[test]
fn a_member_is_not_made_into_another() {
    let at = |path: &str, value: Value| json!({"op": "replace", "path": path, "value": value});
    let cases = [
        (at("members[value eq \"1\"].value", json!("2")), "mutability"),
        (at("members[value eq \"1\"]", json!({"value": "2"})), "mutability"),
        (at("members[type eq \"User\"].value", json!("2")), "mutability"),
        (at("members[type eq \"User\"].display", json!("x")), "noTarget"),
        (at("members[value eq \"8\"].display", json!("x")), "noTarget"),
        (json!({"op": "remove", "path": "members[value eq \"1\"].value"}), "mutability"),
        (json!({"op": "remove", "path": "members", "value": [{"display": "x"}]}), "invalidValue"),
    ];
    for (operation, scim_type) in cases {
        assert_eq!(refused(&staff(&["1"]), operation).1, scim_type);
    }
    let same = at("members[value eq \"1\"]", json!({"value": "1", "display": "One"}));
    let read = patched(&staff(&["1"]), json!([same])).unwrap();
    assert_eq!(read["members"], json!([{"value": "1", "display": "One"}]));
}

#[test]
fn what_only_the_server_changes_is_refused() {
    for (op, path) in [
        ("replace", "id"),
        ("add", "groups"),
        ("remove", "meta"),
        ("replace", "meta.version"),
        ("remove", "groups[value eq \"x\"]"),
        ("add", "groups[value eq \"x\"].display"),
        ("remove", "userName"),
    ] {
        let told = refused(&ada(), json!({"op": op, "path": path, "value": "x"}));
        assert_eq!((told.0, told.1), (400, "mutability"), "{op} {path}");
    }
    let told = refused(&ada(), json!({"op": "replace", "value": {"groups": []}}));
    assert_eq!(told, (400, "mutability", "operation 1: `groups` is read-only".into()));
    check(
        json!({"op": "replace", "value": {"id": "9", "schemas": [], "title": "Dr."}}),
        "/title",
        json!("Dr."),
    );
    check(json!({"op": "replace", "value": {"id": "9"}}), "/id", json!(null));
}

#[test]
fn what_is_not_kept_is_dropped() {
    for operation in [
        json!({"op": "replace", "path": "password", "value": "secret"}),
        json!({"op": "remove", "path": "photos[type eq \"thumbnail\"].value"}),
        json!({"op": "add", "path": "roles[primary eq \"True\"].value", "value": "x"}),
        json!({"op": "add", "path": "urn:example:1.0:User:tag", "value": "x"}),
        json!({"op": "add", "value": {"password": "x", "not a name": 1, "urn:example:1.0:User": {}}}),
        json!({"op": "add", "path": "schemas", "value": ["urn:example:1.0:User"]}),
    ] {
        assert_eq!(patched(&ada(), json!([operation])).unwrap(), ada().into_value());
    }
}

#[test]
fn what_is_no_operation_is_refused() {
    let cases = [
        (json!("add"), "invalidSyntax"),
        (json!({"path": "title", "value": "x"}), "invalidSyntax"),
        (json!({"op": "move", "path": "title", "value": "x"}), "invalidSyntax"),
        (json!({"op": 1, "path": "title", "value": "x"}), "invalidSyntax"),
        (json!({"op": "add", "path": 5, "value": "x"}), "invalidSyntax"),
        (json!({"op": "add", "path": "a b", "value": "x"}), "invalidPath"),
        (json!({"op": "add", "path": "emails.value", "value": "x"}), "invalidPath"),
        (json!({"op": "add", "value": {"emails[": "x"}}), "invalidPath"),
        (json!({"op": "add", "path": "title"}), "invalidValue"),
        (json!({"op": "add", "path": "title", "value": 5}), "invalidValue"),
        (json!({"op": "add", "path": "title", "value": ["a", "b"]}), "invalidValue"),
        (json!({"op": "add", "path": "emails", "value": "x"}), "invalidValue"),
        (json!({"op": "add", "path": "emails[type eq \"work\"]", "value": "x"}), "invalidValue"),
        (json!({"op": "add", "path": "emails[type eq \"work\"].value"}), "invalidValue"),
        (json!({"op": "add", "path": ENTERPRISE_SCHEMA, "value": "x"}), "invalidValue"),
        (json!({"op": "add"}), "invalidValue"),
        (json!({"op": "add", "value": "x"}), "invalidValue"),
        (json!({"op": "remove"}), "noTarget"),
        (json!({"op": "remove", "value": {"title": "x"}}), "noTarget"),
        (json!({"op": "replace", "path": "userName", "value": null}), "invalidValue"),
        (json!({"op": "replace", "path": "userName", "value": " "}), "invalidValue"),
    ];
    for (operation, scim_type) in cases {
        let told = refused(&ada(), operation.clone());
        assert_eq!((told.0, told.1), (400, scim_type), "{operation}");
    }
}

#[test]
fn what_is_no_patch_is_refused() {
    let operation = json!({"op": "add", "path": "title", "value": "x"});
    for body in [
        json!([]),
        json!({"Operations": [operation]}),
        json!({"schemas": [USER_SCHEMA], "Operations": [operation]}),
        json!({"schemas": [PATCH_SCHEMA]}),
        json!({"schemas": [PATCH_SCHEMA], "Operations": []}),
        json!({"schemas": [PATCH_SCHEMA], "Operations": operation}),
        json!({"schemas": [PATCH_SCHEMA], "Operations": vec![operation.clone(); OPERATIONS_MAX + 1]}),
    ] {
        let error = patch(Kind::User, &ada(), &body).unwrap_err();
        assert_eq!((error.status, error.scim_type), (400, Some("invalidSyntax")), "{body}");
    }
    let most = vec![operation; OPERATIONS_MAX];
    let body = json!({"Schemas": [PATCH_SCHEMA], "operations": most});
    assert!(patch(Kind::User, &ada(), &body).is_ok());
}

#[test]
fn it_is_all_or_nothing_and_in_order() {
    let first = json!({"op": "replace", "path": "title", "value": "a"});
    let second = json!({"op": "replace", "path": "title", "value": "b"});
    let wrong = json!({"op": "replace", "path": "active", "value": "perhaps"});
    let read = patched(&ada(), json!([first, second])).unwrap();
    assert_eq!(read["title"], "b");
    let error = patched(&ada(), json!([first, wrong])).unwrap_err();
    assert_eq!(error.detail, "operation 2: `active` is true or false");
}

#[test]
fn lists_stay_within_their_limits() {
    let many = |from: usize, count: usize| -> Vec<Value> {
        (from..from + count).map(|id| json!({"value": id.to_string()})).collect()
    };
    let add = |path: &str, values: Vec<Value>| json!({"op": "add", "path": path, "value": values});
    let most = json!([add("members", many(0, MEMBERS_MAX - 1)), add("members", many(9_998, 2))]);
    assert_eq!(members(&patched(&staff(&[]), most).unwrap()).len(), MEMBERS_MAX);
    let over = json!([add("members", many(0, MEMBERS_MAX)), add("members", many(10_000, 1))]);
    let error = patched(&staff(&[]), over).unwrap_err();
    assert_eq!(error.detail, "operation 2: `members` has at most 10000 values");
    let error = refused(&ada(), add("emails", many(0, 63)));
    assert_eq!(error.2, "operation 1: `emails` has at most 64 values");
}

#[test]
fn silence_lets_nobody_in_again() {
    let off = json!({"op": "replace", "path": "active", "value": false});
    for silent in [
        json!({"op": "remove", "path": "active"}),
        json!({"op": "replace", "path": "active", "value": null}),
        json!({"op": "replace", "value": {"active": null}}),
    ] {
        let read = patched(&ada(), json!([off])).unwrap();
        let read = Document::read(Kind::User, &read).unwrap();
        assert_eq!(patched(&read, json!([silent])).unwrap()["active"], false, "{silent}");
        assert_eq!(patched(&ada(), json!([silent])).unwrap().get("active"), None, "{silent}");
    }
}

#[test]
fn filters_do_not_compare_without_end() {
    let ids: Vec<String> = (0..1_000).map(|id| id.to_string()).collect();
    let group = staff(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let remove = |conditions: usize| {
        let path = format!("members[{}]", vec!["display co \"x\""; conditions].join(" or "));
        json!({"op": "remove", "path": path})
    };
    assert!(patched(&group, vec![remove(10); 100].into()).is_ok());
    let error = patched(&group, vec![remove(11); 100].into()).unwrap_err();
    assert_eq!((error.status, error.scim_type), (400, Some("tooMany")));
}
