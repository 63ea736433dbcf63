//! Matrices of policies small enough to be read beside the expected cells.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::PolicySchema;
use super::*;
use crate::model::PolicySource;

const SCHEMA: &str = r#"
type C = { authentication: { method: String, connection: String }, network: { source: ipaddr },
           operation: { scopes: Set<String> }, now: datetime };
entity User = { roles: { admin: Set<Team>, helper: Set<Team> }, late?: Bool };
entity Anonymous;
entity Team = { frozen: Bool, trial: Bool };
action "teams:view" appliesTo { principal: [User, Anonymous], resource: [Team], context: C };
action "teams:edit", "cars:start" appliesTo { principal: [User], resource: [Team], context: C };
"#;

const POLICIES: &str = r#"
@id("admin") permit (principal is User, action, resource) when { resource in principal.roles.admin };
@id("helper") permit (principal is User, action == Action::"teams:view", resource)
when { resource in principal.roles.helper || resource.trial };
@id("frozen") @reason("Frozen.") forbid (principal, action == Action::"cars:start", resource)
when { resource.frozen };
@id("late") @reason("Late.") forbid (principal is User, action, resource)
when { principal has late && principal.late };
@id("night") @reason("Night.") forbid (principal is User, action == Action::"teams:edit", resource)
when { context.now > datetime("2026-06-01") };
"#;

fn pdp(policies: &str) -> Pdp {
    let schema = Arc::new(PolicySchema::parse("s", SCHEMA).unwrap());
    let base = [PolicySource { name: "p.cedar".to_owned(), text: policies.to_owned() }];
    Pdp::load(schema, &base, &BTreeMap::new()).unwrap()
}

fn written() -> Value {
    json!({
        "title": "Small <matrix>",
        "entity": [{ "uid": "Team::t", "attributes": { "frozen": false, "trial": false } }],
        "sample": [{ "entity": "Team::t" }],
        "column": [
            { "group": "Roles", "title": "Admin", "principal": "User::a",
              "roles": [{ "role": "admin", "on": "Team::t" }] },
            { "group": "Roles", "title": "Helper", "principal": "User::h",
              "roles": [{ "role": "helper", "on": "Team::t" }] },
            { "group": "Others", "title": "No role", "principal": "User::n" },
            { "group": "Others", "title": "Anonymous", "principal": "Anonymous::x" },
        ],
        "variant": [
            { "name": "frozen", "title": "the team is frozen", "given": { "Team": { "frozen": true } } },
            { "name": "trial", "title": "a trial", "given": { "Team::t": { "trial": true } } },
            { "name": "late", "title": "is late", "given": { "User": { "late": true } } },
            { "name": "night", "title": "it is night", "now": "2026-07-01T00:00:00Z" },
        ],
    })
}

fn probe(written: Value) -> Probe {
    serde_json::from_value(written).unwrap()
}

fn matrix() -> Matrix {
    Matrix::compute(&pdp(POLICIES), &probe(written())).unwrap()
}

#[test]
fn cells_say_on_what_they_depend() {
    let expected = "\
action,resource,Admin,Helper,No role,Anonymous\r
cars:start,Team,unless frozen,-,-,-\r
teams:edit,Team,unless night,-,-,-\r
teams:view,Team,yes,yes,if trial,-\r
";
    assert_eq!(matrix().to_csv(), expected);
}

#[test]
fn what_denies_somebody_everything_is_said_once() {
    let text = matrix().to_markdown();
    assert!(text.contains("`late` denies everything to: Admin, Helper.\n"), "{text}");
    assert!(!text.contains("unless late"), "{text}");
}

#[test]
fn policies_and_variants_that_do_nothing_are_told() {
    assert!(matrix().silent().is_empty() && matrix().idle().is_empty());
    let mut fewer = written();
    fewer["variant"] = json!([
        { "name": "known", "title": "as it is", "given": { "Team": { "frozen": false } } },
    ]);
    let matrix = Matrix::compute(&pdp(POLICIES), &probe(fewer)).unwrap();
    assert_eq!(matrix.silent(), ["frozen", "late", "night"]);
    assert_eq!(matrix.idle(), ["known"]);
}

#[test]
fn a_difference_is_told_by_cell_in_every_form() {
    let before = matrix();
    let after = Matrix::compute(
        &pdp(&POLICIES.replace("action == Action::\"teams:view\"", "action")),
        &probe(written()),
    )
    .unwrap();
    for (format, kept) in [
        (ReviewFormat::Markdown, before.to_markdown()),
        (ReviewFormat::Csv, before.to_csv()),
        (ReviewFormat::Json, before.to_json()),
    ] {
        assert_eq!(changes(&before, &kept, format).unwrap(), []);
        let told: Vec<String> =
            changes(&after, &kept, format).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "cars:start on Team: Helper: - → unless frozen",
                "cars:start on Team: No role: - → if trial",
                "teams:edit on Team: Helper: - → unless night",
                "teams:edit on Team: No role: - → if trial",
            ],
            "{format:?}"
        );
    }
    assert!(changes(&before, "# Nothing\n", ReviewFormat::Markdown).is_err());
    assert!(changes(&before, "{", ReviewFormat::Json).is_err());
}

#[test]
fn a_probe_that_cannot_be_asked_says_why() {
    for (place, value, message) in [
        ("/sample/0/entity", json!("Team::x"), "the sample `Team::x` is not among the entities"),
        ("/sample", json!([]), "no sample of type `Team`, which `cars:start` is asked about"),
        (
            "/column/0/roles/0/role",
            json!("boss"),
            "the role `boss`, which the schema does not know",
        ),
        ("/column/1/title", json!("Admin"), "the column `Admin` is there twice"),
        ("/variant/0/given", json!({ "Taem": {} }), "`Taem` is changed, but is no entity or type"),
        ("/variant/0/name", json!("Not this"), "`Not this` is no variant's name"),
        ("/entity/0/attributes", json!({}), "the probe: `Team::t` does not fit the schema"),
    ] {
        let mut wrong = written();
        *wrong.pointer_mut(place).unwrap() = value;
        let faults = Matrix::compute(&pdp(POLICIES), &probe(wrong)).unwrap_err();
        assert!(faults.iter().any(|fault| fault.contains(message)), "{message}: {faults:?}");
    }
}

#[test]
fn the_text_is_aligned_and_the_pictures_hold_no_foreign_markup() {
    let matrix = matrix();
    let text = matrix.to_text(false);
    let at = |line: &str, word: &str| {
        let line = text.lines().find(|found| found.contains(line)).unwrap();
        line.find(word).unwrap()
    };
    assert_eq!(at("start", "yes"), at("edit", "yes"));
    assert!(text.contains("¹unless frozen") && !text.contains('\u{1b}'), "{text}");
    assert!(matrix.to_text(true).contains("\u{1b}[32myes"));
    for picture in [matrix.to_svg(), matrix.to_html()] {
        assert!(picture.contains("Small &lt;matrix&gt;") && !picture.contains("<matrix>"));
        for foreign in ["<script", "@import", "url(", "<link", "<img", "src="] {
            assert!(!picture.contains(foreign), "{foreign}");
        }
    }
}
