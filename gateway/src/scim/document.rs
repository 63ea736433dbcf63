//! A resource as it is kept: names spelt as in the schema, values of the right types, nothing of the server's own.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::error::ScimError;
use super::kind::Kind;

pub(crate) mod read;
mod value;

pub use value::MEMBERS_MAX;

/// A user or a group that was read and checked.
///
/// It has `schemas`, and neither `id` nor `meta` nor `groups`: those are the server's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Document(Map<String, Value>);

/// What only the server says of a resource.
#[derive(Clone, Copy, Debug)]
pub struct ReadOnly<'a> {
    /// The id.
    pub id: &'a str,
    /// When it was made, as RFC 3339 writes it.
    pub created: &'a str,
    /// When it was last changed, as RFC 3339 writes it.
    pub last_modified: &'a str,
    /// Its URL.
    pub location: &'a str,
    /// Its entity tag, quotes included.
    pub version: &'a str,
    /// The groups a user belongs to. A group has none.
    pub groups: &'a [GroupReference],
}

/// A group a user belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupReference {
    /// The group's id.
    pub id: String,
    /// The group's name.
    pub display_name: String,
    /// The group's URL.
    pub location: String,
}

impl Document {
    /// Reads a resource from a request's body, or from where it was kept.
    ///
    /// Dropped without a word: attributes and schemas that are not known (`password` among them), what only the server
    /// says (`id`, `meta`, `groups`), nulls, and empty lists. `"True"` and `"False"` are read as booleans.
    ///
    /// # Errors
    /// 400 `invalidSyntax` if it is not a resource of this kind, or says an attribute twice; 400 `invalidValue` if a
    /// value is missing or of another type, is longer than `TEXT_BYTES_MAX`, or is one of more than `VALUES_MAX`
    /// ([`MEMBERS_MAX`] members), or if two values of a list are `primary`.
    pub fn read(kind: Kind, body: &Value) -> Result<Self, ScimError> {
        read::resource(kind, body).map(Self)
    }

    /// What it holds.
    #[must_use]
    pub const fn attributes(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The same as JSON, to be kept.
    #[must_use]
    pub fn into_value(self) -> Value {
        Value::Object(self.0)
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        // INVARIANT: whatever is read has the schema of its kind.
        Kind::of(&self.0).unwrap_or(Kind::User)
    }

    /// The name to sign in with. A group has none.
    #[must_use]
    pub fn user_name(&self) -> Option<&str> {
        text(&self.0, "userName")
    }

    /// The name the client gave it.
    #[must_use]
    pub fn external_id(&self) -> Option<&str> {
        text(&self.0, "externalId")
    }

    /// The name to show: `displayName`, else the whole name, else its parts, else the name to sign in with.
    pub fn display_name(&self) -> String {
        let name = self.0.get("name").and_then(Value::as_object);
        let whole = || text(&self.0, "displayName").or_else(|| text(name?, "formatted"));
        if let Some(whole) = whole() {
            return whole.to_owned();
        }
        let part = |key| name.and_then(|name| text(name, key));
        match (part("givenName"), part("familyName")) {
            (Some(given), Some(family)) => format!("{given} {family}"),
            (Some(one), None) | (None, Some(one)) => one.to_owned(),
            (None, None) => self.user_name().unwrap_or_default().to_owned(),
        }
    }

    /// Whether the user may sign in: yes, where nothing is said.
    pub fn active(&self) -> bool {
        self.0.get("active").and_then(Value::as_bool).unwrap_or(true)
    }

    /// The e-mail address marked primary, else the first one.
    pub fn primary_email(&self) -> Option<&str> {
        let emails = self.0.get("emails").and_then(Value::as_array)?;
        let all = || emails.iter().filter_map(Value::as_object);
        let primary = |email: &&Map<String, Value>| email.get("primary") == Some(&json!(true));
        let marked = all().filter(primary).find_map(|email| text(email, "value"));
        marked.or_else(|| all().find_map(|email| text(email, "value")))
    }

    /// The members of a group, by their ids. Each is there once.
    pub fn members(&self) -> Vec<&str> {
        let members = self.0.get("members").and_then(Value::as_array);
        let each = members.into_iter().flatten().filter_map(Value::as_object);
        each.filter_map(|member| text(member, "value")).collect()
    }

    /// The resource as it is answered, with what only the server says.
    pub fn with_read_only(&self, read_only: &ReadOnly<'_>) -> Value {
        let mut shown = self.0.clone();
        let kind = self.kind();
        shown.insert("id".into(), read_only.id.into());
        // RFC 7643 §3.1: every resource has its metadata.
        let meta = json!({
            "resourceType": kind.name(),
            "created": read_only.created,
            "lastModified": read_only.last_modified,
            "location": read_only.location,
            "version": read_only.version,
        });
        shown.insert("meta".into(), meta);
        if kind == Kind::User {
            // Clients take a user without `active` for one who may not sign in.
            shown.insert("active".into(), self.active().into());
            let groups: Vec<Value> = read_only.groups.iter().map(GroupReference::shown).collect();
            if !groups.is_empty() {
                shown.insert("groups".into(), groups.into());
            }
        }
        Value::Object(shown)
    }
}

impl GroupReference {
    fn shown(&self) -> Value {
        json!({
            "value": self.id,
            "$ref": self.location,
            "display": self.display_name,
            "type": "direct",
        })
    }
}

/// A text that says something.
fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests;
