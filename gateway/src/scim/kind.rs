//! The two kinds of resources, and how an attribute of one is named and found.

use serde_json::{Map, Value};

use super::attribute::table::{COMMON, ENTERPRISE_USER, GROUP, USER};
use super::attribute::{Attribute, find};

/// The schema of a user.
pub(super) const USER_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// The schema of a group.
pub(super) const GROUP_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// The schema of what only users of enterprises have.
pub(super) const ENTERPRISE_SCHEMA: &str =
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A kind of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Somebody who may sign in.
    User,
    /// A list of users.
    Group,
}

/// Which schema an attribute is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// The resource itself.
    Core,
    /// The extension of enterprises: an object within the resource, under its URN.
    Extension,
}

/// Where values are: an attribute, or a part of one.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The schema.
    pub home: Home,
    /// The attribute.
    pub attribute: &'static Attribute,
    /// The part, if one is named.
    pub part: Option<&'static Attribute>,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub enum Named {
    /// The whole extension.
    Extension,
    /// An attribute, or a part of one.
    Place(Place),
    /// Nothing that is kept.
    Unknown,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::User, Self::Group];

    /// The kind of a resource, by its `schemas`.
    pub fn of(resource: &Map<String, Value>) -> Option<Self> {
        let schemas = resource.get("schemas").and_then(Value::as_array)?;
        Self::ALL.into_iter().find(|kind| {
            let mut given = schemas.iter().filter_map(Value::as_str);
            given.any(|schema| schema.eq_ignore_ascii_case(kind.schema()))
        })
    }

    /// The name, as `meta.resourceType` says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// The path of its resources.
    #[must_use]
    pub const fn endpoint(self) -> &'static str {
        match self {
            Self::User => "/Users",
            Self::Group => "/Groups",
        }
    }

    /// The schema.
    #[must_use]
    pub const fn schema(self) -> &'static str {
        match self {
            Self::User => USER_SCHEMA,
            Self::Group => GROUP_SCHEMA,
        }
    }

    /// The attributes of the schema.
    #[must_use]
    pub const fn attributes(self) -> &'static [Attribute] {
        match self {
            Self::User => USER,
            Self::Group => GROUP,
        }
    }

    /// The extension and its attributes, if it has one.
    #[must_use]
    pub const fn extension(self) -> Option<(&'static str, &'static [Attribute])> {
        match self {
            Self::User => Some((ENTERPRISE_SCHEMA, ENTERPRISE_USER)),
            Self::Group => None,
        }
    }

    /// The attribute of the resource itself with this name.
    #[must_use]
    pub fn attribute(self, name: &str) -> Option<&'static Attribute> {
        find(COMMON, name).or_else(|| find(self.attributes(), name))
    }

    /// What a name stands for: `attribute`, `attribute.part`, or either after a schema and a colon.
    pub fn named(self, text: &str) -> Named {
        // RFC 7644 §3.10: the schema goes before the attribute, with a colon between.
        if let Some(rest) = after_schema(text, self.schema()) {
            return self.core(rest).map_or(Named::Unknown, Named::Place);
        }
        if let Some((urn, _)) = self.extension()
            && let Some(rest) = after_schema(text, urn)
        {
            if text.len() == urn.len() {
                return Named::Extension;
            }
            return self.extended(rest).map_or(Named::Unknown, Named::Place);
        }
        // Entra ID names `manager` without its schema.
        self.core(text).or_else(|| self.extended(text)).map_or(Named::Unknown, Named::Place)
    }

    fn core(self, text: &str) -> Option<Place> {
        let (name, part) = halves(text);
        placed(Home::Core, self.attribute(name)?, part)
    }

    fn extended(self, text: &str) -> Option<Place> {
        let (name, part) = halves(text);
        placed(Home::Extension, find(self.extension()?.1, name)?, part)
    }
}

impl Place {
    /// The object the attribute is in: the resource, or the extension within it.
    pub fn container<'a>(
        &self,
        resource: &'a Map<String, Value>,
    ) -> Option<&'a Map<String, Value>> {
        match self.home {
            Home::Core => Some(resource),
            Home::Extension => resource.get(ENTERPRISE_SCHEMA).and_then(Value::as_object),
        }
    }

    /// The name, as errors tell it.
    #[must_use]
    pub fn name(&self) -> String {
        match self.part {
            Some(part) => format!("{}.{}", self.attribute.name, part.name),
            None => self.attribute.name.to_owned(),
        }
    }
}

/// What follows the schema and its colon; nothing where it is the schema alone.
fn after_schema<'a>(text: &'a str, schema: &str) -> Option<&'a str> {
    // RFC 7643 §2.1 has names in any case. Clients write the schema before them in any case too.
    let (start, rest) = text.split_at_checked(schema.len())?;
    if !start.eq_ignore_ascii_case(schema) {
        return None;
    }
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(':') }
}

fn halves(text: &str) -> (&str, Option<&str>) {
    text.split_once('.').map_or((text, None), |(name, part)| (name, Some(part)))
}

fn placed(home: Home, attribute: &'static Attribute, part: Option<&str>) -> Option<Place> {
    let part = match part {
        Some(part) => Some(attribute.part(part)?),
        None => None,
    };
    Some(Place { home, attribute, part })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(kind: Kind, text: &str) -> String {
        match kind.named(text) {
            Named::Extension => "(extension)".into(),
            Named::Place(place) if place.home == Home::Extension => format!("+{}", place.name()),
            Named::Place(place) => place.name(),
            Named::Unknown => "(unknown)".into(),
        }
    }

    #[test]
    fn names_are_found_with_and_without_their_schema() {
        let enterprise = ENTERPRISE_SCHEMA;
        let cases = [
            ("USERNAME", "userName"),
            ("name.GivenName", "name.givenName"),
            ("id", "id"),
            ("meta.lastModified", "meta.lastModified"),
            (&format!("{USER_SCHEMA}:userName"), "userName"),
            (&format!("{USER_SCHEMA}:name.familyName").to_uppercase(), "name.familyName"),
            (enterprise, "(extension)"),
            (&format!("{enterprise}:department"), "+department"),
            (&format!("{enterprise}:manager.value"), "+manager.value"),
            ("manager", "+manager"),
        ];
        for (text, expected) in cases {
            assert_eq!(told(Kind::User, text), expected, "{text}");
        }
    }

    #[test]
    fn other_names_stand_for_nothing() {
        let of_groups = format!("{GROUP_SCHEMA}:displayName");
        let of_nothing = format!("{ENTERPRISE_SCHEMA}:");
        for text in [
            "",
            ".",
            "password",
            "name.",
            "name.x",
            "userName.value",
            "emails.value.x",
            ":userName",
            USER_SCHEMA,
            &of_groups,
            &of_nothing,
            "urn:other:1.0:User:userName",
            "é",
        ] {
            assert_eq!(told(Kind::User, text), "(unknown)", "{text}");
        }
        assert_eq!(told(Kind::Group, ENTERPRISE_SCHEMA), "(unknown)");
        assert_eq!(told(Kind::Group, "userName"), "(unknown)");
    }

    #[test]
    fn a_resource_has_the_kind_its_schemas_say() {
        let of = |schemas: Value| Kind::of(json!({ "schemas": schemas }).as_object().unwrap());
        assert_eq!(of(json!([ENTERPRISE_SCHEMA, USER_SCHEMA])), Some(Kind::User));
        assert_eq!(of(json!([GROUP_SCHEMA.to_uppercase()])), Some(Kind::Group));
        for schemas in [json!([]), json!(null), json!([1]), json!(USER_SCHEMA)] {
            assert_eq!(of(schemas), None);
        }
    }
}
