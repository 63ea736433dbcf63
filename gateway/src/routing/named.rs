//! The other objects a request names, beside the one its route is about: each is asked about too.
//!
//! It reads head and path; the ids of a body that nobody reads are the service's to compare, with a set the
//! assertion carries ([`BodyIds`]).

use std::collections::BTreeMap;

use crate::model::{ActionId, EntityUid, Malformed, Refusal};

use super::request::CanonicalRequest;
use super::resource::{Matched, Place, name, read_query_list};
use super::route::ResourceRule;

/// Most further questions of one request. Each is a decision of some microseconds and a line in the record;
/// no screen shows more rows at once, and a longer list can be asked for in parts.
pub const FURTHER_MAX: usize = 64;

/// What a route says about the ids it names beside its resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedIds {
    /// What else is asked, in order.
    pub also: Vec<AlsoRule>,
    /// Properties of the body, which the service compares with what it is told.
    pub body: Vec<BodyIds>,
    /// Parameters and properties that are asked about nowhere, each with the reason.
    pub unchecked: BTreeMap<String, String>,
}

/// A further question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlsoRule {
    /// The action asked for.
    pub action: ActionId,
    /// The object, or each of them.
    pub resource: ResourceRule,
    /// How often it may be named.
    pub occurs: Occurs,
}

/// How often a request may name the object of a further question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Occurs {
    /// Once, or the request is malformed.
    #[default]
    Once,
    /// Once or not at all; then nothing is asked. Query keys and fields only.
    AtMostOnce,
    /// Once or more: a repeated query key, or ids with commas between them.
    List,
    /// As a list, or not at all.
    OptionalList,
}

impl Occurs {
    /// Whether nothing need be named.
    pub const fn is_optional(self) -> bool {
        matches!(self, Self::AtMostOnce | Self::OptionalList)
    }

    /// Whether several may be named.
    pub const fn is_list(self) -> bool {
        matches!(self, Self::List | Self::OptionalList)
    }
}

/// A property of the request body that holds ids of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyIds {
    /// The property's name, at any depth.
    pub property: String,
    /// The Cedar type of what it names.
    pub kind: String,
    /// The action that must be allowed on it.
    pub action: ActionId,
}

/// One further question about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Further {
    /// The action.
    pub action: ActionId,
    /// The object.
    pub resource: EntityUid,
}

impl AlsoRule {
    /// What is wrong with it, whatever the route.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let query = matches!(self.resource, ResourceRule::Query { .. });
        let header = matches!(self.resource, ResourceRule::Header { .. });
        if matches!(self.resource, ResourceRule::Among { .. }) {
            return Err("a further question is about one object, not about a set");
        }
        if self.occurs.is_list() && !query {
            return Err("only a query key holds a list");
        }
        if self.occurs.is_optional() && !query && !header {
            return Err("only a query key or a field may be absent");
        }
        Ok(())
    }
}

impl Matched {
    /// The further questions: none for a route that asks none. `body` and `place` as for
    /// [`Matched::resource`].
    ///
    /// # Errors
    /// As [`Matched::resource`]; and [`Refusal::Malformed`] when a list is empty where it must not be, holds
    /// an empty id, or when more than [`FURTHER_MAX`] objects are named.
    pub fn further(
        &self,
        request: &CanonicalRequest,
        body: Option<&[u8]>,
        place: Place<'_>,
    ) -> Result<Vec<Further>, Refusal> {
        let mut further = Vec::new();
        for rule in self.route.also() {
            let mut ask = |resource| {
                further.push(Further { action: rule.action.clone(), resource });
                let fits = further.len() <= FURTHER_MAX;
                if fits { Ok(()) } else { Err(Refusal::Malformed(Malformed::Query)) }
            };
            match &rule.resource {
                ResourceRule::Query { kind, key } if rule.occurs != Occurs::Once => {
                    let ids = read_query_list(request.query(), key, rule.occurs)
                        .map_err(Refusal::Malformed)?;
                    for id in ids {
                        ask(name(kind, Ok(id), Malformed::Query)?)?;
                    }
                }
                ResourceRule::Header { name, .. }
                    if rule.occurs.is_optional() && !request.headers().contains_key(name) => {}
                single => ask(self.read(single, request, body, place)?)?,
            }
        }
        Ok(further)
    }
}
