//! A small hub backend as a company might already have: every operation of its two API documents, a few of
//! them (teams, charge points, wallets) on data, the others as an echo of what was asked.
//!
//! It makes no decision of its own: ids in a body are compared with what the assertion says. It serves whoever the gateway's signed assertion names, and nobody
//! without one: that is all a backend has to do to stand behind Hubgate.

mod assertion;
mod body_ids;
mod data;
mod operations;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use assertion::{AssertionError, Verifier};

use body_ids::Tree;
use data::Data;
use operations::{Operation, Operations};

/// The field the gateway sends its assertion in.
const ASSERTION_FIELD: &str = "hubgate-assertion";
/// Longest body the hub reads: its documents are small.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Most requests remembered, so that a demo left running does not grow: more than a test sends at a time.
const SEEN_MAX: usize = 1_000;

/// The running hub. Dropping it closes the listener.
#[derive(Debug)]
pub struct DemoHub {
    address: SocketAddr,
    accepting: JoinHandle<()>,
    hub: Arc<Hub>,
}

/// A request that came to the hub, health checks left out.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Method and path, without the query.
    pub request: String,
    /// The operation it means; none when the hub has no such operation.
    pub operation: Option<String>,
    /// What its assertion says; none when that does not hold.
    pub claims: Option<serde_json::Map<String, Value>>,
}

impl DemoHub {
    /// Serves on `listener`, trusting assertions `verifier` accepts.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start(listener: TcpListener, verifier: Verifier) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let operations = Operations::of_the_documents();
        let (data, seen) = (Mutex::new(Data::demo()), Mutex::default());
        let tree = Tree::demo();
        let hub = Arc::new(Hub { verifier, operations, data, tree, seen });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&hub)));
        Ok(Self { address, accepting, hub })
    }

    /// What came since this was last asked, the oldest first, at most the last thousand.
    pub fn take_seen(&self) -> Vec<Seen> {
        let mut seen = self.hub.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *seen).into()
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for DemoHub {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

#[derive(Debug)]
struct Hub {
    verifier: Verifier,
    operations: Operations,
    data: Mutex<Data>,
    tree: Tree,
    seen: Mutex<VecDeque<Seen>>,
}

async fn accept(listener: TcpListener, hub: Arc<Hub>) {
    while let Ok((stream, _)) = listener.accept().await {
        let hub = Arc::clone(&hub);
        let service = service_fn(move |request| {
            let hub = Arc::clone(&hub);
            async move { Ok::<_, Infallible>(hub.serve(request).await) }
        });
        let serving = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(serving);
    }
}

impl Hub {
    async fn serve(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() == "/healthz" {
            return answer(StatusCode::OK, &json!({"status": "ok"}));
        }
        let token = request.headers().get(ASSERTION_FIELD).and_then(|value| value.to_str().ok());
        let verified = self.verifier.verify(token).await;
        self.remember(&request, verified.as_ref().ok());
        let claims = match verified {
            Ok(claims) => claims,
            Err(error) => {
                return answer(StatusCode::UNAUTHORIZED, &json!({"error": error.to_string()}));
            }
        };
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
            return answer(StatusCode::PAYLOAD_TOO_LARGE, &json!({"error": "body too large"}));
        };
        let body: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or(Value::Null);
        let Some(operation) = self.operations.find(&head.method, head.uri.path()) else {
            return answer(StatusCode::NOT_FOUND, &json!({"error": "no such operation here"}));
        };
        if let Some(id) = self.tree.refused(&claims, &body) {
            let error = format!("the gateway does not name {id} among what may be named here");
            return answer(StatusCode::FORBIDDEN, &json!({"error": error}));
        }
        let mut data = self.data.lock().unwrap_or_else(PoisonError::into_inner);
        match operate(&mut data, operation, head.uri.path(), &body) {
            Some(_) if operation.success == StatusCode::NO_CONTENT => empty(operation.success),
            Some(result) => {
                let Operation { id, success, .. } = operation;
                let asked_by = asked_by(&claims);
                answer(*success, &json!({"operation": id, "result": result, "asked_by": asked_by}))
            }
            None => answer(StatusCode::NOT_FOUND, &json!({"error": "no such thing here"})),
        }
    }

    fn remember(
        &self,
        request: &Request<Incoming>,
        claims: Option<&serde_json::Map<String, Value>>,
    ) {
        let (method, path) = (request.method(), request.uri().path());
        let operation = self.operations.find(method, path);
        let one = Seen {
            request: format!("{method} {path}"),
            operation: operation.map(|operation| operation.id.clone()),
            claims: claims.cloned(),
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() == SEEN_MAX {
            seen.pop_front();
        }
        seen.push_back(one);
    }
}

/// What an operation gives. `None` is 404. What has no data here is done in name only.
fn operate(data: &mut Data, operation: &Operation, path: &str, body: &Value) -> Option<Value> {
    let id = |position: usize| path.split('/').nth(position).unwrap_or_default();
    match operation.id.as_str() {
        "get-teams" => Some(data.teams()),
        "get-team" => data.team(id(4)),
        "patch-team" => match body.get("name").and_then(Value::as_str) {
            Some(name) => data.rename_team(id(4), name),
            None => data.team(id(4)),
        },
        "get-charge-point" => data.charge_point(id(4)),
        "reboot-charge-point" => data.reboot(id(4)),
        "get-wallet" => data.wallet(id(4)),
        "withdraw-money" => {
            let amount = body.get("amount").and_then(Value::as_i64).unwrap_or_default();
            data.withdraw(id(4), amount)
        }
        _ => Some(json!({"done": operation.summary, "path": path})),
    }
}

/// What the assertion says about who asks, echoed so a reader of the demo sees it.
fn asked_by(claims: &serde_json::Map<String, Value>) -> Value {
    // Token bookkeeping says nothing about who asks.
    let hidden = ["iat", "exp", "nbf", "jti"];
    claims
        .iter()
        .filter(|(name, _)| !hidden.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

fn answer(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(format!("{body:#}\n"))));
    *answer.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(http::header::CONTENT_TYPE, json);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str, path: &str, body: &Value) -> Option<Value> {
        let operations = Operations::of_the_documents();
        let operation = operations.find(&method.parse().unwrap(), path)?;
        operate(&mut Data::demo(), operation, path, body)
    }

    #[test]
    fn serves_the_demo_operations() {
        let body = json!({"name": "Harbour", "amount": 5});
        for (method, path) in [
            ("GET", "/api/v1/teams"),
            ("GET", "/api/v1/teams/team-harbour"),
            ("PATCH", "/api/v1/teams/team-harbour"),
            ("POST", "/api/v1/wallets/wallet-harbour/withdraw"),
            ("DELETE", "/api/v1/sites/site-pier"),
        ] {
            assert!(call(method, path, &body).is_some(), "{method} {path}");
        }
        let renamed = call("PATCH", "/api/v1/teams/team-harbour", &json!({"name": "Quay"}));
        assert_eq!(renamed.unwrap()["name"], "Quay");
    }

    #[test]
    fn knows_nothing_else() {
        for (method, path) in [
            ("PUT", "/api/v1/teams/team-harbour"),
            ("GET", "/api/v1/teams/team-nowhere"),
            ("PATCH", "/api/v1/teams/team-nowhere"),
            ("GET", "/api/v2/teams"),
        ] {
            assert_eq!(call(method, path, &Value::Null), None, "{method} {path}");
        }
    }
}
