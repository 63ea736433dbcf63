//! Which parameters and properties of a document name objects: those whose names say so.

use super::yaml::Node;
use std::ops::Range;

/// Deepest schema that is followed. Bodies of published documents stay below ten; beyond this a schema that
/// holds itself in new clothes would never end.
const DEPTH_MAX: usize = 32;

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

/// A reference that leads nowhere, and where it stands.
pub(super) struct Astray {
    pub(super) reference: String,
    pub(super) span: Range<usize>,
}

/// The id properties of a request body, at any depth.
///
/// # Errors
/// [`Astray`]: what cannot be followed could hold any id.
pub(super) fn of_body(root: &Node, body: &Node) -> Result<Vec<IdProperty>, Astray> {
    let mut walk = Walk { root, open: Vec::new(), found: Vec::new() };
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
}

impl<'d> Walk<'d> {
    fn schema(&mut self, node: &'d Node, pointer: &str) -> Result<(), Astray> {
        let open = self.open.len();
        if let Some(reference) = node.get("$ref").and_then(Node::text) {
            if self.open.contains(&reference) || open >= DEPTH_MAX {
                return Ok(());
            }
            self.open.push(reference);
            let target = self.follow(node)?;
            self.schema(target, pointer)?;
            self.open.truncate(open);
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
        for part in ["items", "additionalProperties"] {
            if let Some(part) = node.get(part) {
                self.schema(part, &format!("{pointer}/-"))?;
            }
        }
        for part in ["then", "else"] {
            if let Some(part) = node.get(part) {
                self.schema(part, pointer)?;
            }
        }
        for list in ["allOf", "oneOf", "anyOf"] {
            for part in node.get(list).map(Node::items).unwrap_or_default() {
                self.schema(part, pointer)?;
            }
        }
        for part in node.get("prefixItems").map(Node::items).unwrap_or_default() {
            self.schema(part, &format!("{pointer}/-"))?;
        }
        Ok(())
    }

    fn keep(&mut self, name: &str, pointer: &str) {
        let property = IdProperty { name: name.to_owned(), pointer: pointer.to_owned() };
        if !self.found.contains(&property) {
            self.found.push(property);
        }
    }

    /// The node itself, or the one its `$ref` leads to.
    fn follow(&self, node: &'d Node) -> Result<&'d Node, Astray> {
        let Some(reference) = node.get("$ref") else { return Ok(node) };
        let text = reference.text().unwrap_or_default();
        let mut at = text.strip_prefix("#/").map(|_| self.root);
        for step in text.split('/').skip(1) {
            // RFC 6901 §4: `~1` is `/`, then `~0` is `~`.
            let step = step.replace("~1", "/").replace("~0", "~");
            at = at.and_then(|node| node.get(&step));
        }
        at.ok_or_else(|| Astray { reference: text.to_owned(), span: reference.span.clone() })
    }
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
        assert_eq!(pointers(DOCUMENT).unwrap(), ["/teamId", "/ids", "/a/site_id"]);
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
