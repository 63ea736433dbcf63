//! Which attributes an answer has: the parameters `attributes` and `excludedAttributes` (RFC 7644 §3.9).

use serde_json::{Map, Value};

use super::attribute::Returned;
use super::error::ScimError;
use super::kind::{ENTERPRISE_SCHEMA, Home, Kind, Named, Place};

/// Longest list of names, in bytes: every name there is, with its schema.
pub(super) const NAMES_BYTES_MAX: usize = 4_096;

/// Which attributes are answered. `schemas` and `id` always are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Projection {
    /// All.
    #[default]
    Whole,
    /// These, and no others.
    Only(Vec<String>),
    /// All but these.
    Except(Vec<String>),
}

impl Projection {
    /// Reads the two parameters: names with commas between. Names that are not known stand for nothing.
    ///
    /// # Errors
    /// 400 `invalidValue` if both are given, or one has more than `NAMES_BYTES_MAX` bytes.
    pub fn parse(attributes: Option<&str>, excluded: Option<&str>) -> Result<Self, ScimError> {
        // A parameter without a name in it says nothing.
        let attributes = attributes.filter(|given| !given.trim().is_empty());
        let excluded = excluded.filter(|given| !given.trim().is_empty());
        match (attributes, excluded) {
            (None, None) => Ok(Self::Whole),
            (Some(given), None) => names(given).map(Self::Only),
            (None, Some(given)) => names(given).map(Self::Except),
            // RFC 7644 §3.9: the two parameters are mutually exclusive.
            (Some(_), Some(_)) => {
                Err(ScimError::invalid_value("give `attributes` or `excludedAttributes`, not both"))
            }
        }
    }

    /// Whether anything of an attribute is answered: a caller need not look for what is not.
    #[must_use]
    pub fn wants(&self, kind: Kind, attribute: &str) -> bool {
        let Named::Place(wanted) = kind.named(attribute) else { return false };
        if wanted.attribute.returned == Returned::Always {
            return true;
        }
        let name = wanted.attribute.name;
        match self {
            Self::Whole => true,
            Self::Only(names) => places(kind, names).any(|place| match place {
                Named::Place(place) => place.attribute.name == name,
                Named::Extension => wanted.home == Home::Extension,
                Named::Unknown => false,
            }),
            Self::Except(names) => !places(kind, names).any(|place| match place {
                Named::Place(place) => place.part.is_none() && place.attribute.name == name,
                Named::Extension => wanted.home == Home::Extension,
                Named::Unknown => false,
            }),
        }
    }

    /// The resource as it is answered.
    #[must_use]
    pub fn apply(&self, kind: Kind, resource: Value) -> Value {
        let Value::Object(mut resource) = resource else { return resource };
        match self {
            Self::Whole => {}
            Self::Only(names) => return only(kind, &resource, names).into(),
            Self::Except(names) => {
                for named in places(kind, names) {
                    exclude(&mut resource, named);
                }
            }
        }
        resource.into()
    }
}

fn names(given: &str) -> Result<Vec<String>, ScimError> {
    if given.len() > NAMES_BYTES_MAX {
        let detail = format!("a list of attributes has at most {NAMES_BYTES_MAX} bytes");
        return Err(ScimError::invalid_value(detail));
    }
    let names = given.split(',').map(str::trim).filter(|name| !name.is_empty());
    Ok(names.map(str::to_owned).collect())
}

fn places(kind: Kind, names: &[String]) -> impl Iterator<Item = Named> {
    names.iter().map(move |name| kind.named(name))
}

fn only(kind: Kind, resource: &Map<String, Value>, names: &[String]) -> Map<String, Value> {
    let mut shown = Map::new();
    // RFC 7644 §3.9: what is always returned is, whatever is asked for.
    for always in ["schemas", "id"].map(|name| kind.named(name)) {
        include(&mut shown, resource, always);
    }
    for named in places(kind, names) {
        include(&mut shown, resource, named);
    }
    shown
}

fn include(shown: &mut Map<String, Value>, resource: &Map<String, Value>, named: Named) {
    match named {
        Named::Unknown => {}
        Named::Extension => {
            if let Some(extension) = resource.get(ENTERPRISE_SCHEMA) {
                shown.insert(ENTERPRISE_SCHEMA.to_owned(), extension.clone());
            }
        }
        Named::Place(place) => {
            let name = place.attribute.name;
            let Some(whole) = place.container(resource).and_then(|object| object.get(name)) else {
                return;
            };
            let target = match place.home {
                Home::Core => Some(shown),
                Home::Extension => {
                    let entry = shown.entry(ENTERPRISE_SCHEMA);
                    entry.or_insert_with(|| Map::new().into()).as_object_mut()
                }
            };
            if let Some(target) = target {
                include_place(target, &place, whole);
            }
        }
    }
}

fn include_place(target: &mut Map<String, Value>, place: &Place, whole: &Value) {
    let name = place.attribute.name;
    let Some(part) = place.part else {
        target.insert(name.to_owned(), whole.clone());
        return;
    };
    let held = target.entry(name).or_insert_with(|| match whole {
        Value::Array(values) => vec![Value::Object(Map::new()); values.len()].into(),
        _ => Map::new().into(),
    });
    match (held, whole) {
        (Value::Array(held), Value::Array(whole)) => {
            for (held, whole) in held.iter_mut().zip(whole) {
                copy_part(held, whole, part.name);
            }
        }
        (held, whole) => copy_part(held, whole, part.name),
    }
}

fn copy_part(held: &mut Value, whole: &Value, name: &str) {
    if let (Some(held), Some(value)) = (held.as_object_mut(), whole.get(name)) {
        held.insert(name.to_owned(), value.clone());
    }
}

fn exclude(resource: &mut Map<String, Value>, named: Named) {
    let place = match named {
        Named::Unknown => return,
        Named::Extension => {
            resource.remove(ENTERPRISE_SCHEMA);
            return;
        }
        Named::Place(place) => place,
    };
    // RFC 7644 §3.9: what is always returned cannot be excluded.
    if place.attribute.returned == Returned::Always {
        return;
    }
    let container = match place.home {
        Home::Core => Some(resource),
        Home::Extension => resource.get_mut(ENTERPRISE_SCHEMA).and_then(Value::as_object_mut),
    };
    let Some(container) = container else { return };
    let Some(part) = place.part else {
        container.remove(place.attribute.name);
        return;
    };
    match container.get_mut(place.attribute.name) {
        Some(Value::Array(values)) => {
            for value in values.iter_mut().filter_map(Value::as_object_mut) {
                value.remove(part.name);
            }
        }
        Some(Value::Object(parts)) => {
            parts.remove(part.name);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::kind::USER_SCHEMA;
    use super::*;

    fn user() -> Value {
        json!({
            "schemas": [USER_SCHEMA, ENTERPRISE_SCHEMA],
            "id": "7",
            "userName": "ada",
            "name": {"givenName": "Ada", "familyName": "Lovelace"},
            "emails": [{"value": "a@b", "type": "work"}, {"type": "home"}],
            "meta": {"version": "1"},
            ENTERPRISE_SCHEMA: {"department": "Engines", "costCenter": "5"},
        })
    }

    fn shown(attributes: Option<&str>, excluded: Option<&str>) -> Value {
        Projection::parse(attributes, excluded).unwrap().apply(Kind::User, user())
    }

    #[test]
    fn what_is_asked_for_is_shown_and_what_always_is() {
        let always = |more: Value| {
            let mut shown = json!({"schemas": [USER_SCHEMA, ENTERPRISE_SCHEMA], "id": "7"});
            shown.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            shown
        };
        let department = format!("{ENTERPRISE_SCHEMA}:department");
        let cases = [
            ("USERNAME", json!({"userName": "ada"})),
            ("name.givenName", json!({"name": {"givenName": "Ada"}})),
            ("name.givenName, name", json!({"name": user()["name"]})),
            ("emails.value", json!({"emails": [{"value": "a@b"}, {}]})),
            (&department, json!({ENTERPRISE_SCHEMA: {"department": "Engines"}})),
            (ENTERPRISE_SCHEMA, json!({ENTERPRISE_SCHEMA: user()[ENTERPRISE_SCHEMA]})),
            ("nothing,title,,password", json!({})),
        ];
        for (names, more) in cases {
            assert_eq!(shown(Some(names), None), always(more), "{names}");
        }
        assert_eq!(shown(None, None), user());
        assert_eq!(shown(Some(" "), Some("")), user());
    }

    #[test]
    fn what_is_excluded_is_not_shown_unless_it_always_is() {
        let without = |paths: &[&str]| {
            let mut user = user();
            for path in paths {
                let (above, key) = path.rsplit_once('/').unwrap();
                user.pointer_mut(above).unwrap().as_object_mut().unwrap().remove(key);
            }
            user
        };
        let department = format!("{ENTERPRISE_SCHEMA}:department");
        let pointer = format!("/{ENTERPRISE_SCHEMA}/department");
        let cases: [(&str, &[&str]); 6] = [
            ("emails, META", &["/emails", "/meta"]),
            ("name.familyName", &["/name/familyName"]),
            ("emails.type", &["/emails/0/type", "/emails/1/type"]),
            (&department, &[&pointer]),
            ("id,schemas,unknown", &[]),
            (ENTERPRISE_SCHEMA, &[&format!("/{ENTERPRISE_SCHEMA}")]),
        ];
        for (names, paths) in cases {
            assert_eq!(shown(None, Some(names)), without(paths), "{names}");
        }
    }

    #[test]
    fn a_caller_knows_what_it_need_not_look_for() {
        let wants = |attributes, excluded, name| {
            Projection::parse(attributes, excluded).unwrap().wants(Kind::Group, name)
        };
        assert!(wants(None, None, "members"));
        assert!(wants(Some("members.value"), None, "members"));
        assert!(!wants(Some("displayName"), None, "members"));
        assert!(!wants(None, Some("Members"), "members"));
        assert!(wants(None, Some("members.display"), "members"));
        assert!(wants(None, Some("id"), "id"));
        assert!(!wants(None, None, "emails"));
    }

    #[test]
    fn both_parameters_at_once_are_refused() {
        let long = "a".repeat(NAMES_BYTES_MAX + 1);
        for (attributes, excluded) in [(Some("id"), Some("id")), (Some(long.as_str()), None)] {
            let error = Projection::parse(attributes, excluded).unwrap_err();
            assert_eq!((error.status, error.scim_type), (400, Some("invalidValue")));
        }
    }
}
