//! Random and damaged input: it is read or refused, and never stops the program.

use crate::scim::Document;
use crate::scim::Filter;
use crate::scim::Kind;
use crate::scim::Projection;
use crate::scim::patch;
use serde_json::{Map, Value, json};

const ROUNDS: usize = 3_000;

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Pieces that filters and paths are made of, and some that they are not.
const PIECES: [&str; 48] = [
    "userName",
    "emails",
    "members",
    "active",
    "name.givenName",
    "type",
    "value",
    "primary",
    "id",
    "meta.lastModified",
    "password",
    ENTERPRISE,
    ":department",
    ".value",
    " eq ",
    " ne ",
    " co ",
    " gt ",
    " pr",
    " and ",
    " or ",
    "not ",
    "not(",
    "(",
    ")",
    "[",
    "]",
    "\"work\"",
    "\"x",
    "\"",
    "\\",
    "true",
    "null",
    "-1.5e3",
    "1e999",
    " ",
    "",
    "é",
    "\u{2003}",
    "😀",
    "\0",
    "ſw",
    "\\u12",
    ".",
    ":",
    "$ref",
    "schemas",
    "\"\\ud800\"",
];

/// Attributes, for keys and paths.
const PATHS: [&str; 18] = [
    "userName",
    "displayName",
    "name",
    "name.givenName",
    "emails",
    "emails[type eq \"work\"]",
    "emails[type eq \"work\"].value",
    "phoneNumbers[type eq \"fax\"].primary",
    "members",
    "members[value eq \"1\"]",
    "members[value eq \"1\"].display",
    "active",
    "manager",
    ENTERPRISE,
    "schemas",
    "id",
    "groups",
    "emails[not(primary eq true)]",
];

/// A generator of numbers (xorshift64*): the same ones each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap();
        usize::try_from((self.next() >> 16) % bound).unwrap()
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        let index = self.below(choices.len());
        choices.get(index).unwrap()
    }

    fn text(&mut self) -> String {
        (0..self.below(12)).map(|_| self.of(&PIECES)).collect()
    }

    /// A text with one character taken out, put in, or made another.
    fn damaged(&mut self, text: &str) -> String {
        let mut characters: Vec<char> = text.chars().collect();
        for _ in 0..=self.below(3) {
            let at = self.below(characters.len() + 1);
            match self.below(3) {
                0 if at < characters.len() => drop(characters.remove(at)),
                1 => characters.insert(at, char::from(u8::try_from(self.below(128)).unwrap())),
                _ => characters.extend(self.of(&PIECES).chars()),
            }
        }
        characters.into_iter().collect()
    }

    fn key(&mut self) -> String {
        match self.below(8) {
            0 => self.text(),
            1 => {
                let path = self.of(&PATHS);
                self.damaged(path)
            }
            _ => self.of(&PATHS).to_owned(),
        }
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 6 } else { 9 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.below(100)),
            3 => json!(self.of(&["True", "False", "", "work", "1"])),
            4 | 5 => json!(self.text()),
            6 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => self.object(depth - 1).into(),
        }
    }

    fn object(&mut self, depth: usize) -> Map<String, Value> {
        let parts = ["value", "type", "primary", "display", "givenName", "VALUE", "userName"];
        let count = self.below(4);
        let pair = |_| {
            let key = if self.below(3) == 0 { self.key() } else { self.of(&parts).to_owned() };
            (key, self.value(depth))
        };
        (0..count).map(pair).collect()
    }

    fn operation(&mut self) -> Value {
        let mut operation = Map::new();
        let op = self.of(&["add", "Replace", "remove", "Remove", "ADD", "replace", "x"]);
        operation.insert("op".into(), op.into());
        if self.below(4) != 0 {
            operation.insert("path".into(), self.key().into());
        }
        if self.below(8) != 0 {
            operation.insert("value".into(), self.value(3));
        }
        operation.into()
    }
}

fn user() -> Document {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ada",
        "name": {"givenName": "Ada"}, "emails": [{"value": "a@b", "type": "work", "primary": true}],
        ENTERPRISE: {"manager": {"value": "1"}},
    });
    Document::read(Kind::User, &body).unwrap()
}

fn group() -> Document {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Staff",
        "members": [{"value": "1"}, {"value": "2", "type": "User"}],
    });
    Document::read(Kind::Group, &body).unwrap()
}

#[test]
fn any_text_is_a_filter_or_is_refused() {
    let mut random = Random(0x5EED_0001);
    let resources = [user().into_value(), group().into_value()];
    let whole = [
        "emails[type eq \"work\" and value co \"@x\"] or not (active eq true)",
        "meta.lastModified gt \"2026-01-01T00:00:00Z\" and (title pr)",
        "urn:ietf:params:scim:schemas:core:2.0:User:userName sw \"a\\u00e9\"",
    ];
    let mut read = 0;
    for round in 0..ROUNDS {
        let text = if round % 2 == 0 {
            random.text()
        } else {
            let text = random.of(&whole);
            random.damaged(text)
        };
        match Filter::parse(&text) {
            Ok(filter) => {
                read += 1;
                let _ = filter.equality();
                for resource in &resources {
                    let _ = filter.matches(resource);
                }
            }
            Err(error) => {
                assert_eq!((error.status, error.scim_type), (400, Some("invalidFilter")), "{text}");
                assert!(!error.detail.contains('\n'), "{}", error.detail);
            }
        }
    }
    assert!(read > ROUNDS / 50, "only {read} were filters");
}

#[test]
fn any_patch_is_done_or_is_refused() {
    let mut random = Random(0x5EED_0002);
    let resources = [user(), group()];
    let mut done = 0;
    for round in 0..ROUNDS {
        let document = resources.get(round % 2).unwrap();
        let operations: Vec<Value> = (0..=random.below(3)).map(|_| random.operation()).collect();
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
        let body = json!({"schemas": schemas, "Operations": operations});
        match patch(document.kind(), document, &body) {
            Ok(changed) => {
                done += 1;
                let again = Document::read(changed.kind(), &changed.clone().into_value());
                assert_eq!(again.as_ref(), Ok(&changed), "{body}");
            }
            Err(error) => {
                assert_eq!(error.status, 400, "{body}");
                assert!(error.scim_type.is_some(), "{body}");
            }
        }
    }
    assert!(done > ROUNDS / 50, "only {done} were done");
}

#[test]
fn any_message_is_read_or_refused() {
    let mut random = Random(0x5EED_0003);
    for _ in 0..ROUNDS {
        let mut body = random.object(4);
        body.insert("schemas".into(), json!(["urn:ietf:params:scim:schemas:core:2.0:User"]));
        body.insert("userName".into(), random.value(1));
        let names = random.text();
        if let Ok(document) = Document::read(Kind::User, &body.into()) {
            let _ = (document.display_name(), document.primary_email(), document.members());
            let value = document.into_value();
            if let Ok(projection) = Projection::parse(Some(&names), None) {
                let shown = projection.apply(Kind::User, value.clone());
                assert_eq!(shown.get("schemas"), value.get("schemas"));
            }
            let excluded = Projection::parse(None, Some(&names)).unwrap();
            assert!(excluded.apply(Kind::User, value).get("schemas").is_some());
        }
    }
}
