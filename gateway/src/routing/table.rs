//! The route table: host + method + path to one route, built once per snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use crate::model::{Malformed, Refusal, RouteId};

use super::request::{CanonicalRequest, Upgrade};
use super::resource::{Matched, Parameters};
use super::route::{Route, RouteSettings, Stream};
use super::template;

/// Most routes in one table: far above any backend's API, far below what hurts at load.
const ROUTES_MAX: usize = 10_000;

/// What is wrong with a declared route. Each names it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Two routes have one name.
    #[error("route `{id}`: another route has this id")]
    Duplicate {
        /// The second of them.
        id: RouteId,
    },
    /// Two routes serve the same method of the same path.
    #[error("route `{id}`: `{method} {path}` already belongs to route `{other}`")]
    Taken {
        /// The later route.
        id: RouteId,
        /// The earlier route.
        other: RouteId,
        /// The method.
        method: Method,
        /// The path template.
        path: String,
    },
    /// Two templates match the same paths and neither is more exact.
    #[error("route `{id}`: `{path}` overlaps `{with}`, so a path would not say which is meant")]
    Overlap {
        /// The later route.
        id: RouteId,
        /// Its path template.
        path: String,
        /// The template it overlaps, with its route where that is known.
        with: String,
    },
    /// A path template that is none.
    #[error("route `{id}`: path `{path}`: {rule}")]
    Template {
        /// The route.
        id: RouteId,
        /// Its path.
        path: String,
        /// The rule broken.
        rule: &'static str,
    },
    /// The resource rule names a parameter the path has not.
    #[error("route `{id}`: the path has no parameter `{parameter}`")]
    UnknownParameter {
        /// The route.
        id: RouteId,
        /// The key it stands at: `resource`, `also[0]`, `body_ids.x`.
        key: String,
        /// The parameter.
        parameter: String,
    },
    /// A host that no request can carry.
    #[error("route `{id}`: `{host}` is no host: lower case, no port, no trailing dot")]
    Host {
        /// The route.
        id: RouteId,
        /// The host.
        host: String,
    },
    /// A method list that cannot be.
    #[error("route `{id}`: {rule}")]
    Methods {
        /// The route.
        id: RouteId,
        /// The rule broken.
        rule: &'static str,
    },
    /// A resource rule that cannot be.
    #[error("route `{id}`: resource: {rule}")]
    Resource {
        /// The route.
        id: RouteId,
        /// The key it stands at: `resource`, `also[0]`, `body_ids.x`.
        key: String,
        /// The rule broken.
        rule: &'static str,
    },
    /// A further question, or ids of the body, that cannot be.
    #[error("route `{id}`: ids it names: {rule}")]
    Named {
        /// The route.
        id: RouteId,
        /// The key it stands at: `resource`, `also[0]`, `body_ids.x`.
        key: String,
        /// The rule broken.
        rule: &'static str,
    },
    /// More routes than a table holds.
    #[error("route `{id}`: more than 10000 routes")]
    TooMany {
        /// The first route too many.
        id: RouteId,
    },
}

impl RouteError {
    /// The route it is about.
    pub const fn id(&self) -> &RouteId {
        match self {
            Self::Duplicate { id }
            | Self::Taken { id, .. }
            | Self::Overlap { id, .. }
            | Self::Template { id, .. }
            | Self::UnknownParameter { id, .. }
            | Self::Host { id, .. }
            | Self::Methods { id, .. }
            | Self::Resource { id, .. }
            | Self::Named { id, .. }
            | Self::TooMany { id } => id,
        }
    }
}

/// All routes of a snapshot.
#[derive(Debug, Default)]
pub struct RouteTable {
    hosts: HashMap<String, Host>,
    by_id: HashMap<RouteId, Arc<Route>>,
}

/// The routes of one host: the router leads to a place in `paths`.
#[derive(Debug, Default)]
struct Host {
    router: matchit::Router<usize>,
    paths: Vec<PathRoutes>,
    by_shape: HashMap<String, usize>,
}

/// The routes of one path, told apart by method. Each may name the path's parameters in its own way.
#[derive(Debug)]
struct PathRoutes {
    /// The template as the router has it.
    shape: String,
    routes: Vec<Arc<Route>>,
    allow: String,
}

impl RouteTable {
    /// Checks all routes and compiles them.
    ///
    /// # Errors
    /// Everything wrong, each error naming its route: duplicates, overlaps, bad templates, unknown
    /// parameters, more than 10,000 routes.
    pub fn build(routes: Vec<RouteSettings>) -> Result<Self, Vec<RouteError>> {
        if let Some(extra) = routes.get(ROUTES_MAX) {
            return Err(vec![RouteError::TooMany { id: extra.id.clone() }]);
        }
        let mut table = Self::default();
        let mut errors = Vec::new();
        for settings in routes {
            match Route::build(settings) {
                Ok(route) => errors.extend(table.add(&Arc::new(route)).err()),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(table) } else { Err(errors) }
    }

    /// Finds the route of a request. OPTIONS and HEAD are methods like the others.
    ///
    /// # Errors
    /// [`Refusal::UnknownHost`], [`Refusal::RouteNotFound`], [`Refusal::MethodNotAllowed`]; and, where
    /// the route has no place for it, [`Malformed::Upgrade`], [`Malformed::UnexpectedBody`] or
    /// [`Refusal::BodyTooLarge`].
    pub fn find(&self, request: &CanonicalRequest) -> Result<Matched, Refusal> {
        let host = self.hosts.get(request.host()).ok_or(Refusal::UnknownHost)?;
        // The gateway's own pages never reach the table; a catch-all must not swallow them.
        if template::is_gateway_path(request.path()) {
            return Err(Refusal::RouteNotFound);
        }
        let found = host.router.at(request.path()).map_err(|_| Refusal::RouteNotFound)?;
        let path = host.paths.get(*found.value).ok_or(Refusal::RouteNotFound)?;
        let route = path
            .route(request.method())
            .ok_or_else(|| Refusal::MethodNotAllowed { allow: path.allow.clone() })?;
        check_fit(route, request)?;
        let mut values = found.params.iter().map(|(_, value)| value);
        let parameters = Parameters::read(route.parameters(), || values.next())?;
        Ok(Matched { route: Arc::clone(route), parameters })
    }

    /// Whether a host is served.
    pub fn knows_host(&self, host: &str) -> bool {
        self.hosts.contains_key(host)
    }

    /// All hosts that are served, in no order.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.keys().map(String::as_str)
    }

    /// The route of that name.
    pub fn route(&self, id: &RouteId) -> Option<&Arc<Route>> {
        self.by_id.get(id)
    }

    /// All routes, in no order.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.by_id.values()
    }

    fn add(&mut self, route: &Arc<Route>) -> Result<(), RouteError> {
        if self.by_id.contains_key(route.id()) {
            return Err(RouteError::Duplicate { id: route.id().clone() });
        }
        self.by_id.insert(route.id().clone(), Arc::clone(route));
        self.hosts.entry(String::from(route.host())).or_default().add(route)
    }
}

impl Host {
    fn add(&mut self, route: &Arc<Route>) -> Result<(), RouteError> {
        let shape = template::shape(route.template());
        let place = match self.by_shape.get(&shape) {
            Some(place) => *place,
            None => self.add_path(route, &shape)?,
        };
        let Some(path) = self.paths.get_mut(place) else {
            return Ok(());
        };
        for method in route.methods() {
            if let Some(other) = path.route(method) {
                return Err(RouteError::Taken {
                    id: route.id().clone(),
                    other: other.id().clone(),
                    method: method.clone(),
                    path: String::from(route.template()),
                });
            }
        }
        path.routes.push(Arc::clone(route));
        path.allow = path.methods();
        Ok(())
    }

    fn add_path(&mut self, route: &Arc<Route>, shape: &str) -> Result<usize, RouteError> {
        let place = self.paths.len();
        self.router.insert(shape, place).map_err(|error| self.explain(route, &error))?;
        let path =
            PathRoutes { shape: String::from(shape), routes: Vec::new(), allow: String::new() };
        self.paths.push(path);
        self.by_shape.insert(String::from(shape), place);
        Ok(place)
    }

    fn explain(&self, route: &Arc<Route>, error: &matchit::InsertError) -> RouteError {
        let (id, path) = (route.id().clone(), String::from(route.template()));
        let matchit::InsertError::Conflict { with } = error else {
            return RouteError::Template { id, path, rule: "not a template the router can hold" };
        };
        let owner = self.paths.iter().find(|path| path.shape == *with);
        let with = match owner.and_then(|path| path.routes.first()) {
            Some(other) => format!("{}` of route `{}", other.template(), other.id()),
            None => with.clone(),
        };
        RouteError::Overlap { id, path, with }
    }
}

impl PathRoutes {
    fn route(&self, method: &Method) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| route.methods().contains(method))
    }

    /// The methods for `Allow` (RFC 9110 §10.2.1).
    fn methods(&self) -> String {
        let names = self.routes.iter().flat_map(|route| route.methods());
        names.map(Method::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// Whether upgrade and body of the request have a place in the route.
fn check_fit(route: &Route, request: &CanonicalRequest) -> Result<(), Refusal> {
    if request.upgrade() == Upgrade::WebSocket && route.stream() != Stream::WebSocket {
        return Err(Refusal::Malformed(Malformed::Upgrade));
    }
    if request.has_body() && !route.body_rule().admits(request.method()) {
        return Err(Refusal::Malformed(Malformed::UnexpectedBody));
    }
    if request.content_length().is_some_and(|length| length > route.body_bytes_max()) {
        return Err(Refusal::BodyTooLarge);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
