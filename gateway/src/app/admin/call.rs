//! One call: the request an operation and its arguments come to.

use clap::ArgMatches;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::AdminError;
use super::api::{BodySpec, Operation, Place, is_json};
use super::body::{self, Content, Given};
use super::connection::Connection;
use crate::model::{Clock, Entropy};

/// A request that can be sent again, with another cursor.
#[derive(Debug)]
pub(super) struct Call<'a> {
    operation: &'a Operation,
    path: String,
    query: Vec<(String, String)>,
    fields: HeaderMap,
    /// The key by which the same thing is not done twice.
    pub(super) idempotency_key: Option<String>,
}

/// What may stand in a path segment as it is: RFC 3986 §2.3.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl<'a> Call<'a> {
    pub(super) fn of(
        operation: &'a Operation,
        matches: &ArgMatches,
        connection: &Connection,
        (clock, entropy): (&dyn Clock, &dyn Entropy),
    ) -> Result<Self, AdminError> {
        let mut call = Self {
            operation,
            path: path(operation, matches, connection)?,
            query: Vec::new(),
            fields: HeaderMap::new(),
            idempotency_key: idempotency_key(operation, matches, (clock, entropy))?,
        };
        for parameter in operation.options() {
            for value in matches.get_many::<String>(&parameter.argument).into_iter().flatten() {
                match parameter.place {
                    Place::Query => call.query.push((parameter.name.clone(), value.clone())),
                    _ => call.field(&parameter.name, value)?,
                }
            }
        }
        if let Some(tag) = matches.get_one::<String>("if-match") {
            if !operation.takes.if_match {
                return Err(takes_none(operation, "--if-match"));
            }
            call.field("if-match", tag)?;
        }
        if let Some(key) = call.idempotency_key.clone() {
            call.field("idempotency-key", &key)?;
        }
        call.credential(connection)?;
        Ok(call)
    }

    /// Where another page begins.
    pub(super) fn go_on_at(&mut self, parameter: &str, cursor: &str) {
        self.query.retain(|(name, _)| name != parameter);
        self.query.push((parameter.to_owned(), cursor.to_owned()));
    }

    /// The request; its content comes beside it.
    pub(super) fn request(&self) -> Result<Request<()>, AdminError> {
        let mut target = self.path.clone();
        if !self.query.is_empty() {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(&self.query);
            target = format!("{target}?{}", query.finish());
        }
        let request = Request::builder().method(self.operation.method.clone()).uri(target).body(());
        let mut request = request.map_err(|error| AdminError::Usage(error.to_string()))?;
        *request.headers_mut() = self.fields.clone();
        Ok(request)
    }

    fn credential(&mut self, connection: &Connection) -> Result<(), AdminError> {
        self.field("accept", "application/json, application/problem+json, */*;q=0.1")?;
        self.field("user-agent", concat!("hubgate/", env!("CARGO_PKG_VERSION")))?;
        if !self.operation.needs_key {
            return Ok(());
        }
        let Some(key) = &connection.key else {
            let told = "no API key: put one in HUBGATE_API_KEY, or in a file for `--key-file`";
            return Err(AdminError::Usage(told.to_owned()));
        };
        let field = HeaderValue::try_from(format!("Bearer {}", key.expose()));
        let mut field =
            field.map_err(|_| AdminError::Usage("the API key is no word of a key".to_owned()))?;
        field.set_sensitive(true);
        self.fields.insert(header::AUTHORIZATION, field);
        Ok(())
    }

    fn field(&mut self, name: &str, value: &str) -> Result<(), AdminError> {
        let usage = || AdminError::Usage(format!("`{value}` cannot be the field `{name}`"));
        let field = HeaderName::try_from(name).map_err(|_| usage())?;
        self.fields.append(field, HeaderValue::try_from(value).map_err(|_| usage())?);
        Ok(())
    }

    /// What is sent, and its media type among the fields.
    pub(super) fn content(&mut self, matches: &ArgMatches) -> Result<Content, AdminError> {
        let Some(spec) = &self.operation.body else { return Ok(Content::Nothing) };
        let content = match matches.get_one::<String>("body") {
            Some(path) => body::file(path)?,
            None => match assembled(spec, matches)? {
                Some(value) => Content::Bytes(value.to_string().into_bytes()),
                None => return Ok(Content::Nothing),
            },
        };
        self.field("content-type", &spec.media_type)?;
        Ok(content)
    }
}

fn assembled(
    spec: &BodySpec,
    matches: &ArgMatches,
) -> Result<Option<serde_json::Value>, AdminError> {
    if !is_json(&spec.media_type) {
        return Ok(None);
    }
    let all = |name: &str| -> Vec<String> {
        matches.get_many::<String>(name).into_iter().flatten().cloned().collect()
    };
    let members = spec.members.iter().map(|member| (member.name.clone(), all(&member.argument)));
    let members = members.filter(|(_, values)| !values.is_empty()).collect();
    Given { members, set: all("set") }.assembled(spec)
}

fn path(
    operation: &Operation,
    matches: &ArgMatches,
    connection: &Connection,
) -> Result<String, AdminError> {
    let mut path = operation.path.clone();
    for parameter in operation.parameters.iter().filter(|it| it.place == Place::Path) {
        let value = if operation.is_whose(parameter) {
            let told = "no organisation: give `--organisation`, or set HUBGATE_ORGANISATION";
            let missing = || AdminError::Usage(told.to_owned());
            connection.organisation.as_ref().ok_or_else(missing)?
        } else {
            let missing = || AdminError::Usage(format!("`{}` is missing", parameter.name));
            matches.get_one::<String>(&parameter.argument).ok_or_else(missing)?
        };
        // RFC 3986 §6.2.2.3: dot segments would lead elsewhere, encoded or not.
        if value.is_empty() || matches!(value.as_str(), "." | "..") {
            let told = format!("`{value}` cannot be the `{}` of a path", parameter.name);
            return Err(AdminError::Usage(told));
        }
        let segment = utf8_percent_encode(value, SEGMENT).to_string();
        path = path.replace(&format!("{{{}}}", parameter.name), &segment);
    }
    Ok(path)
}

fn idempotency_key(
    operation: &Operation,
    matches: &ArgMatches,
    (clock, entropy): (&dyn Clock, &dyn Entropy),
) -> Result<Option<String>, AdminError> {
    let given = matches.get_one::<String>("idempotency-key").cloned();
    match (given, operation.takes.idempotency_key) {
        (Some(_), false) => Err(takes_none(operation, "--idempotency-key")),
        (Some(key), true) => Ok(Some(key)),
        (None, true) if operation.method == http::Method::POST => {
            let mut random = [0; 10];
            entropy.fill(&mut random)?;
            let millis = clock.now().nanos() / 1_000_000;
            let key = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
            Ok(Some(key.to_string()))
        }
        (None, _) => Ok(None),
    }
}

fn takes_none(operation: &Operation, option: &str) -> AdminError {
    AdminError::Usage(format!("`{}` takes no `{option}`", operation.command))
}
