//! What a JSON schema of the document says of a value, as far as a command line needs it.

use serde_json::Value;

/// A value as its schema describes it, every `$ref` followed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    /// `null` may stand for it.
    pub(super) nullable: bool,
    /// The strings it may be; any, where there are none.
    pub(super) choices: Vec<String>,
    pub(super) description: Option<String>,
}

/// The type of a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Kind {
    String,
    Boolean,
    Integer,
    Number,
    Array(Box<Shape>),
    Object(Vec<Property>),
    /// Whatever JSON can say.
    #[default]
    Any,
}

/// A member of an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Property {
    pub(super) name: String,
    pub(super) required: bool,
    pub(super) shape: Shape,
}

impl Shape {
    /// Reads `schema`, whose references point into `document`.
    pub(super) fn read(schema: &Value, document: &Value) -> Self {
        Reader { document, within: Vec::new() }.shape(schema)
    }

    /// The members of an object; none of anything else.
    pub(super) fn properties(&self) -> &[Property] {
        match &self.kind {
            Kind::Object(properties) => properties,
            _ => &[],
        }
    }

    /// The shape of a member.
    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        let property = self.properties().iter().find(|property| property.name == name)?;
        Some(&property.shape)
    }

    /// The shape of an array's items.
    pub(super) fn items(&self) -> Option<&Self> {
        match &self.kind {
            Kind::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Whether it is one word on a command line.
    pub(super) const fn is_scalar(&self) -> bool {
        matches!(self.kind, Kind::String | Kind::Boolean | Kind::Integer | Kind::Number)
    }

    /// The type, for people.
    pub(super) fn told(&self) -> String {
        match &self.kind {
            Kind::String => "string".to_owned(),
            Kind::Boolean => "true or false".to_owned(),
            Kind::Integer => "integer".to_owned(),
            Kind::Number => "number".to_owned(),
            Kind::Object(_) => "object".to_owned(),
            Kind::Any => "any JSON".to_owned(),
            Kind::Array(items) => format!("list of {}", items.told()),
        }
    }
}

/// Follows references, each once on the way down: a schema may be within itself.
struct Reader<'d> {
    document: &'d Value,
    within: Vec<String>,
}

impl Reader<'_> {
    fn shape(&mut self, schema: &Value) -> Shape {
        let mut shape = self.undescribed(schema);
        if let Some(described) = text(schema, "description") {
            shape.description = Some(described);
        }
        shape
    }

    fn undescribed(&mut self, schema: &Value) -> Shape {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            return self.referenced(reference);
        }
        if let Some(all) = schema.get("allOf").and_then(Value::as_array) {
            let parts: Vec<Shape> = all.iter().map(|part| self.shape(part)).collect();
            return joined(parts, Joining::All);
        }
        let either = schema.get("oneOf").or_else(|| schema.get("anyOf"));
        if let Some(either) = either.and_then(Value::as_array) {
            return self.either(either);
        }
        self.plain(schema)
    }

    fn referenced(&mut self, reference: &str) -> Shape {
        let target = reference.strip_prefix('#').and_then(|path| self.document.pointer(path));
        let Some(target) = target else { return Shape::default() };
        if self.within.iter().any(|outer| outer == reference) {
            return Shape::default();
        }
        self.within.push(reference.to_owned());
        let shape = self.shape(target);
        self.within.pop();
        shape
    }

    fn either(&mut self, variants: &[Value]) -> Shape {
        let is_null =
            |variant: &&Value| variant.get("type").and_then(Value::as_str) == Some("null");
        let nullable = variants.iter().any(|variant| is_null(&variant));
        let rest = variants.iter().filter(|variant| !is_null(variant));
        let parts: Vec<Shape> = rest.map(|variant| self.shape(variant)).collect();
        let mut shape = joined(parts, Joining::Either);
        shape.nullable |= nullable;
        shape
    }

    fn plain(&mut self, schema: &Value) -> Shape {
        let types: Vec<&str> = match schema.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let nullable = types.contains(&"null");
        let mut types = types.into_iter().filter(|name| *name != "null");
        let choices = choices(schema);
        let kind = match (types.next(), types.next()) {
            (Some(_), Some(_)) => Kind::Any,
            (Some("string"), None) => Kind::String,
            (Some("boolean"), None) => Kind::Boolean,
            (Some("integer"), None) => Kind::Integer,
            (Some("number"), None) => Kind::Number,
            (Some("array"), None) => {
                let items = schema.get("items").map(|items| self.shape(items));
                Kind::Array(Box::new(items.unwrap_or_default()))
            }
            (Some("object"), None) => self.object(schema),
            _ if schema.get("properties").is_some() => self.object(schema),
            _ if !choices.is_empty() => Kind::String,
            _ => Kind::Any,
        };
        Shape { kind, nullable, choices, description: None }
    }

    /// What is required first, in the order the document requires it in: that is the order of the declaration,
    /// which `properties` may have lost.
    fn object(&mut self, schema: &Value) -> Kind {
        let Some(all) = schema.get("properties").and_then(Value::as_object) else {
            return Kind::Object(Vec::new());
        };
        let required = schema.get("required").and_then(Value::as_array);
        let required: Vec<&str> =
            required.into_iter().flatten().filter_map(Value::as_str).collect();
        let rest = all.keys().map(String::as_str).filter(|name| !required.contains(name));
        let names = required.iter().copied().chain(rest);
        let property = |name: &str| {
            Some(Property {
                name: name.to_owned(),
                required: required.contains(&name),
                shape: self.shape(all.get(name)?),
            })
        };
        Kind::Object(names.filter_map(property).collect())
    }
}

/// How several schemas stand for one.
#[derive(Clone, Copy)]
enum Joining {
    /// All hold, so what one requires is required.
    All,
    /// One holds, so only what each requires is required.
    Either,
}

fn joined(mut parts: Vec<Shape>, joining: Joining) -> Shape {
    if parts.len() == 1 {
        return parts.pop().unwrap_or_default();
    }
    if parts.iter().all(|part| matches!(part.kind, Kind::Object(_))) {
        return merged(parts, joining);
    }
    let all_choices =
        parts.iter().all(|part| part.kind == Kind::String && !part.choices.is_empty());
    if all_choices && matches!(joining, Joining::Either) && !parts.is_empty() {
        let choices = parts.into_iter().flat_map(|part| part.choices).collect();
        return Shape { kind: Kind::String, choices, ..Shape::default() };
    }
    Shape::default()
}

fn merged(parts: Vec<Shape>, joining: Joining) -> Shape {
    let count = parts.len();
    let mut merged: Vec<(Property, usize)> = Vec::new();
    for property in parts.into_iter().flat_map(|part| match part.kind {
        Kind::Object(properties) => properties,
        _ => Vec::new(),
    }) {
        let times = usize::from(property.required);
        match merged.iter_mut().find(|(known, _)| known.name == property.name) {
            Some((known, required)) => {
                *required += times;
                known.shape.choices.extend(property.shape.choices);
                known.shape.choices.dedup();
            }
            None => merged.push((property, times)),
        }
    }
    let required = |times: usize| match joining {
        Joining::All => times > 0,
        Joining::Either => times == count,
    };
    let settled = |(property, times)| Property { required: required(times), ..property };
    Shape { kind: Kind::Object(merged.into_iter().map(settled).collect()), ..Shape::default() }
}

fn choices(schema: &Value) -> Vec<String> {
    let several = schema.get("enum").and_then(Value::as_array);
    let one = schema.get("const");
    let all = several.into_iter().flatten().chain(one);
    all.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A string member that is not empty.
pub(super) fn text(value: &Value, key: &str) -> Option<String> {
    let text = value.get(key)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(shape: &Shape) -> Vec<(&str, bool)> {
        shape.properties().iter().map(|it| (it.name.as_str(), it.required)).collect()
    }

    #[test]
    fn references_are_followed_and_required_members_come_first() {
        let document = json!({"components": {"schemas": {
            "Key": {"type": "object", "description": "A key.", "required": ["name", "id"],
                    "properties": {"expires": {"type": ["string", "null"]}, "id": {"type": "string"},
                                   "name": {"type": "string"}}},
        }}});
        let schema = json!({"oneOf": [{"$ref": "#/components/schemas/Key"}, {"type": "null"}]});
        let shape = Shape::read(&schema, &document);
        assert_eq!(names(&shape), [("name", true), ("id", true), ("expires", false)]);
        assert_eq!((shape.nullable, shape.description.as_deref()), (true, Some("A key.")));
        assert!(shape.member("expires").unwrap().nullable);
        assert_eq!(Shape::read(&json!({"$ref": "#/nowhere"}), &document), Shape::default());
    }

    #[test]
    fn a_schema_within_itself_ends() {
        let document = json!({"tree": {"type": "object", "properties": {
            "children": {"type": "array", "items": {"$ref": "#/tree"}}}}});
        let shape = Shape::read(&json!({"$ref": "#/tree"}), &document);
        let children = shape.member("children").unwrap();
        assert_eq!(children.items().unwrap().kind, Kind::Any);
    }

    #[test]
    fn parts_and_variants_are_one_object() {
        let part = |name: &str| {
            json!({"type": "object", "required": [name, "kind"],
                   "properties": {name: {"type": "integer"}, "kind": {"type": "string", "enum": [name]}}})
        };
        let all = Shape::read(&json!({"allOf": [part("a"), part("b")]}), &Value::Null);
        assert_eq!(names(&all), [("a", true), ("kind", true), ("b", true)]);
        let one = Shape::read(&json!({"oneOf": [part("a"), part("b")]}), &Value::Null);
        assert_eq!(names(&one), [("a", false), ("kind", true), ("b", false)]);
        assert_eq!(one.member("kind").unwrap().choices, ["a", "b"]);
    }
}
