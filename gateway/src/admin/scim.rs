//! SCIM 2.0 (RFC 7644): an identity provider says who the organisation's people and groups are.
//!
//! The organisation is the API key's own. What a user comes to as a member is worked out when the organisation is read
//! (`store`); here the provider's word is checked, kept, and answered in the provider's own terms.

mod answer;
pub(super) mod discovery;
mod group;
pub(super) mod groups;
mod user;
pub(super) mod users;

pub(super) use answer::{as_scim, no_such_place};

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use super::body::{JSON, parsed, wants_media_type, whole};
use super::guard::Guarded;
use super::problem::Problem;
use crate::scim::{Filter, Page, Projection};
use crate::store::{Kind, Provisioning, StoredGroup, index_id};

/// RFC 7644 §3.1.
const SCIM: &str = "application/scim+json";

/// Where everything is.
pub(super) const BASE: &str = "/scim/v2";

/// Largest body: a group with as many members as one request may name.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Longest query: the longest filter, percent-encoded, and a list of attributes.
const QUERY_BYTES_MAX: usize = 8 * 1024;

/// Most groups of an organisation. All of them are read to work out what people are given.
const GROUPS_MAX: usize = 2_000;

/// Names that find users and groups.
const USER_NAME: &str = "user-name";
const USER_EXTERNAL: &str = "user-external";
const GROUP_NAME: &str = "group-name";

/// What a query says. What is not known is passed over: providers add flags of their own.
#[derive(Debug)]
struct Asked {
    filter: Option<(Filter, String)>,
    page: Page,
    projection: Projection,
}

impl Asked {
    fn read(query: Option<&str>) -> Result<Self, Problem> {
        let query = query.unwrap_or_default();
        if query.len() > QUERY_BYTES_MAX {
            return Err(Problem::bad(format!("a query has at most {QUERY_BYTES_MAX} bytes")));
        }
        let pairs: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
        let value = |key: &str| pairs.get(key).map(|value| &**value);
        let filter = value("filter").filter(|text| !text.trim().is_empty());
        let filter = filter.map(|text| Ok::<_, Problem>((Filter::parse(text)?, text.to_owned())));
        Ok(Self {
            filter: filter.transpose()?,
            page: Page::parse(value("startIndex"), value("count"))?,
            projection: Projection::parse(value("attributes"), value("excludedAttributes"))?,
        })
    }

    /// Whether a resource is wanted.
    fn takes(&self, shown: &Value) -> bool {
        self.filter.as_ref().is_none_or(|(filter, _)| filter.matches(shown))
    }

    /// The attribute and the value that a filter compares and nothing else, where that can be looked up.
    fn equality(&self) -> Option<(&'static str, &str)> {
        self.filter.as_ref().and_then(|(filter, _)| filter.equality())
    }
}

/// Reads a body of a request.
async fn body_of(guarded: &Guarded<'_>, body: axum::body::Body) -> Result<(Value, Bytes), Problem> {
    wants_media_type(guarded.headers, &[SCIM, JSON])?;
    let body = whole(body, BODY_BYTES_MAX).await?;
    Ok((parsed(&body)?, body))
}

/// How people are provisioned; without it nobody is.
async fn settings(guarded: &Guarded<'_>) -> Result<Provisioning, Problem> {
    let found = super::provisioning::found(guarded).await?;
    found.ok_or_else(|| Problem::in_use("provisioning is not settled for this organisation yet"))
}

/// The id of what goes by a name.
async fn named(guarded: &Guarded<'_>, what: &str, name: &str) -> Result<Option<String>, Problem> {
    let (objects, tenant) = (guarded.desk.objects(), guarded.admitted.tenant());
    Ok(objects.find(tenant, Kind::ScimName, &index_id(what, name)).await?)
}

/// All groups, by id.
async fn all_groups(guarded: &Guarded<'_>) -> Result<BTreeMap<String, StoredGroup>, Problem> {
    let (objects, tenant) = (guarded.desk.objects(), guarded.admitted.tenant());
    let (groups, _) = objects.all::<StoredGroup>(tenant, Kind::ScimGroup).await?;
    Ok(groups.into_iter().map(|group| (group.id.clone(), group)).collect())
}
