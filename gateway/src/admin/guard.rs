//! The way of every operation: decided and recorded before it is done, its end recorded after it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt as _;

use super::body::wants_media_type;
use super::desk::Desk;
use super::feeder::Feeder;
use super::operation::{OPERATIONS, Operation, REPLACES_BOOTSTRAP};
use super::own_pages::host_of;
use super::problem::Problem;
use super::server::REQUEST_ID;
use crate::model::{ActionId, DecisionId, EntityUid, IdError, Scopes, TenantId};
use crate::pipeline::{self, Admitted, Arrival, Entered, NotAdmitted, Pipeline};

/// The peer of a connection, for its requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Actions on resources, all of which must be allowed.
pub(super) type Questions = Vec<(ActionId, EntityUid)>;

/// What handlers are given.
pub(super) type Shared = axum::extract::State<Arc<Door>>;

/// What operations work with.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pipeline: Arc<Pipeline>,
    feeder: Feeder,
    desk: Desk,
    /// What each operation is decided by, by its id.
    rights: HashMap<&'static str, (ActionId, Scopes)>,
}

/// An operation that may be done.
#[derive(Debug)]
pub(super) struct Guarded<'a> {
    pub(super) admitted: Admitted,
    pub(super) operation: &'static Operation,
    pub(super) feeder: &'a Feeder,
    pub(super) desk: &'a Desk,
    pub(super) headers: &'a HeaderMap,
    pub(super) path: &'a str,
    taken: Arc<AtomicU64>,
}

impl Guarded<'_> {
    /// The body, counted for the record.
    pub(super) fn counted(&self, body: Body) -> Body {
        let taken = Arc::clone(&self.taken);
        Body::new(body.map_frame(move |frame| {
            let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
            taken.fetch_add(bytes, Ordering::Relaxed);
            frame
        }))
    }

    /// Refuses a body of another media type.
    pub(super) fn wants_media_type(&self, wanted: &str) -> Result<(), Problem> {
        wants_media_type(self.headers, &[wanted])
    }
}

impl Door {
    /// Puts it together.
    ///
    /// # Errors
    /// [`IdError`] never in practice: the names of actions are some.
    pub(super) fn new(
        pipeline: Arc<Pipeline>,
        feeder: Feeder,
        desk: Desk,
    ) -> Result<Self, IdError> {
        let right = |operation: &&'static Operation| {
            // A set of scopes that cannot be told is one no key has.
            let scopes = Scopes::new(operation.scopes.iter().copied());
            let scopes = scopes.unwrap_or_else(|_| Scopes::none());
            Ok((operation.id, (ActionId::parse(operation.action)?, scopes)))
        };
        let rights = OPERATIONS.iter().map(right).collect::<Result<_, _>>()?;
        Ok(Self { pipeline, feeder, desk, rights })
    }

    /// Decides who may do `operation` to `organisation`, or to the asker's own where the path names none, and
    /// does it.
    pub(super) async fn guarded(
        &self,
        operation: &'static Operation,
        parts: &Parts,
        organisation: Option<&str>,
        act: impl AsyncFnOnce(&Guarded<'_>) -> Result<Response, Problem>,
    ) -> Response {
        let whole = async |entered: &Entered, action: &ActionId| {
            let root = entered.root().cloned().into_iter();
            Ok((root.map(|root| (action.clone(), root)).collect(), ()))
        };
        let act = async |guarded: &Guarded<'_>, ()| act(guarded).await;
        self.asked(operation, (parts, organisation), whole, act).await
    }

    /// Decides who may do `operation` by all the questions that `ask` finds, and does it.
    pub(super) async fn asked<Q>(
        &self,
        operation: &'static Operation,
        (parts, organisation): (&Parts, Option<&str>),
        ask: impl AsyncFnOnce(&Entered, &ActionId) -> Result<(Questions, Q), Problem>,
        act: impl AsyncFnOnce(&Guarded<'_>, Q) -> Result<Response, Problem>,
    ) -> Response {
        let named = organisation.map(TenantId::parse).transpose();
        let (Ok(tenant), Some((action, scopes))) = (named, self.rights.get(operation.id)) else {
            let id = self.new_id();
            return finished(Problem::not_found().response(id), id);
        };
        let path = parts.uri.path();
        let asked = pipeline::Operation {
            method: parts.method.as_str(),
            path,
            headers: &parts.headers,
            action,
            scopes,
            tenant: tenant.as_ref(),
            replaces_bootstrap: operation.id == REPLACES_BOOTSTRAP,
            platform: operation.is_of_the_platform(),
            origin: host_of(parts).and_then(|host| self.origin(host)),
        };
        let peer = peer(parts);
        let at = self.pipeline.now();
        let arrival = Arrival { peer, secure: false, tls_version: None, server_name: None, at };
        let ask = async |entered: &Entered| ask(entered, action).await;
        let (admitted, found) = match self.pipeline.admit_asked(&asked, &arrival, ask).await {
            Ok(admitted) => admitted,
            Err(NotAdmitted::Refused(refused)) => {
                let response = Problem::from(&refused).response(refused.decision);
                return finished(response, refused.decision);
            }
            Err(NotAdmitted::Senseless(problem, id)) => return finished(problem.response(id), id),
        };
        let id = admitted.decision();
        let (feeder, desk, headers) = (&self.feeder, &self.desk, &parts.headers);
        let taken = Arc::default();
        let mut guarded = Guarded { admitted, operation, feeder, desk, headers, path, taken };
        let answered = act(&guarded, found).await;
        let response = answered.unwrap_or_else(|problem| problem.response(id));
        guarded
            .admitted
            .answered(response.status().as_u16(), guarded.taken.load(Ordering::Relaxed));
        finished(response, id)
    }

    /// The way every request goes.
    pub(super) const fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// The host people administer on, if they may.
    pub(super) fn admin_host(&self) -> Option<&str> {
        self.pipeline.admin_host()
    }

    /// The origin of pages on this host and port, where people administer on it.
    fn origin(&self, authority: &str) -> Option<String> {
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let is_ours = self.admin_host().is_some_and(|ours| ours.eq_ignore_ascii_case(host));
        is_ours.then(|| format!("https://{}", authority.to_ascii_lowercase()))
    }

    /// Where changes are made.
    pub(super) const fn desk(&self) -> &Desk {
        &self.desk
    }

    pub(super) fn new_id(&self) -> DecisionId {
        self.pipeline.new_decision_id()
    }
}

/// The peer the connection was accepted from; every connection is given one.
pub(super) fn peer(parts: &Parts) -> SocketAddr {
    let peer = parts.extensions.get::<Peer>();
    peer.map_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)), |peer| peer.0)
}

/// What every answer of this door has.
pub(super) fn finished(mut response: Response, id: DecisionId) -> Response {
    let fields = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        fields.insert(REQUEST_ID, id);
    }
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if response.status() == StatusCode::NO_CONTENT {
        *response.body_mut() = Body::empty();
    }
    response
}
