//! One declared route: what `config` hands over, and what the table keeps of it.

use std::sync::Arc;

use http::Method;
use http::header::HeaderName;

use crate::model::{ActionId, EntityUid, RouteId, Scopes, ServiceId};

use super::fields::{FieldClass, classify};
use super::named::{AlsoRule, BodyIds, NamedIds};
use super::request::is_known_method;
use super::table::RouteError;
use super::{authority, json, template};

/// How durable the decision record of a route must be before the request goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogClass {
    /// Survives a crash of the process: handed to the kernel. The default: it costs next to nothing.
    #[default]
    CrashSafe,
    /// Survives a power cut: flushed to the disk first.
    Strict,
}

/// Long-lived answers a route may give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stream {
    /// None.
    #[default]
    None,
    /// A WebSocket, by an HTTP/1.1 upgrade. Plain requests still pass: Socket.IO polls on the same path.
    WebSocket,
    /// An endless `text/event-stream`.
    ServerSentEvents,
}

/// Whether requests of a route may have a body (PX-10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyRule {
    /// POST, PUT and PATCH may, the other methods may not: what HTTP means by them (RFC 9110 §9.3).
    #[default]
    ByMethod,
    /// Every method may: for backends that read a body with GET or DELETE.
    Allowed,
    /// No method may.
    Refused,
}

impl BodyRule {
    /// Whether a request with `method` may have a body.
    pub(super) fn admits(self, method: &Method) -> bool {
        match self {
            Self::ByMethod => matches!(*method, Method::POST | Method::PUT | Method::PATCH),
            Self::Allowed => true,
            Self::Refused => false,
        }
    }
}

/// How a denial looks to the one denied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Denials {
    /// 403 on what stands below a node the principal has a role on, and where a policy permits it and only a
    /// forbid stands in the way; elsewhere exactly as if nothing were there (404), so nobody learns what others
    /// have.
    #[default]
    OutsideHidden,
    /// Always as if nothing were there.
    Hidden,
    /// Always 403.
    Forbidden,
}

/// What the gateway answers itself, instead of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnAnswer {
    /// Tokens, for the id and secret of an API client.
    Tokens,
    /// New tokens, for a refresh token.
    Refresh,
    /// What the credential of the one who asks is good for.
    Credential {
        /// Properties of the answer that hold ids of the nodes it has roles on or below: name and Cedar type. A name that
        /// ends in `s` holds a list.
        ids: Vec<(String, String)>,
    },
}

/// Where a request says which object it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceRule {
    /// Always this object.
    Fixed(EntityUid),
    /// The root of the organisation that asks.
    Organisation,
    /// The node of the organisation the one who asks works in.
    Active,
    /// Every node of these types that the policies allow the action on; the service is told which.
    Among {
        /// The Cedar types.
        kinds: Vec<String>,
    },
    /// A parameter of the path template.
    Path {
        /// The Cedar type.
        kind: String,
        /// The parameter's name.
        parameter: String,
    },
    /// A query key, which must then be there exactly once.
    Query {
        /// The Cedar type.
        kind: String,
        /// The key, case-sensitive.
        key: String,
    },
    /// A request field, which must then be there exactly once.
    Header {
        /// The Cedar type.
        kind: String,
        /// The field's name.
        name: String,
    },
    /// A string or whole number in a JSON body.
    JsonBody {
        /// The Cedar type.
        kind: String,
        /// A JSON pointer (RFC 6901).
        pointer: String,
    },
}

/// A route as `config` declares it.
#[derive(Clone, Debug)]
pub struct RouteSettings {
    /// Its name, unique in the configuration.
    pub id: RouteId,
    /// The host it is served on: lower case, no port.
    pub host: String,
    /// The methods it serves.
    pub methods: Vec<Method>,
    /// The path template: `/teams/{team}`, `/wallets/{id}:withdraw`, `/files/{*rest}`.
    pub path: String,
    /// The Cedar action.
    pub action: ActionId,
    /// The Cedar resource.
    pub resource: ResourceRule,
    /// The other objects its requests name.
    pub named: NamedIds,
    /// The API scopes of which an API client needs one.
    pub scopes: Scopes,
    /// The least of them, as whoever described the operation states them.
    pub stated_scopes: Vec<String>,
    /// How a denial looks.
    pub denials: Denials,
    /// The service it goes to.
    pub service: ServiceId,
    /// How durable its decision records are.
    pub durability: LogClass,
    /// Its long-lived answers.
    pub stream: Stream,
    /// Whether its requests may have a body.
    pub body: BodyRule,
    /// The largest body in bytes.
    pub body_bytes_max: u64,
    /// What the gateway answers itself, instead of the service.
    pub answer: Option<OwnAnswer>,
    /// The quota its requests count against.
    pub quota: Option<Arc<str>>,
}

impl RouteSettings {
    /// Every rule a request's objects are found by: the resource's first.
    pub fn rules(&self) -> impl Iterator<Item = &ResourceRule> {
        let also = self.named.also.iter().map(|also| &also.resource);
        std::iter::once(&self.resource).chain(also)
    }
}

/// A checked route.
#[derive(Debug)]
pub struct Route {
    settings: RouteSettings,
    parameters: Vec<Arc<str>>,
}

impl Route {
    /// Checks everything about a route that does not depend on the others.
    ///
    /// # Errors
    /// The first thing wrong, naming the route.
    pub(super) fn build(settings: RouteSettings) -> Result<Self, RouteError> {
        let id = &settings.id;
        if !authority::is_canonical_host(&settings.host) {
            return Err(RouteError::Host { id: id.clone(), host: settings.host });
        }
        check_methods(&settings).map_err(|rule| RouteError::Methods { id: id.clone(), rule })?;
        let parameters = template::parameters(&settings.path).map_err(|rule| {
            RouteError::Template { id: id.clone(), path: settings.path.clone(), rule }
        })?;
        for (at, rule) in settings.rules().enumerate() {
            // The resource's rule comes first.
            let key = match at.checked_sub(1) {
                Some(index) => format!("also[{index}]"),
                None => String::from("resource"),
            };
            if let ResourceRule::Path { parameter, .. } = rule
                && !parameters.iter().any(|known| **known == **parameter)
            {
                let parameter = parameter.clone();
                return Err(RouteError::UnknownParameter { id: id.clone(), key, parameter });
            }
            check_resource(&settings, rule).map_err(|rule| RouteError::Resource {
                id: id.clone(),
                key,
                rule,
            })?;
        }
        for (index, also) in settings.named.also.iter().enumerate() {
            let key = format!("also[{index}]");
            also.check().map_err(|rule| RouteError::Named { id: id.clone(), key, rule })?;
        }
        check_body_ids(&settings).map_err(|(key, rule)| RouteError::Named {
            id: id.clone(),
            key,
            rule,
        })?;
        Ok(Self { settings, parameters })
    }

    /// The route's name.
    pub const fn id(&self) -> &RouteId {
        &self.settings.id
    }

    /// The host it is served on.
    pub fn host(&self) -> &str {
        &self.settings.host
    }

    /// The methods it serves.
    pub fn methods(&self) -> &[Method] {
        &self.settings.methods
    }

    /// The path template: for records, metrics and traces.
    pub fn template(&self) -> &str {
        &self.settings.path
    }

    /// The Cedar action.
    pub const fn action(&self) -> &ActionId {
        &self.settings.action
    }

    /// Where requests say which object they are about.
    pub const fn resource_rule(&self) -> &ResourceRule {
        &self.settings.resource
    }

    /// The further questions about its requests.
    pub fn also(&self) -> &[AlsoRule] {
        &self.settings.named.also
    }

    /// The properties of its bodies that hold ids.
    pub fn body_ids(&self) -> &[BodyIds] {
        &self.settings.named.body
    }

    /// The API scopes of which an API client needs one.
    pub const fn scopes(&self) -> &Scopes {
        &self.settings.scopes
    }

    /// The quota its requests count against.
    pub const fn quota(&self) -> Option<&Arc<str>> {
        self.settings.quota.as_ref()
    }

    /// The least of them, as whoever described the operation states them.
    pub fn stated_scopes(&self) -> &[String] {
        &self.settings.stated_scopes
    }

    /// What the gateway answers itself, instead of the service.
    pub const fn answer(&self) -> Option<&OwnAnswer> {
        self.settings.answer.as_ref()
    }

    /// How a denial looks.
    pub const fn denials(&self) -> Denials {
        self.settings.denials
    }

    /// The service it goes to.
    pub const fn service(&self) -> &ServiceId {
        &self.settings.service
    }

    /// How durable its decision records are.
    pub const fn log_class(&self) -> LogClass {
        self.settings.durability
    }

    /// Its long-lived answers.
    pub const fn stream(&self) -> Stream {
        self.settings.stream
    }

    /// Whether its requests may have a body.
    pub const fn body_rule(&self) -> BodyRule {
        self.settings.body
    }

    /// The largest body in bytes. The table compares the promised length; who reads the body counts.
    pub const fn body_bytes_max(&self) -> u64 {
        self.settings.body_bytes_max
    }

    /// The names of the path parameters, in order.
    pub(super) fn parameters(&self) -> &[Arc<str>] {
        &self.parameters
    }
}

fn check_methods(settings: &RouteSettings) -> Result<(), &'static str> {
    let methods = &settings.methods;
    if methods.is_empty() {
        return Err("name at least one method");
    }
    if !methods.iter().all(is_known_method) {
        return Err("methods are GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS, upper case");
    }
    let repeated = methods
        .iter()
        .enumerate()
        .any(|(at, method)| methods.iter().take(at).any(|earlier| earlier == method));
    if repeated {
        return Err("a method is named twice");
    }
    if settings.stream == Stream::WebSocket && !methods.contains(&Method::GET) {
        return Err("a WebSocket opens with GET");
    }
    Ok(())
}

fn check_resource(settings: &RouteSettings, rule: &ResourceRule) -> Result<(), &'static str> {
    let kind = match rule {
        ResourceRule::Fixed(_) | ResourceRule::Organisation | ResourceRule::Active => {
            return Ok(());
        }
        ResourceRule::Among { kinds } => return check_kinds(kinds),
        ResourceRule::Path { kind, .. } => kind,
        ResourceRule::Query { kind, key } => {
            if key.is_empty() {
                return Err("the query key is empty");
            }
            kind
        }
        ResourceRule::Header { kind, name } => {
            check_header(name)?;
            kind
        }
        ResourceRule::JsonBody { kind, pointer } => {
            check_json(settings, pointer)?;
            kind
        }
    };
    check_kind(kind)
}

fn check_kind(kind: &str) -> Result<(), &'static str> {
    EntityUid::new(kind, "x").map(|_| ()).map_err(|_| "the resource type is no Cedar type name")
}

fn check_body_ids(settings: &RouteSettings) -> Result<(), (String, &'static str)> {
    let body = &settings.named.body;
    if !body.is_empty() && !settings.methods.iter().any(|method| settings.body.admits(method)) {
        let rule = "ids are in the body, but no method of the route has one";
        return Err((String::from("body_ids"), rule));
    }
    body.iter().try_for_each(|ids| {
        check_kind(&ids.kind).map_err(|rule| (format!("body_ids.{}", ids.property), rule))
    })
}

fn check_kinds(kinds: &[String]) -> Result<(), &'static str> {
    if kinds.is_empty() {
        return Err("name the types of the nodes");
    }
    kinds.iter().try_for_each(|kind| check_kind(kind))
}

fn check_header(name: &str) -> Result<(), &'static str> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "no field name")?;
    let special = ["authorization", "cookie", "host", "content-length"].contains(&name.as_str());
    if special
        || name.as_str().contains('_')
        || classify(name.as_str().as_bytes()) != FieldClass::Kept
    {
        return Err("this field never reaches the route: it is removed, refused or a credential");
    }
    Ok(())
}

fn check_json(settings: &RouteSettings, pointer: &str) -> Result<(), &'static str> {
    if !json::is_pointer(pointer) {
        return Err("no JSON pointer: it begins with `/`, and `~` is written `~0` (RFC 6901)");
    }
    if !settings.methods.iter().all(|method| settings.body.admits(method)) {
        return Err("the resource is in the body, but a method of the route has none");
    }
    if settings.body_bytes_max > json::BODY_BYTES_MAX {
        return Err("the resource is in the body, so the body may be 65536 bytes at most");
    }
    Ok(())
}
