//! What filters find, what they do not, and which are refused.

use serde_json::{Value, json};

use super::super::kind::{ENTERPRISE_SCHEMA, GROUP_SCHEMA, USER_SCHEMA};
use super::grammar::DEPTH_MAX;
use super::*;

fn ada() -> Value {
    json!({
        "schemas": [USER_SCHEMA, ENTERPRISE_SCHEMA],
        "id": "A1",
        "externalId": "Ext-1",
        "userName": "Ada@Example.com",
        "active": true,
        "title": "Countess of \"Lovelace\"",
        "nickName": "",
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "emails": [
            {"value": "ada@example.com", "type": "work", "primary": true},
            {"value": "ada@home.example", "type": "home"},
        ],
        "addresses": [{"locality": "London"}],
        "meta": {"resourceType": "User", "lastModified": "2026-03-01T10:00:00.5Z"},
        ENTERPRISE_SCHEMA: {"department": "Engines", "manager": {"value": "B2"}},
    })
}

fn staff() -> Value {
    json!({
        "schemas": [GROUP_SCHEMA],
        "id": "G1",
        "displayName": "Staff",
        "members": [{"value": "A1"}, {"value": "b2"}],
    })
}

#[track_caller]
fn check(resource: &Value, cases: &[(&str, bool)]) {
    for (text, expected) in cases {
        let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(filter.matches(resource), *expected, "{text}");
    }
}

#[test]
fn texts_are_compared_by_every_operator() {
    check(
        &ada(),
        &[
            ("userName eq \"ada@example.com\"", true),
            ("USERNAME EQ \"ADA@EXAMPLE.COM\"", true),
            ("userName eq \"ada\"", false),
            ("userName ne \"ada\"", true),
            ("userName ne \"ada@example.com\"", false),
            ("userName co \"@EXAMPLE\"", true),
            ("userName co \"@other\"", false),
            ("userName sw \"ada@\"", true),
            ("userName sw \"@\"", false),
            ("userName ew \".com\"", true),
            ("userName ew \".org\"", false),
            ("userName gt \"ada\"", true),
            ("userName gt \"ada@example.com\"", false),
            ("userName ge \"ada@example.com\"", true),
            ("userName lt \"b\"", true),
            ("userName le \"a\"", false),
            ("title eq \"countess of \\\"lovelace\\\"\"", true),
            ("title eq \"countess of \\u0022lovelace\\u0022\"", true),
            ("userName eq 5", false),
            ("userName ne 5", true),
            ("userName gt 5", false),
        ],
    );
}

#[test]
fn case_matters_where_the_schema_says_so() {
    check(
        &ada(),
        &[
            ("id eq \"A1\"", true),
            ("id eq \"a1\"", false),
            ("externalId eq \"Ext-1\"", true),
            ("externalId eq \"ext-1\"", false),
            ("manager.value eq \"b2\"", false),
            ("name.givenName eq \"ADA\"", true),
        ],
    );
    check(&staff(), &[("members eq \"B2\"", false), ("members eq \"b2\"", true)]);
}

#[test]
fn what_is_not_there_is_null() {
    check(
        &ada(),
        &[
            ("title pr", true),
            ("nickName pr", false),
            ("locale pr", false),
            ("name pr", true),
            ("emails pr", true),
            ("addresses pr", true),
            ("phoneNumbers pr", false),
            ("emails.display pr", false),
            ("emails.type pr", true),
            ("locale eq null", true),
            ("locale ne null", false),
            ("title eq null", false),
            ("title ne null", true),
            ("locale ne \"de\"", true),
            ("locale co \"d\"", false),
            ("locale lt \"d\"", false),
            ("phoneNumbers.value ne \"5\"", true),
        ],
    );
}

#[test]
fn a_list_matches_if_any_value_does() {
    check(
        &ada(),
        &[
            ("emails eq \"ada@home.example\"", true),
            ("emails.value ew \"home.example\"", true),
            ("emails.type eq \"other\"", false),
            ("emails.type ne \"work\"", true),
            ("emails[type eq \"work\" and value co \"@example\"]", true),
            ("emails[type eq \"home\" and value co \"@example\"]", false),
            ("emails[type eq \"home\" and not (primary eq true)]", true),
            ("emails[TYPE EQ \"WORK\" OR value pr]", true),
            ("emails[primary eq \"True\"]", true),
            ("emails[display pr]", false),
            ("emails[colour ne \"red\"]", false),
            ("emails[emails.value pr]", false),
            ("addresses eq \"London\"", false),
            ("addresses.locality eq \"london\"", true),
            (&format!("schemas eq \"{USER_SCHEMA}\""), true),
            ("schemas eq \"urn:example\"", false),
            ("phoneNumbers[type eq \"work\"]", false),
        ],
    );
    check(&staff(), &[("members[value eq \"A1\"]", true), ("members.value eq \"C3\"", false)]);
}

#[test]
fn schemas_may_go_before_names() {
    check(
        &ada(),
        &[
            (&format!("{USER_SCHEMA}:userName sw \"ada\""), true),
            (&format!("{USER_SCHEMA}:name.familyName eq \"lovelace\""), true),
            (&format!("{USER_SCHEMA}:emails[type eq \"work\"]"), true),
            (&format!("{ENTERPRISE_SCHEMA}:department eq \"engines\""), true),
            (&format!("{ENTERPRISE_SCHEMA}:manager.value eq \"B2\""), true),
            (&format!("{ENTERPRISE_SCHEMA}:manager eq \"B2\""), true),
            (&format!("{GROUP_SCHEMA}:displayName ne \"x\""), false),
            ("department eq \"engines\"", true),
        ],
    );
}

#[test]
fn booleans_and_moments_are_compared_as_such() {
    check(
        &ada(),
        &[
            ("active eq true", true),
            ("active ne true", false),
            ("active eq false", false),
            ("active eq \"True\"", true),
            ("active co \"t\"", false),
            ("meta.lastModified gt \"2026-03-01T10:00:00Z\"", true),
            ("meta.lastModified lt \"2026-03-01T11:00:01+01:00\"", true),
            ("meta.lastModified eq \"2026-03-01T11:00:00.50+01:00\"", true),
            ("meta.lastModified sw \"2026-03\"", true),
            ("meta.lastModified gt \"yesterday\"", false),
        ],
    );
}

#[test]
fn conditions_are_joined_in_their_order() {
    check(
        &ada(),
        &[
            ("title pr and active eq true", true),
            ("title pr and active eq false", false),
            ("locale pr or title pr", true),
            // RFC 7644 §3.4.2.2: `and` goes before `or`.
            ("title pr or locale pr and locale pr", true),
            ("(title pr or locale pr) and locale pr", false),
            ("not (locale pr)", true),
            ("not(locale pr)", true),
            ("title pr and not(locale pr or NOT(title pr))", true),
            ("not (title pr) or title pr", true),
            ("((((title pr))))", true),
            ("userName eq \"not(\" or title co \"ess of \\\"\"", true),
        ],
    );
}

#[test]
fn what_is_not_known_finds_nothing() {
    check(
        &ada(),
        &[
            ("password eq \"x\"", false),
            ("password ne \"x\"", false),
            ("password eq null", false),
            ("members pr", false),
            ("name.nick pr", false),
            ("name eq \"Ada\"", false),
            ("urn:example:2.0:User:userName pr", false),
            ("roles[value eq \"x\"]", false),
            ("not (roles pr)", true),
        ],
    );
    check(&staff(), &[("userName pr", false), ("displayName eq \"staff\"", true)]);
    assert!(!Filter::parse("title pr").unwrap().matches(&json!("title")));
}

#[test]
fn one_equality_can_be_looked_up() {
    let qualified = format!("{USER_SCHEMA}:userName eq \"ada\"");
    let cases = [
        ("USERNAME eq \"Ada\"", Some(("userName", "Ada"))),
        ("(externalId eq \"x\")", Some(("externalId", "x"))),
        ("displayName eq \"Staff\"", Some(("displayName", "Staff"))),
        ("id eq \"7\"", Some(("id", "7"))),
        (&qualified, Some(("userName", "ada"))),
        ("userName ne \"ada\"", None),
        ("userName eq null", None),
        ("title eq \"x\"", None),
        ("manager.displayName eq \"x\"", None),
        ("not (userName eq \"ada\")", None),
        ("userName eq \"ada\" or id eq \"7\"", None),
        ("emails[value eq \"x\"]", None),
    ];
    for (text, expected) in cases {
        assert_eq!(Filter::parse(text).unwrap().equality(), expected, "{text}");
    }
}

#[test]
fn what_is_no_filter_is_refused() {
    for text in [
        "",
        " ",
        "userName",
        "userName eq",
        "userName is \"x\"",
        "eq \"x\"",
        "userName eq x",
        "userName eq 'x'",
        "userName eq \"x",
        "userName eq \"\\q\"",
        "userName eq \"x\" and",
        "userName eq \"x\" title pr",
        "(title pr",
        "title pr)",
        "emails[type eq \"work\"",
        "emails[]",
        "emails[a[b pr]]",
        "a.b.c pr",
        "not title pr",
        "title pr; drop",
        "é pr",
        "userName eq 1e999",
        "name. pr",
        "emails[type eq \"work\"].value eq \"x\"",
        "\u{0}",
    ] {
        let error = Filter::parse(text).unwrap_err();
        assert_eq!((error.status, error.scim_type), (400, Some("invalidFilter")), "{text}");
    }
}

#[test]
fn an_error_tells_where_the_filter_goes_wrong() {
    let told = |text: &str| Filter::parse(text).unwrap_err().detail;
    assert_eq!(told("userName is \"x\""), "the filter cannot be read from `is \"x\"` on");
    assert_eq!(told("title pr and"), "the filter cannot be read from `and` on");
    assert_eq!(told("(title pr"), "the filter ends too early");
    assert_eq!(told("a.b.c pr"), "the filter has `a.b.c` for a name");
}

#[test]
fn what_has_no_order_is_not_ordered() {
    for text in ["active gt true", "emails[primary le false]", "emails.primary ge true"] {
        let error = Filter::parse(text).unwrap_err();
        assert_eq!(error.scim_type, Some("invalidFilter"), "{text}");
        assert!(error.detail.ends_with("has no order"), "{text}");
    }
}

#[test]
fn a_filter_is_neither_long_nor_deep() {
    let deep = |depth: usize| format!("{}title pr{}", "(".repeat(depth), ")".repeat(depth));
    let nots = |depth: usize| format!("{}title pr{}", "not(".repeat(depth), ")".repeat(depth));
    let long = |bytes: usize| format!("title eq \"{}\"", "x".repeat(bytes - 11));
    for accepted in [deep(DEPTH_MAX), nots(DEPTH_MAX), long(FILTER_BYTES_MAX)] {
        assert!(Filter::parse(&accepted).is_ok(), "{accepted}");
    }
    for refused in [deep(DEPTH_MAX + 1), nots(DEPTH_MAX + 1), long(FILTER_BYTES_MAX + 1)] {
        assert_eq!(Filter::parse(&refused).unwrap_err().scim_type, Some("invalidFilter"));
    }
    for hostile in [deep(10_000), "(".repeat(10_000), "[".repeat(10_000), nots(100)] {
        assert!(Filter::parse(&hostile).is_err());
    }
    // Brackets within a text are text.
    check(&ada(), &[(&format!("title eq \"\\\"{}\"", "(".repeat(20)), false)]);
}
