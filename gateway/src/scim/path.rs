//! Where an operation of a patch works: an attribute, a part, chosen values of a list, or the whole extension.

use super::error::{ScimError, quoted};
use super::filter::{Chosen, FILTER_BYTES_MAX, value_path};
use super::kind::{Kind, Named, Place};

/// A path that was read (RFC 7644 §3.5.2).
#[derive(Clone, Debug)]
pub(crate) enum Path {
    /// An attribute, or a part of an attribute with one value.
    Place(Place),
    /// Chosen values of a list, or a part of each.
    Chosen(Chosen),
    /// The extension.
    Extension,
    /// What is not kept.
    Unknown,
}

impl Path {
    /// Reads the path of an operation, at most `FILTER_BYTES_MAX` bytes.
    ///
    /// # Errors
    /// 400 `invalidPath` if it cannot be read, or names a part of a list without saying of which values.
    pub(crate) fn parse(kind: Kind, text: &str) -> Result<Self, ScimError> {
        if text.len() > FILTER_BYTES_MAX {
            let detail = format!("a path has at most {FILTER_BYTES_MAX} bytes");
            return Err(ScimError::invalid_path(detail));
        }
        let path = Self::of_key(kind, text)?;
        if matches!(path, Self::Unknown) && !text.contains('[') && !is_name(text) {
            let detail = format!("the path {} cannot be read", quoted(text));
            return Err(ScimError::invalid_path(detail));
        }
        Ok(path)
    }

    /// Reads a key of the object that stands for paths and their values. Any text is a key.
    ///
    /// # Errors
    /// As [`Self::parse`], for a key with a filter or of a list.
    pub(crate) fn of_key(kind: Kind, text: &str) -> Result<Self, ScimError> {
        // Entra ID has filters in keys too.
        if text.contains('[') {
            let chosen = value_path(kind, text)?;
            return Ok(chosen.map_or(Self::Unknown, Self::Chosen));
        }
        match kind.named(text.trim()) {
            Named::Extension => Ok(Self::Extension),
            Named::Unknown => Ok(Self::Unknown),
            Named::Place(place) if place.attribute.multi_valued && place.part.is_some() => {
                let detail =
                    format!("`{}` is a list: choose values with a filter", place.attribute.name);
                Err(ScimError::invalid_path(detail))
            }
            Named::Place(place) => Ok(Self::Place(place)),
        }
    }
}

/// Whether a text could name an attribute of somebody's schema.
fn is_name(text: &str) -> bool {
    let mut characters = text.trim().chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && characters.all(|next| next.is_ascii_alphanumeric() || "-_.:$".contains(next))
}

#[cfg(test)]
mod tests {
    use super::super::kind::ENTERPRISE_SCHEMA;
    use super::*;

    #[test]
    fn paths_lead_to_what_is_kept() {
        let told = |text: &str| match Path::parse(Kind::User, text).unwrap() {
            Path::Place(place) => place.name(),
            Path::Chosen(Chosen { place, part, .. }) => {
                format!("{}[].{}", place.name(), part.map_or("*", |part| part.name))
            }
            Path::Extension => "(extension)".into(),
            Path::Unknown => "(unknown)".into(),
        };
        let department = format!("{ENTERPRISE_SCHEMA}:department");
        let qualified = "urn:ietf:params:scim:schemas:core:2.0:User:emails[type eq \"a\"].value";
        let cases = [
            ("active", "active"),
            (" NAME.familyname ", "name.familyName"),
            ("emails[type eq \"work\"]", "emails[].*"),
            ("emails[type eq \"work\"].VALUE", "emails[].value"),
            (qualified, "emails[].value"),
            (ENTERPRISE_SCHEMA, "(extension)"),
            (department.as_str(), "department"),
            ("password", "(unknown)"),
            ("roles[primary eq \"True\"].value", "(unknown)"),
            ("emails[type eq \"work\"].colour", "(unknown)"),
            ("urn:example:2.0:User:tag", "(unknown)"),
        ];
        for (text, expected) in cases {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let deep = format!("emails[{}type pr{}]", "(".repeat(16), ")".repeat(16));
        let long = "a".repeat(FILTER_BYTES_MAX + 1);
        for text in [
            "",
            " ",
            "a b",
            "1",
            "emails[",
            "emails[]",
            "emails[type eq \"work\"",
            "emails.value",
            "emails[type eq \"work\"]value",
            "emails[type eq \"work\"].a.b",
            "name[givenName pr]",
            "userName[value pr]",
            "schemas[value pr]",
            "[type pr]",
            "é",
            &deep,
            &long,
        ] {
            let error = Path::parse(Kind::User, text).unwrap_err();
            assert_eq!((error.status, error.scim_type), (400, Some("invalidPath")), "{text}");
        }
    }
}
