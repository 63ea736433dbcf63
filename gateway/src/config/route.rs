//! `[[route]]`: an operation of a service, and what policies are asked about it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{ActionId, RouteId, Scopes, ServiceId};
use crate::routing::{BodyRule, Denials, LogClass, OwnAnswer, ResourceRule, RouteSettings, Stream};

use super::named_ids::{self, AlsoFile, BodyIdsFile, Described, NamedFile};
use super::resource::ResourceFile;
use super::section::Section;
use super::service::{DeniedName, is_host_name};

/// An operation of a service, and what policies are asked about it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "route")]
pub(super) struct RouteFile {
    /// Its name in the decision log and metrics. The action, unless given; needed when two routes share
    /// an action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The host it is served on, without port.
    host: String,
    /// The methods. `HEAD` and `OPTIONS` only where listed.
    #[schemars(length(min = 1))]
    methods: Vec<MethodName>,
    /// The path, with parameters in braces: `/teams/{team}/members`, `/wallets/{wallet}:withdraw`,
    /// `/files/{*rest}`.
    path: String,
    /// The Cedar action asked for, as `teams:read`.
    action: String,
    /// The resource asked about: where its id is found in the request. Short form `Type::source.key`,
    /// as `Team::path.team`, `Team::query.team`, `Team::header.x-team` or `Team::json./team/id`;
    /// `organisation` for the root of the principal's organisation; or a table.
    resource: ResourceFile,
    /// What else the request names, and is asked about: all must be allowed. Refused like the resource.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    also: Vec<AlsoFile>,
    /// Properties of the body that hold ids, by name. The gateway does not read them: the service is told on
    /// which nodes the action is allowed (claim `body_access`) and compares.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    body_ids: BTreeMap<String, BodyIdsFile>,
    /// Parameters of the path that are asked about nowhere, each with the reason: `{ locale = "a language" }`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    unchecked: BTreeMap<String, String>,
    /// The service that answers.
    service: String,
    /// The API scopes of which an API client needs one, as `teams:read`; policies see them as
    /// `context.operation.scopes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scopes: Vec<String>,
    /// How a denial looks to the one denied; as the service says unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    denied: Option<DeniedName>,
    /// How durable the decision record is before the request goes on.
    #[serde(default)]
    log: LogName,
    /// Lets the answer be a long stream, which is cut when the decision no longer holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stream: Option<StreamName>,
    /// Whether a request body is taken. Absent: taken for `POST`, `PUT` and `PATCH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<BodyName>,
    /// Largest request body; `[listen] body_bytes_max` unless given. A body that names the resource is
    /// never larger than 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_099_511_627_776_i64))]
    body_bytes_max: Option<u64>,
    /// The quota that requests of one credential count against; the service's unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quota: Option<String>,
    /// Lets the gateway answer, instead of the service: `tokens` and `refresh` give tokens for the `clientId` and
    /// `clientSecret`, or the `refreshToken`, in a JSON body; `{ credential = { teamIds = "Team" } }` tells what the
    /// credential is good for, with the ids of its nodes of these Cedar types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<AnswerFile>,
}

/// What the gateway answers itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "answer")]
pub(super) enum AnswerFile {
    /// Tokens, for `clientId` and `clientSecret`.
    Tokens,
    /// New tokens, for `refreshToken`.
    Refresh,
    /// What the credential of the one who asks is good for. Names of properties, each with the Cedar type of the nodes
    /// whose ids it holds; a name that ends in `s` holds a list.
    Credential(BTreeMap<String, String>),
}

impl AnswerFile {
    fn answer(&self) -> OwnAnswer {
        match self {
            Self::Tokens => OwnAnswer::Tokens,
            Self::Refresh => OwnAnswer::Refresh,
            Self::Credential(ids) => OwnAnswer::Credential {
                ids: ids.iter().map(|(name, kind)| (name.clone(), kind.clone())).collect(),
            },
        }
    }
}

/// What holds for a route that does not say otherwise.
#[derive(Clone, Debug, Default)]
pub(super) struct Usual {
    /// The listener's largest body.
    pub(super) body_bytes_max: u64,
    /// How denials look, service by service.
    pub(super) denials: HashMap<ServiceId, Denials>,
    /// What requests count against, service by service.
    pub(super) quotas: HashMap<ServiceId, Arc<str>>,
}

/// An operation of an API document, as the route it becomes.
#[derive(Debug)]
pub(super) struct OperationRoute<'a> {
    pub(super) id: String,
    pub(super) host: String,
    pub(super) method: &'a Method,
    pub(super) path: String,
    pub(super) action: String,
    pub(super) resource: ResourceFile,
    pub(super) named: NamedFile,
    pub(super) service: String,
    pub(super) scopes: Vec<String>,
    pub(super) denied: Option<DeniedName>,
    pub(super) log: LogName,
    pub(super) stream: Option<StreamName>,
    pub(super) body: Option<BodyName>,
    pub(super) body_bytes_max: Option<u64>,
    pub(super) quota: Option<String>,
    pub(super) answer: Option<AnswerFile>,
}

/// A request method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum MethodName {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

/// How durable a decision record is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LogName {
    /// Handed to the kernel: survives a crash of the gateway.
    #[default]
    CrashSafe,
    /// On the disk: survives a crash of the machine; costs a disk flush, shared by requests at once.
    Strict,
}

/// A long stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum StreamName {
    /// A WebSocket (HTTP/1.1 upgrade).
    WebSocket,
    /// Server-sent events.
    Sse,
}

/// Whether a request body is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum BodyName {
    /// It is.
    Allowed,
    /// A request with one is refused (400).
    Refused,
}

/// A body that must be read before the decision is held in memory whole, for every request at once.
const RESOURCE_BODY_BYTES_MAX: u64 = 64 * 1024;

impl MethodName {
    /// Every method a route may serve.
    const ALL: [Self; 7] =
        [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options];

    const fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Head => Method::HEAD,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
            Self::Delete => Method::DELETE,
            Self::Options => Method::OPTIONS,
        }
    }
}

impl RouteFile {
    /// The route of an operation, to be read like one of the settings file. `None` for a method that no
    /// route serves.
    pub(super) fn of_operation(operation: OperationRoute<'_>) -> Option<Self> {
        let named = |name: &MethodName| name.method() == *operation.method;
        Some(Self {
            id: Some(operation.id),
            host: operation.host,
            methods: vec![MethodName::ALL.into_iter().find(named)?],
            path: operation.path,
            action: operation.action,
            resource: operation.resource,
            also: operation.named.also,
            body_ids: operation.named.body_ids,
            unchecked: operation.named.unchecked,
            service: operation.service,
            scopes: operation.scopes,
            denied: operation.denied,
            log: operation.log,
            stream: operation.stream,
            body: operation.body,
            body_bytes_max: operation.body_bytes_max,
            quota: operation.quota,
            answer: operation.answer,
        })
    }

    /// The scopes as written.
    pub(super) fn stated_scopes(&self) -> &[String] {
        &self.scopes
    }

    pub(super) fn settings(
        &self,
        section: &mut Section<'_>,
        usual: &Usual,
        described: Option<&Described<'_>>,
    ) -> Option<RouteSettings> {
        let action = section.keep("action", ActionId::parse(&self.action));
        let (id_key, id) = match &self.id {
            Some(id) => ("id", id),
            None => ("action", &self.action),
        };
        // A bad action is told once, not again as a bad id.
        let id = if self.id.is_none() && action.is_none() {
            None
        } else {
            section.keep(id_key, RouteId::parse(id))
        };
        let service = section.keep("service", ServiceId::parse(&self.service));
        let host = section.keep("host", host(&self.host));
        let scopes = section.keep("scopes", Scopes::new(self.scopes.iter().map(String::as_str)));
        let resource = self.resource.rule(section)?;
        let named = action.as_ref().map(|action| self.named().settings(section, action, described));
        let service = service?;
        let denials = self.denied.map(DeniedName::denials);
        let denials = denials.or_else(|| usual.denials.get(&service).copied()).unwrap_or_default();
        let quota = self.quota.as_deref().map(Arc::from);
        let quota = quota.or_else(|| usual.quotas.get(&service).cloned());
        let named = named?;
        let reads_body = std::iter::once(&resource)
            .chain(named.also.iter().map(|also| &also.resource))
            .any(|rule| matches!(rule, ResourceRule::JsonBody { .. }));
        let mut route = RouteSettings {
            id: id?,
            host: host?,
            methods: self.methods(section),
            path: self.path.clone(),
            action: action?,
            body_bytes_max: self.body_limit(section, reads_body, usual.body_bytes_max),
            resource,
            named,
            scopes: scopes?,
            denials,
            service,
            durability: match self.log {
                LogName::CrashSafe => LogClass::CrashSafe,
                LogName::Strict => LogClass::Strict,
            },
            stream: self.stream(),
            body: self.body_rule(),
            answer: self.answer.as_ref().map(AnswerFile::answer),
            stated_scopes: self.scopes.clone(),
            quota,
        };
        if let Some(OwnAnswer::Tokens | OwnAnswer::Refresh) = &route.answer
            && route.methods != [Method::POST]
        {
            section.wrong("answer", "tokens are given for a POST alone");
        }
        named_ids::check(section, &mut route, described);
        Some(route)
    }

    fn named(&self) -> NamedFile {
        NamedFile {
            also: self.also.clone(),
            body_ids: self.body_ids.clone(),
            unchecked: self.unchecked.clone(),
        }
    }

    fn methods(&self, section: &mut Section<'_>) -> Vec<Method> {
        let mut methods = Vec::with_capacity(self.methods.len());
        for (index, name) in self.methods.iter().enumerate() {
            let method = name.method();
            if methods.contains(&method) {
                section.wrong_item("methods", index, format!("`{method}` is listed twice"));
            } else {
                methods.push(method);
            }
        }
        methods
    }

    const fn stream(&self) -> Stream {
        match self.stream {
            None => Stream::None,
            Some(StreamName::Sse) => Stream::ServerSentEvents,
            Some(StreamName::WebSocket) => Stream::WebSocket,
        }
    }

    const fn body_rule(&self) -> BodyRule {
        match self.body {
            None => BodyRule::ByMethod,
            Some(BodyName::Allowed) => BodyRule::Allowed,
            Some(BodyName::Refused) => BodyRule::Refused,
        }
    }

    fn body_limit(&self, section: &mut Section<'_>, reads_body: bool, usual: u64) -> u64 {
        if !reads_body {
            return self.body_bytes_max.unwrap_or(usual);
        }
        if self.body_bytes_max > Some(RESOURCE_BODY_BYTES_MAX) {
            let message =
                format!("a body that names the resource holds at most {RESOURCE_BODY_BYTES_MAX}");
            section.wrong("body_bytes_max", message);
        }
        self.body_bytes_max.unwrap_or(usual).min(RESOURCE_BODY_BYTES_MAX)
    }
}

/// A host without port, in lower case.
///
/// # Errors
/// What it is instead.
pub(super) fn host(text: &str) -> Result<String, String> {
    let name = text.to_ascii_lowercase();
    if text.contains(':') {
        return Err(format!("`{text}` is no host: write it without port and scheme"));
    }
    if is_host_name(&name) || name.parse::<std::net::Ipv4Addr>().is_ok() {
        return Ok(name);
    }
    Err(format!("`{text}` is no host name"))
}
