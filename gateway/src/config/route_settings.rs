//! Declared routes, typed: what the route table is built from.

use http::Method;

use crate::model::{ActionId, EntityUid, RouteId, ServiceId};

/// A declared route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSettings {
    /// Its name.
    pub id: RouteId,
    /// The host, lower case, without port.
    pub host: String,
    /// The methods.
    pub methods: Vec<Method>,
    /// The path template, as `/teams/{team}`.
    pub path: String,
    /// The Cedar action.
    pub action: ActionId,
    /// Where the resource's name comes from.
    pub resource: ResourceRule,
    /// The service that answers.
    pub service: ServiceId,
    /// How durable the decision record is before the request goes on.
    pub log_class: LogClass,
    /// Whether the answer is a long stream.
    pub stream: Stream,
    /// Whether a request body is taken.
    pub body: BodyRule,
    /// The largest body.
    pub body_bytes_max: u64,
}

/// Where a route's resource comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceRule {
    /// Always this entity.
    Fixed(EntityUid),
    /// The root entity of the principal's organisation.
    Organisation,
    /// A parameter of the path template.
    Path {
        /// Cedar type.
        kind: String,
        /// Name of the parameter.
        parameter: String,
    },
    /// A key of the query.
    Query {
        /// Cedar type.
        kind: String,
        /// Name of the key.
        key: String,
    },
    /// A request field.
    Header {
        /// Cedar type.
        kind: String,
        /// Name of the field, lower case.
        name: String,
    },
    /// A place in the JSON body.
    JsonBody {
        /// Cedar type.
        kind: String,
        /// JSON Pointer (RFC 6901).
        pointer: String,
    },
}

/// How durable the decision record is before the request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogClass {
    /// In the kernel's hands: survives the process.
    CrashSafe,
    /// On the disk: survives the machine.
    Strict,
}

/// Whether the answer is a long stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// It is not.
    None,
    /// A WebSocket.
    WebSocket,
    /// Server-sent events.
    ServerSentEvents,
}

/// Whether a request body is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyRule {
    /// It is.
    Allowed,
    /// It is refused.
    Refused,
}
