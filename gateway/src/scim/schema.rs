//! What the server tells of itself (RFC 7644 §4): its configuration, its kinds of resources, and their schemas.

use serde_json::{Map, Value, json};

use super::attribute::{Attribute, Form, Mutability, Returned, Uniqueness};
use super::kind::Kind;
use super::list::{COUNT_MAX, list_response};

/// The schema of the configuration.
pub(super) const SERVICE_PROVIDER_SCHEMA: &str =
    "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";

/// The schema of a kind of resources.
pub(super) const RESOURCE_TYPE_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";

/// The schema of schemas.
pub(super) const SCHEMA_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";

/// The configuration (RFC 7643 §5). `base` is the URL of the service, without a slash at its end.
#[must_use]
pub fn service_provider_config(base: &str) -> Value {
    json!({
        "schemas": [SERVICE_PROVIDER_SCHEMA],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": COUNT_MAX },
        "changePassword": { "supported": false },
        "sort": { "supported": false },
        "etag": { "supported": true },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "OAuth Bearer Token",
            "description": "A token of the organisation, sent as `Authorization: Bearer`.",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{base}/ServiceProviderConfig"),
        },
    })
}

/// The kinds of resources (RFC 7643 §6), as a list.
#[must_use]
pub fn resource_types(base: &str) -> Value {
    let all: Vec<Value> = Kind::ALL.iter().map(|kind| shown_kind(*kind, base)).collect();
    listed(all)
}

/// The kind of resources with this id, `User` or `Group`.
#[must_use]
pub fn resource_type(base: &str, id: &str) -> Option<Value> {
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == id)?;
    Some(shown_kind(kind, base))
}

/// The schemas (RFC 7643 §7), as a list.
#[must_use]
pub fn schemas(base: &str) -> Value {
    listed(described().iter().map(|described| described.shown(base)).collect())
}

/// The schema with this URN, in any case.
#[must_use]
pub fn schema(base: &str, urn: &str) -> Option<Value> {
    let described = described();
    let found = described.iter().find(|described| described.urn.eq_ignore_ascii_case(urn));
    found.map(|described| described.shown(base))
}

/// A schema, and what it is called.
struct Described {
    urn: &'static str,
    name: &'static str,
    description: &'static str,
    attributes: &'static [Attribute],
}

fn described() -> Vec<Described> {
    let core = |kind: Kind, description| Described {
        urn: kind.schema(),
        name: kind.name(),
        description,
        attributes: kind.attributes(),
    };
    let extension = Kind::User.extension().map(|(urn, attributes)| Described {
        urn,
        name: "EnterpriseUser",
        description: "What only users of enterprises have.",
        attributes,
    });
    let mut all =
        vec![core(Kind::User, "Somebody who may sign in."), core(Kind::Group, "A list of users.")];
    all.extend(extension);
    all
}

impl Described {
    fn shown(&self, base: &str) -> Value {
        let attributes: Vec<Value> = self.attributes.iter().map(shown_attribute).collect();
        json!({
            "schemas": [SCHEMA_SCHEMA],
            "id": self.urn,
            "name": self.name,
            "description": self.description,
            "attributes": attributes,
            "meta": {
                "resourceType": "Schema",
                "location": format!("{base}/Schemas/{}", self.urn),
            },
        })
    }
}

fn shown_kind(kind: Kind, base: &str) -> Value {
    let extensions: Vec<Value> = kind
        .extension()
        .map(|(urn, _)| json!({ "schema": urn, "required": false }))
        .into_iter()
        .collect();
    json!({
        "schemas": [RESOURCE_TYPE_SCHEMA],
        "id": kind.name(),
        "name": kind.name(),
        "endpoint": kind.endpoint(),
        "schema": kind.schema(),
        "schemaExtensions": extensions,
        "meta": {
            "resourceType": "ResourceType",
            "location": format!("{base}/ResourceTypes/{}", kind.name()),
        },
    })
}

fn shown_attribute(attribute: &Attribute) -> Value {
    let mut shown = Map::new();
    let mut say = |name: &str, value: Value| shown.insert(name.to_owned(), value);
    say("name", attribute.name.into());
    say("type", type_name(attribute.form).into());
    say("multiValued", attribute.multi_valued.into());
    say("description", attribute.description.into());
    say("required", attribute.required.into());
    say("caseExact", attribute.case_exact.into());
    say("mutability", mutability_name(attribute.mutability).into());
    say("returned", returned_name(attribute.returned).into());
    say("uniqueness", uniqueness_name(attribute.uniqueness).into());
    if !attribute.canonical_values.is_empty() {
        say("canonicalValues", attribute.canonical_values.into());
    }
    match attribute.form {
        Form::Reference(kinds) => {
            say("referenceTypes", kinds.into());
        }
        Form::Complex(parts) => {
            say("subAttributes", parts.iter().map(shown_attribute).collect());
        }
        Form::Text | Form::Boolean | Form::DateTime => {}
    }
    shown.into()
}

const fn type_name(form: Form) -> &'static str {
    match form {
        Form::Text => "string",
        Form::Boolean => "boolean",
        Form::DateTime => "dateTime",
        Form::Reference(_) => "reference",
        Form::Complex(_) => "complex",
    }
}

const fn mutability_name(mutability: Mutability) -> &'static str {
    match mutability {
        Mutability::ReadOnly => "readOnly",
        Mutability::ReadWrite => "readWrite",
        Mutability::Immutable => "immutable",
    }
}

const fn returned_name(returned: Returned) -> &'static str {
    match returned {
        Returned::Always => "always",
        Returned::Default => "default",
    }
}

const fn uniqueness_name(uniqueness: Uniqueness) -> &'static str {
    match uniqueness {
        Uniqueness::None => "none",
        Uniqueness::Server => "server",
    }
}

/// A list on one page: RFC 7644 §4 has no paging here.
fn listed(all: Vec<Value>) -> Value {
    let total = all.len();
    list_response(all, total, 1)
}

#[cfg(test)]
mod tests {
    use super::super::kind::{ENTERPRISE_SCHEMA, GROUP_SCHEMA, USER_SCHEMA};
    use super::*;

    const BASE: &str = "https://hub.example/scim/v2";

    #[test]
    fn the_configuration_tells_what_is_supported() {
        let told = service_provider_config(BASE);
        let supported = ["patch", "bulk", "filter", "changePassword", "sort", "etag"]
            .map(|feature| told[feature]["supported"].as_bool().unwrap());
        assert_eq!(supported, [true, false, true, false, false, true]);
        assert_eq!(told["filter"]["maxResults"], 200);
        assert_eq!(told["authenticationSchemes"][0]["type"], "oauthbearertoken");
        assert_eq!(told["meta"]["location"], format!("{BASE}/ServiceProviderConfig"));
    }

    #[test]
    fn both_kinds_are_told() {
        let told = resource_types(BASE);
        assert_eq!(told["totalResults"], 2);
        assert_eq!(told["Resources"][0]["schemaExtensions"][0]["schema"], ENTERPRISE_SCHEMA);
        assert_eq!(resource_type(BASE, "Group").unwrap(), told["Resources"][1]);
        assert_eq!(told["Resources"][1]["endpoint"], "/Groups");
        assert_eq!(resource_type(BASE, "Device"), None);
    }

    #[test]
    fn schemas_are_told_from_the_table() {
        let told = schemas(BASE);
        let ids: Vec<_> = told["Resources"].as_array().unwrap().iter().map(|s| &s["id"]).collect();
        assert_eq!(ids, [USER_SCHEMA, GROUP_SCHEMA, ENTERPRISE_SCHEMA]);
        let user = schema(BASE, &USER_SCHEMA.to_uppercase()).unwrap();
        assert_eq!(
            user["attributes"][0],
            json!({
                "name": "userName", "type": "string", "multiValued": false, "required": true,
                "description": "The name to sign in with.", "caseExact": false,
                "mutability": "readWrite", "returned": "default", "uniqueness": "server",
            })
        );
        let names = |schema: &Value| -> Vec<String> {
            let attributes = schema["attributes"].as_array().unwrap().iter();
            attributes.map(|told| told["name"].as_str().unwrap().to_owned()).collect()
        };
        assert!(!names(&user).contains(&"password".to_owned()));
        let group = schema(BASE, GROUP_SCHEMA).unwrap();
        assert_eq!(names(&group), ["displayName", "members"]);
        let value = &group["attributes"][1]["subAttributes"][0];
        assert_eq!((&value["name"], &value["mutability"]), (&json!("value"), &json!("immutable")));
        assert_eq!(schema(BASE, "urn:example"), None);
    }
}
