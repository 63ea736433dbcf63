//! The operations of the administration API, read from the document of this very build.

use std::sync::LazyLock;

use http::Method;
use serde_json::Value;

use super::AdminError;
use super::shape::{Shape, text};

/// What the API can be asked to do.
#[derive(Debug, Default)]
pub(super) struct Api {
    pub(super) operations: Vec<Operation>,
}

/// One operation, and the command it is.
#[derive(Debug)]
pub(super) struct Operation {
    /// The command: `operationId`, spelt as commands are.
    pub(super) command: String,
    pub(super) method: Method,
    /// With its parameters in braces.
    pub(super) path: String,
    /// What policies decide it by; nothing where everybody may ask.
    pub(super) action: Option<String>,
    /// Of these API scopes a key needs one.
    pub(super) scopes: Vec<String>,
    pub(super) needs_key: bool,
    pub(super) summary: String,
    pub(super) description: Option<String>,
    pub(super) parameters: Vec<Parameter>,
    /// Fields that every command has an option for, as far as the operation reads them.
    pub(super) takes: Takes,
    pub(super) body: Option<BodySpec>,
    /// What success looks like, by status.
    pub(super) answers: Vec<(String, Shape)>,
}

/// Fields about the request as such.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Takes {
    pub(super) if_match: bool,
    pub(super) idempotency_key: bool,
}

/// A parameter, and the argument it is.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) place: Place,
    pub(super) name: String,
    /// Of the argument, among all of the command.
    pub(super) argument: String,
    /// `--option`; the name of the value, if it has a position.
    pub(super) option: String,
    pub(super) required: bool,
    pub(super) description: Option<String>,
    pub(super) shape: Shape,
}

/// Where a parameter goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Path,
    Query,
    Header,
    /// A member of the JSON body.
    Body,
}

/// What is sent besides parameters.
#[derive(Debug)]
pub(super) struct BodySpec {
    pub(super) media_type: String,
    pub(super) required: bool,
    pub(super) description: Option<String>,
    /// Of JSON; nothing is known of the inside of anything else.
    pub(super) shape: Option<Shape>,
    /// The members that are options.
    pub(super) members: Vec<Parameter>,
}

/// Where the things of organisations are.
pub(super) const OF_ORGANISATIONS: &str = "/v1/organisations/{organisation}/";

/// The path parameter that is an option of every command.
const ORGANISATION: &str = "organisation";

/// Commands that are not operations.
const COMMANDS: [&str; 2] = ["operations", "help"];

/// Options every command has.
const OPTIONS: [&str; 15] = [
    "all",
    "api-key",
    "body",
    "ca",
    "help",
    "idempotency-key",
    "if-match",
    "include",
    "json",
    "key",
    "key-file",
    "organisation",
    "set",
    "timeout",
    "url",
];

/// The query parameters that may carry the cursor of a list, the likelier names first.
const CURSORS: [&str; 4] = ["cursor", "after", "next", "page_token"];

/// The API of this build.
///
/// # Errors
/// [`AdminError::Document`], never in practice: a test reads it.
pub(super) fn api() -> Result<&'static Api, AdminError> {
    static API: LazyLock<Option<Api>> = LazyLock::new(|| {
        let text = crate::admin::document().ok()?;
        Some(Api::read(&serde_json::from_str(&text).ok()?))
    });
    API.as_ref().ok_or(AdminError::Document)
}

impl Api {
    /// Reads an OpenAPI 3.1 document; what it leaves out is not there.
    pub(super) fn read(document: &Value) -> Self {
        let mut api = Self::default();
        let paths = document.get("paths").and_then(Value::as_object);
        for (path, item) in paths.into_iter().flatten() {
            for (method, told) in item.as_object().into_iter().flatten() {
                let Some(method) = method_of(method) else { continue };
                let command = api.free_command(told, &method, path);
                let reader = Reader { document, item, told };
                api.operations.push(reader.operation(command, method, path));
            }
        }
        api
    }

    pub(super) fn by_command(&self, command: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.command == command)
    }

    fn free_command(&self, told: &Value, method: &Method, path: &str) -> String {
        let id =
            text(told, "operationId").unwrap_or_else(|| format!("{method} {path}").to_lowercase());
        let name = kebab(&id);
        let name = if COMMANDS.contains(&name.as_str()) { format!("call-{name}") } else { name };
        free(name, |name| self.by_command(name).is_none())
    }
}

impl Operation {
    /// What an answer with this status looks like, if the document says so.
    pub(super) fn answer(&self, status: u16) -> Option<&Shape> {
        let status = status.to_string();
        let exact = self.answers.iter().find(|(known, _)| *known == status);
        exact.or_else(|| self.answers.first()).map(|(_, shape)| shape)
    }

    /// The parameter that carries the cursor, where the operation is a list with pages.
    pub(super) fn cursor(&self) -> Option<&Parameter> {
        let queries = || self.parameters.iter().filter(|it| it.place == Place::Query);
        CURSORS.iter().find_map(|name| queries().find(|it| it.name == *name))
    }

    /// The parameters with a position, in the order of the path.
    pub(super) fn positions(&self) -> impl Iterator<Item = &Parameter> {
        let path = |parameter: &&Parameter| parameter.place == Place::Path;
        self.parameters.iter().filter(path).filter(|it| !self.is_whose(it))
    }

    /// Whether it says whose things the operation is about, and so is an option of every command. To the platform an
    /// organisation is the thing itself.
    pub(super) fn is_whose(&self, parameter: &Parameter) -> bool {
        parameter.name == ORGANISATION && self.path.starts_with(OF_ORGANISATIONS)
    }

    /// The parameters that are options.
    pub(super) fn options(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|parameter| parameter.place != Place::Path)
    }
}

/// One operation in the document.
struct Reader<'d> {
    document: &'d Value,
    item: &'d Value,
    told: &'d Value,
}

impl Reader<'_> {
    fn operation(&self, command: String, method: Method, path: &str) -> Operation {
        let mut taken: Vec<String> = OPTIONS.iter().map(|&name| name.to_owned()).collect();
        let mut about = Takes::default();
        let mut parameters = Vec::new();
        for told in self.parameters() {
            match parameter(told, self.document, &mut taken, &mut about) {
                Some(read) if !known(&parameters, &read) => parameters.push(read),
                _ => {}
            }
        }
        let place = |name: &str| path.find(&format!("{{{name}}}"));
        parameters.sort_by_key(|it: &Parameter| match it.place {
            Place::Path => (0, place(&it.name)),
            _ => (1, None),
        });
        let security = self.told.get("security").or_else(|| self.document.get("security"));
        let schemes: Vec<&Value> =
            security.and_then(Value::as_array).into_iter().flatten().collect();
        let scopes = schemes.iter().filter_map(|it| it.as_object()).flat_map(|it| it.values());
        let scopes = scopes.filter_map(Value::as_array).flatten().filter_map(Value::as_str);
        Operation {
            summary: text(self.told, "summary").unwrap_or_else(|| format!("{method} {path}")),
            command,
            path: path.to_owned(),
            action: text(self.told, "x-cedar-action"),
            scopes: scopes.map(str::to_owned).collect(),
            // `{}` among the schemes says that it may be called without any.
            needs_key: !schemes.is_empty()
                && !schemes.iter().any(|it| **it == serde_json::json!({})),
            description: text(self.told, "description"),
            parameters,
            takes: about,
            body: self.body(&mut taken),
            answers: self.answers(),
            method,
        }
    }

    /// The operation's own, then those of its path.
    fn parameters(&self) -> impl Iterator<Item = &Value> {
        let own = self.told.get("parameters").and_then(Value::as_array);
        let shared = self.item.get("parameters").and_then(Value::as_array);
        let all = own.into_iter().flatten().chain(shared.into_iter().flatten());
        all.map(|told| referenced(told, self.document))
    }

    fn body(&self, taken: &mut Vec<String>) -> Option<BodySpec> {
        let body = referenced(self.told.get("requestBody")?, self.document);
        let content = body.get("content")?.as_object()?;
        let json = content.iter().find(|(media_type, _)| is_json(media_type));
        let (media_type, told) = json.or_else(|| content.iter().next())?;
        let shape = is_json(media_type).then(|| {
            told.get("schema").map_or_else(Shape::default, |it| Shape::read(it, self.document))
        });
        let properties = shape.iter().flat_map(Shape::properties);
        let members = properties.map(|property| Parameter {
            place: Place::Body,
            argument: format!("body.{}", property.name),
            option: option(&property.name, "body", taken),
            required: property.required,
            description: property.shape.description.clone(),
            shape: property.shape.clone(),
            name: property.name.clone(),
        });
        Some(BodySpec {
            members: members.collect(),
            media_type: media_type.clone(),
            required: body.get("required").and_then(Value::as_bool).unwrap_or(false),
            description: text(body, "description"),
            shape,
        })
    }

    fn answers(&self) -> Vec<(String, Shape)> {
        let answers = self.told.get("responses").and_then(Value::as_object);
        let good = answers.into_iter().flatten().filter(|(status, _)| status.starts_with('2'));
        good.filter_map(|(status, answer)| {
            let content = referenced(answer, self.document).get("content")?.as_object()?;
            let (_, told) = content.iter().find(|(media_type, _)| is_json(media_type))?;
            Some((status.clone(), Shape::read(told.get("schema")?, self.document)))
        })
        .collect()
    }
}

fn parameter(
    told: &Value,
    document: &Value,
    taken: &mut Vec<String>,
    about: &mut Takes,
) -> Option<Parameter> {
    let name = text(told, "name")?;
    let place = match told.get("in").and_then(Value::as_str)? {
        "path" => Place::Path,
        "query" => Place::Query,
        "header" => Place::Header,
        _ => return None,
    };
    if place == Place::Header {
        match name.to_ascii_lowercase().as_str() {
            "if-match" => about.if_match = true,
            "idempotency-key" => about.idempotency_key = true,
            // OpenAPI 3.1, parameter object: these are not parameters.
            "accept" | "content-type" | "authorization" => {}
            _ => return Some(described(told, document, (place, name), taken)),
        }
        return None;
    }
    Some(described(told, document, (place, name), taken))
}

fn described(
    told: &Value,
    document: &Value,
    (place, name): (Place, String),
    taken: &mut Vec<String>,
) -> Parameter {
    let shape = told.get("schema").map_or_else(Shape::default, |it| Shape::read(it, document));
    let (prefix, option) = match place {
        Place::Path => ("path", kebab(&name)),
        Place::Query => ("query", option(&name, "query", taken)),
        Place::Header | Place::Body => ("header", option(&name, "header", taken)),
    };
    Parameter {
        argument: format!("{prefix}.{name}"),
        option,
        required: told.get("required").and_then(Value::as_bool).unwrap_or(place == Place::Path),
        description: text(told, "description").or_else(|| shape.description.clone()),
        place,
        name,
        shape,
    }
}

fn known(parameters: &[Parameter], read: &Parameter) -> bool {
    parameters.iter().any(|it| it.argument == read.argument)
}

/// An option's name that nothing else of the command has: `name`, else with where it goes before it.
fn option(name: &str, place: &str, taken: &mut Vec<String>) -> String {
    let name = kebab(name);
    let name = if taken.contains(&name) { format!("{place}-{name}") } else { name };
    let name = free(name, |name| !taken.iter().any(|it| it == name));
    taken.push(name.clone());
    name
}

/// `name`, or with the first number that makes it free.
fn free(name: String, is_free: impl Fn(&str) -> bool) -> String {
    if is_free(&name) {
        return name;
    }
    let numbered = (2_u32..).map(|number| format!("{name}-{number}"));
    numbered.into_iter().find(|it| is_free(it)).unwrap_or(name)
}

/// `putResources`, `Upload-Offset`, `put_resources` as commands and options are spelt.
pub(super) fn kebab(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut spelt = String::new();
    for (at, &letter) in letters.iter().enumerate() {
        if !letter.is_ascii_alphanumeric() {
            if !spelt.ends_with('-') && !spelt.is_empty() {
                spelt.push('-');
            }
            continue;
        }
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let after = letters.get(at + 1);
        let word_begins = letter.is_ascii_uppercase()
            && (before.is_some_and(|it| it.is_ascii_lowercase() || it.is_ascii_digit())
                || (before.is_some_and(char::is_ascii_uppercase)
                    && after.is_some_and(char::is_ascii_lowercase)));
        if word_begins {
            spelt.push('-');
        }
        spelt.push(letter.to_ascii_lowercase());
    }
    spelt.trim_end_matches('-').to_owned()
}

fn method_of(name: &str) -> Option<Method> {
    let all = [Method::GET, Method::PUT, Method::POST, Method::PATCH, Method::DELETE, Method::HEAD];
    all.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(name))
}

/// Whether a media type is JSON, a document of it.
pub(super) fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

fn referenced<'d>(told: &'d Value, document: &'d Value) -> &'d Value {
    let reference = told.get("$ref").and_then(Value::as_str);
    let target = reference.and_then(|it| it.strip_prefix('#')).and_then(|it| document.pointer(it));
    target.unwrap_or(told)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_spelt_as_commands_are() {
        for (name, spelt) in [
            ("putResources", "put-resources"),
            ("showAPIKey", "show-api-key"),
            ("Upload-Offset", "upload-offset"),
            ("page_token", "page-token"),
            ("get /v1/{key}", "get-v1-key"),
            ("oauth2Token", "oauth2-token"),
        ] {
            assert_eq!(kebab(name), spelt);
        }
    }

    #[test]
    fn every_operation_of_this_build_is_a_command() {
        let commands: Vec<&str> =
            api().unwrap().operations.iter().map(|it| it.command.as_str()).collect();
        for command in ["put-resources", "resume-upload", "evaluate", "authzen-configuration"] {
            assert!(commands.contains(&command), "{command}: {commands:?}");
        }
        let put = api().unwrap().by_command("put-resources").unwrap();
        assert_eq!((put.action.as_deref(), put.needs_key), (Some("directory:push"), true));
        assert!(!api().unwrap().by_command("authzen-configuration").unwrap().needs_key);
    }

    #[test]
    fn names_that_clash_are_told_apart() {
        let told = |id: &str| {
            json!({
                "operationId": id,
                "parameters": [
                    {"name": "name", "in": "query", "schema": {"type": "string"}},
                    {"name": "json", "in": "query", "schema": {"type": "string"}},
                    {"name": "If-Match", "in": "header", "schema": {"type": "string"}},
                ],
                "requestBody": {"content": {"application/json": {"schema": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}, "url": {"type": "string"}, "URL": {}},
                }}}},
            })
        };
        let document = json!({"paths": {
            "/a": {"get": told("operations")},
            "/b": {"get": told("showKey"), "post": told("show_key")},
        }});
        let api = Api::read(&document);
        let commands: Vec<&str> = api.operations.iter().map(|it| it.command.as_str()).collect();
        assert_eq!(commands, ["call-operations", "show-key", "show-key-2"]);
        let operation = &api.operations[0];
        let options: Vec<&str> = operation.options().map(|it| it.option.as_str()).collect();
        assert_eq!(options, ["name", "query-json"]);
        let members = &operation.body.as_ref().unwrap().members;
        let members: Vec<&str> = members.iter().map(|it| it.option.as_str()).collect();
        assert_eq!(members, ["body-name", "body-url", "body-url-2"]);
        assert!(operation.takes.if_match && !operation.takes.idempotency_key);
    }
}
