//! A matched route, and the object a request is about.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};

use crate::model::{EntityUid, Malformed, Refusal};

use super::json;
use super::named::{FURTHER_MAX, Occurs};
use super::request::CanonicalRequest;
use super::route::{ResourceRule, Route};

/// The path parameters of a request, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(Arc<str>, String)>);

impl Parameters {
    /// Pairs each name with the `next` value of the path, decoded.
    pub(super) fn read<'a>(
        names: &[Arc<str>],
        mut next: impl FnMut() -> Option<&'a str>,
    ) -> Result<Self, Refusal> {
        let decode = |name: &Arc<str>| {
            // The router's parameters are the template's, in its order; a missing one would be a bug, and
            // refuses.
            let value = next()?;
            let decoded = percent_encoding::percent_decode_str(value).decode_utf8().ok()?;
            Some((Arc::clone(name), decoded.into_owned()))
        };
        let values: Option<Vec<_>> = names.iter().map(decode).collect();
        values.map(Self).ok_or(Refusal::Malformed(Malformed::Path))
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| **known == *name).map(|(_, value)| value.as_str())
    }

    /// Names and values, in the template's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, value.as_str()))
    }
}

/// Where in an organisation somebody belongs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// The root entity of the organisation.
    pub root: Option<&'a EntityUid>,
    /// The node worked in.
    pub active: Option<&'a EntityUid>,
}

/// A request's route and its path parameters.
#[derive(Clone, Debug)]
pub struct Matched {
    /// The route.
    pub route: Arc<Route>,
    /// The parameters.
    pub parameters: Parameters,
}

impl Matched {
    /// Whether the body must be read before the decision: the resource is named in it.
    pub fn needs_body(&self) -> bool {
        let mut rules = self.route.also().iter().map(|also| &also.resource);
        let in_body = |rule: &ResourceRule| matches!(rule, ResourceRule::JsonBody { .. });
        in_body(self.route.resource_rule()) || rules.any(in_body)
    }

    /// The object the request is about. `body` is the whole body where [`Matched::needs_body`] asks for
    /// it; `place` is where the one who asks belongs.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when the request does not name exactly one object where the route reads
    /// it, [`Refusal::BodyTooLarge`] above 64 KiB, and [`Refusal::CredentialMissing`] when the resource
    /// is the organisation or a node of it and none is known.
    pub fn resource(
        &self,
        request: &CanonicalRequest,
        body: Option<&[u8]>,
        place: Place<'_>,
    ) -> Result<EntityUid, Refusal> {
        self.read(self.route.resource_rule(), request, body, place)
    }

    /// The object `rule` finds in the request.
    pub(super) fn read(
        &self,
        rule: &ResourceRule,
        request: &CanonicalRequest,
        body: Option<&[u8]>,
        place: Place<'_>,
    ) -> Result<EntityUid, Refusal> {
        let headers = request.headers();
        match rule {
            ResourceRule::Fixed(uid) => Ok(uid.clone()),
            ResourceRule::Organisation => place.root.cloned().ok_or(Refusal::CredentialMissing),
            // For a set of nodes this is only where the question starts.
            ResourceRule::Active | ResourceRule::Among { .. } => {
                place.active.or(place.root).cloned().ok_or(Refusal::CredentialMissing)
            }
            ResourceRule::Path { kind, parameter } => {
                let id = self.parameters.get(parameter).ok_or(Malformed::Path);
                name(kind, id, Malformed::Path)
            }
            ResourceRule::Query { kind, key } => {
                name(kind, read_query(request.query(), key), Malformed::Query)
            }
            ResourceRule::Header { kind, name: field } => {
                name(kind, read_header(headers, field), Malformed::Field)
            }
            ResourceRule::JsonBody { kind, pointer } => {
                let body = body.unwrap_or_default();
                if u64::try_from(body.len()).map_or(true, |length| length > json::BODY_BYTES_MAX) {
                    return Err(Refusal::BodyTooLarge);
                }
                name(kind, read_json(headers, body, pointer), Malformed::Body)
            }
        }
    }
}

pub(super) fn name(
    kind: &str,
    id: Result<impl AsRef<str>, Malformed>,
    otherwise: Malformed,
) -> Result<EntityUid, Refusal> {
    id.and_then(|id| EntityUid::new(kind, id.as_ref()).map_err(|_| otherwise))
        .map_err(Refusal::Malformed)
}

/// Reads a query key that must be there once, in every spelling some framework takes for it (PX-24).
fn read_query<'a>(query: Option<&'a str>, key: &str) -> Result<Cow<'a, str>, Malformed> {
    let mut found = None;
    each_value(query, key, |value| {
        let repeated = found.replace(value).is_some();
        if repeated { Err(Malformed::Repeated) } else { Ok(()) }
    })?;
    found.flatten().ok_or(Malformed::Query).and_then(plain)
}

/// Reads the ids of a query key that may be there several times, or not at all: as `occurs` says.
pub(super) fn read_query_list<'a>(
    query: Option<&'a str>,
    key: &str,
    occurs: Occurs,
) -> Result<Vec<Cow<'a, str>>, Malformed> {
    let mut ids = Vec::new();
    each_value(query, key, |value| {
        let value = plain(value.ok_or(Malformed::Query)?)?;
        if !occurs.is_list() {
            ids.push(value);
            return if ids.len() > 1 { Err(Malformed::Repeated) } else { Ok(()) };
        }
        // After decoding: some split at `%2C` too. An id in a list holds no comma.
        ids.extend(value.split(',').map(|id| Cow::Owned(id.to_owned())));
        if ids.len() > FURTHER_MAX { Err(Malformed::Query) } else { Ok(()) }
    })?;
    if ids.is_empty() && !occurs.is_optional() { Err(Malformed::Query) } else { Ok(ids) }
}

/// Hands on each value of a query key, still encoded; `None` for one under another spelling of it.
fn each_value<'a>(
    query: Option<&'a str>,
    key: &str,
    mut take: impl FnMut(Option<&'a str>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let query = query.unwrap_or_default();
    // Some parsers split at `;` too, so a second value could hide behind one.
    if query.contains(';') {
        return Err(Malformed::Query);
    }
    let wanted = fold_key(key);
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(&name.replace('+', " "))?.into_owned();
        if fold_key(&name) == wanted {
            take((name == key).then_some(value))?;
        }
    }
    Ok(())
}

/// A value decoded. `+` is a space to some and a plus to others.
fn plain(value: &str) -> Result<Cow<'_, str>, Malformed> {
    if value.contains('+') { Err(Malformed::Query) } else { decode(value) }
}

/// PHP turns ` `, `.` and `[` of a key into `_` and reads `key[]` as `key`; others ignore case.
fn fold_key(key: &str) -> String {
    let plain = key.trim_start().split('[').next().filter(|name| !name.is_empty()).unwrap_or(key);
    json::fold(&plain.replace([' ', '.', '['], "_"))
}

fn decode(text: &str) -> Result<Cow<'_, str>, Malformed> {
    percent_encoding::percent_decode_str(text).decode_utf8().map_err(|_| Malformed::Query)
}

/// Reads a field that must be there once (PX-43).
fn read_header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Malformed> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(Malformed::Field)?;
    if values.next().is_some() {
        return Err(Malformed::Repeated);
    }
    value.to_str().map_err(|_| Malformed::Field)
}

/// Reads a value of a body that says it is plain JSON, so the backend reads it as such too.
fn read_json(headers: &HeaderMap, body: &[u8], pointer: &str) -> Result<String, Malformed> {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let encoded = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if encoded || !kind.is_some_and(is_json) {
        return Err(Malformed::Body);
    }
    json::read(body, pointer)
}

/// Whether a media type is `application/json` or `application/…+json`, in UTF-8 (RFC 8259 §8.1).
fn is_json(media_type: &[u8]) -> bool {
    let mut parts = media_type.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let json = essence == b"application/json"
        || (essence.starts_with(b"application/") && essence.ends_with(b"+json"));
    json && parts.all(|parameter| {
        parameter.eq_ignore_ascii_case(b"charset=utf-8")
            || parameter.eq_ignore_ascii_case(b"charset=\"utf-8\"")
    })
}

#[cfg(test)]
mod tests;
