//! The way of every operation: decided and recorded before it is done, its end recorded after it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt as _;

use super::feeder::Feeder;
use super::problem::Problem;
use super::server::REQUEST_ID;
use crate::model::{ActionId, DecisionId, Scopes, TenantId};
use crate::pipeline::{Admitted, Arrival, Operation, Pipeline};

/// What operations work with.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) feeder: Feeder,
    /// The action of everything that changes pushed resources or tells of them.
    pub(super) push: ActionId,
    pub(super) push_scopes: Scopes,
}

/// An operation that may be done.
#[derive(Debug)]
pub(super) struct Guarded<'a> {
    pub(super) admitted: Admitted,
    pub(super) feeder: &'a Feeder,
    pub(super) headers: &'a HeaderMap,
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
        let given = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = given.and_then(|given| given.split(';').next()).map(str::trim);
        match essence {
            Some(essence) if essence.eq_ignore_ascii_case(wanted) => Ok(()),
            _ => Err(Problem::media_type(wanted)),
        }
    }
}

impl Door {
    /// Decides who may do something to `organisation`, and does it.
    pub(super) async fn guarded(
        &self,
        (parts, peer): (&Parts, SocketAddr),
        organisation: &str,
        operation: impl AsyncFnOnce(&Guarded<'_>) -> Result<Response, Problem>,
    ) -> Response {
        let Ok(tenant) = TenantId::parse(organisation) else {
            let id = self.new_id();
            return finished(Problem::not_found().response(id), id);
        };
        let asked = Operation {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            headers: &parts.headers,
            action: &self.push,
            scopes: &self.push_scopes,
            tenant: &tenant,
        };
        let at = self.pipeline.now();
        let arrival = Arrival { peer, secure: false, tls_version: None, server_name: None, at };
        let admitted = match self.pipeline.admit_operation(&asked, &arrival).await {
            Ok(admitted) => admitted,
            Err(refused) => {
                let response = Problem::from(&refused).response(refused.decision);
                return finished(response, refused.decision);
            }
        };
        let id = admitted.decision();
        let (feeder, headers) = (&self.feeder, &parts.headers);
        let mut guarded = Guarded { admitted, feeder, headers, taken: Arc::default() };
        let answered = operation(&guarded).await;
        let response = answered.unwrap_or_else(|problem| problem.response(id));
        guarded
            .admitted
            .answered(response.status().as_u16(), guarded.taken.load(Ordering::Relaxed));
        finished(response, id)
    }

    pub(super) fn new_id(&self) -> DecisionId {
        self.pipeline.new_decision_id()
    }
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
