//! Which parameters and properties of a document name objects: those whose names say so.

use super::yaml::Node;
use std::ops::Range;

/// Deepest schema that is followed. Bodies of published documents stay below ten.
const DEPTH_MAX: usize = 64;

/// Most schemas looked at for one body: those of published documents have some hundreds.
const SCHEMAS_MAX: usize = 20_000;

/// How often a schema is followed within itself: the second time shows what stands in the first one's place.
const FOLLOWED_MAX: usize = 2;

/// Most references from one to the next.
const REFERENCES_MAX: usize = 8;

/// A property of a request body that holds an id, or a list of ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct IdProperty {
    /// Its name.
    pub(in crate::config) name: String,
    /// Its place in the body as a JSON Pointer; `-` stands for every item of a list.
    pub(in crate::config) pointer: String,
}

/// Whether a name says that it holds ids: `teamId`, `team_id`, `teamIds`, `ids`. `id` alone is the thing's own.
pub(in crate::config) fn names_objects(name: &str) -> bool {
    let endings = ["Id", "Ids", "ID", "IDs", "_id", "_ids", "-id", "-ids"];
    name == "ids" || endings.iter().any(|ending| name.ends_with(ending))
}

/// What cannot be followed, and where it stands.
pub(super) struct Astray {
    pub(super) reference: String,
    pub(super) what: &'static str,
    pub(super) span: Range<usize>,
}

/// The id properties of a request body, at any depth.
///
/// # Errors
/// [`Astray`]: what cannot be followed could hold any id.
pub(super) fn of_body(root: &Node, body: &Node) -> Result<Vec<IdProperty>, Astray> {
    let mut walk = Walk { root, open: Vec::new(), found: Vec::new(), depth: 0, seen: 0 };
    let body = walk.follow(body)?;
    for (_, media) in body.get("content").map(Node::entries).unwrap_or_default() {
        if let Some(schema) = media.get("schema") {
            walk.schema(schema, "")?;
        }
    }
    Ok(walk.found)
}

struct Walk<'d> {
    root: &'d Node,
    /// The references being followed: a schema may hold itself.
    open: Vec<&'d str>,
    found: Vec<IdProperty>,
    depth: usize,
    seen: usize,
}

impl<'d> Walk<'d> {
    fn schema(&mut self, node: &'d Node, pointer: &str) -> Result<(), Astray> {
        self.seen += 1;
        if self.depth >= DEPTH_MAX || self.seen > SCHEMAS_MAX {
            let (reference, span) = (pointer.to_owned(), node.span.clone());
            return Err(Astray {
                reference,
                what: "of the body is too large to be followed",
                span,
            });
        }
        self.depth += 1;
        self.within(node, pointer)?;
        self.depth -= 1;
        Ok(())
    }

    /// The parts of a schema that say something of the same value, of its members and of its items
    /// (JSON Schema 2020-12, core §10 and §11).
    fn within(&mut self, node: &'d Node, pointer: &str) -> Result<(), Astray> {
        let open = self.open.len();
        if let Some(reference) = node.get("$ref").and_then(Node::text) {
            let followed = self.open.iter().filter(|known| **known == reference).count();
            if followed < FOLLOWED_MAX {
                self.open.push(reference);
                let target = self.follow(node)?;
                self.schema(target, pointer)?;
                self.open.truncate(open);
            }
        }
        for (key, property) in node.get("properties").map(Node::entries).unwrap_or_default() {
            // RFC 6901 §3.
            let token = key.name.replace('~', "~0").replace('/', "~1");
            let pointer = format!("{pointer}/{token}");
            if names_objects(&key.name) {
                self.keep(&key.name, &pointer);
            }
            self.schema(property, &pointer)?;
        }
        for (part, below) in [
            ("items", true),
            ("contains", true),
            ("unevaluatedItems", true),
            ("additionalProperties", true),
            ("unevaluatedProperties", true),
            ("if", false),
            ("then", false),
            ("else", false),
            ("not", false),
        ] {
            if let Some(part) = node.get(part) {
                self.schema(part, &under(pointer, below))?;
            }
        }
        for (list, below) in
            [("allOf", false), ("oneOf", false), ("anyOf", false), ("prefixItems", true)]
        {
            for part in node.get(list).map(Node::items).unwrap_or_default() {
                self.schema(part, &under(pointer, below))?;
            }
        }
        for (map, below) in [("patternProperties", true), ("dependentSchemas", false)] {
            for (_, part) in node.get(map).map(Node::entries).unwrap_or_default() {
                self.schema(part, &under(pointer, below))?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, name: &str, pointer: &str) {
        let property = IdProperty { name: name.to_owned(), pointer: pointer.to_owned() };
        if !self.found.contains(&property) {
            self.found.push(property);
        }
    }

    /// The node itself, or the one its `$ref` leads to in the end.
    fn follow(&self, node: &'d Node) -> Result<&'d Node, Astray> {
        let mut node = node;
        for _ in 0..REFERENCES_MAX {
            let Some(reference) = node.get("$ref") else { return Ok(node) };
            let text = reference.text().unwrap_or_default();
            let astray = || Astray {
                reference: text.to_owned(),
                what: "leads to nothing in this document",
                span: reference.span.clone(),
            };
            node = self.root.referenced(text).ok_or_else(astray)?;
        }
        let (reference, span) = ("$ref".to_owned(), node.span.clone());
        Err(Astray { reference, what: "leads from one reference to the next", span })
    }
}

/// The place itself, or that of anything in it.
fn under(pointer: &str, below: bool) -> String {
    if below { format!("{pointer}/-") } else { pointer.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::yaml;
    use super::*;

    const DOCUMENT: &str = "\
components:
  schemas:
    Tree:
      properties:
        id: {type: string}
        teamId: {type: string}
        below: {type: array, items: {$ref: '#/components/schemas/Tree'}}
body:
  content:
    application/json:
      schema:
        allOf:
          - {$ref: '#/components/schemas/Tree'}
          - {properties: {ids: {type: array}, note: {type: string}, a: {properties: {site_id: {}}}}}
";

    fn pointers(document: &str) -> Result<Vec<String>, String> {
        let root = yaml::read(document).unwrap();
        let found = of_body(&root, root.get("body").unwrap());
        let found = found.map_err(|astray| astray.reference)?;
        Ok(found.into_iter().map(|property| property.pointer).collect())
    }

    #[test]
    fn finds_ids_at_any_depth_and_ends_in_a_circle() {
        let all = ["/teamId", "/below/-/teamId", "/ids", "/a/site_id"];
        assert_eq!(pointers(DOCUMENT).unwrap(), all);
    }

    #[test]
    fn finds_ids_wherever_a_schema_may_stand() {
        for part in [
            "not: {properties: {teamId: {}}}",
            "if: {properties: {teamId: {}}}",
            "patternProperties: {'^x': {properties: {teamId: {}}}}",
            "dependentSchemas: {note: {properties: {teamId: {}}}}",
            "contains: {properties: {teamId: {}}}",
            "unevaluatedProperties: {properties: {teamId: {}}}",
        ] {
            let document = format!("body: {{content: {{a: {{schema: {{{part}}}}}}}}}");
            assert_eq!(pointers(&document).unwrap().len(), 1, "{part}");
        }
    }

    #[test]
    fn follows_a_reference_to_a_reference_and_tells_a_circle_of_them() {
        let document = "\
components: {a: {$ref: '#/components/b'}, b: {content: {x: {schema: {properties: {teamId: {}}}}}}}
body: {$ref: '#/components/a'}
";
        assert_eq!(pointers(document).unwrap(), ["/teamId"]);
        let circle = "components: {a: {$ref: '#/components/a'}}\nbody: {$ref: '#/components/a'}\n";
        assert_eq!(pointers(circle).unwrap_err(), "$ref");
    }

    #[test]
    fn what_is_too_deep_is_told() {
        let schema = |n: usize| {
            let next = n + 1;
            format!("  s{n}: {{properties: {{a: {{$ref: '#/all/s{next}'}}}}}}\n")
        };
        let all: String = (0..DEPTH_MAX).map(schema).collect();
        let body = "body: {content: {a: {schema: {$ref: '#/all/s0'}}}}";
        let document = format!("all:\n{all}  s{DEPTH_MAX}: {{}}\n{body}\n");
        assert!(pointers(&document).unwrap_err().starts_with("/a/a"));
    }

    #[test]
    fn a_reference_that_leads_nowhere_is_told() {
        for wrong in ["#/components/schemas/Nothing", "other.yaml#/Tree"] {
            let document = DOCUMENT.replace("#/components/schemas/Tree", wrong);
            assert_eq!(pointers(&document).unwrap_err(), wrong);
        }
    }

    #[test]
    fn a_name_says_whether_it_holds_ids() {
        for name in ["teamId", "teamIds", "team_id", "ids"] {
            assert!(names_objects(name), "{name}");
        }
        for name in ["id", "paid", "grid", "name"] {
            assert!(!names_objects(name), "{name}");
        }
    }
}
