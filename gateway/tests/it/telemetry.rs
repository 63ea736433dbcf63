//! Traces: the caller's goes on upstream, and a collector gets the stages when one is named.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hubgate_testkit::ports::free_address;
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::support::{Gateway, HOST, Wishes, wait_until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A collector: takes OTLP over gRPC and keeps the messages as they came.
struct Collector {
    address: SocketAddr,
    messages: Arc<Mutex<Vec<Bytes>>>,
}

impl Collector {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let messages = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&messages);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                let service = service_fn(move |request| take(request, Arc::clone(&kept)));
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, messages }
    }

    /// Whether a span with this name came. Names are text fields, written as they are.
    fn has_span(&self, name: &str) -> bool {
        // Protobuf: field 5 of a span, its length, its text.
        let field = [&[0x2a, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
        self.contains(&field)
    }

    fn contains(&self, bytes: &[u8]) -> bool {
        let messages = self.messages.lock().unwrap();
        messages.iter().any(|message| message.windows(bytes.len()).any(|window| window == bytes))
    }
}

type Body =
    StreamBody<futures_util::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;

async fn take(
    request: Request<Incoming>,
    kept: Arc<Mutex<Vec<Bytes>>>,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let message = request.into_body().collect().await.unwrap().to_bytes();
    if path == EXPORT {
        kept.lock().unwrap().push(message);
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    // An empty message: not compressed, no bytes.
    let empty = Bytes::from_static(&[0; 5]);
    let frames = vec![Ok(Frame::data(empty)), Ok(Frame::trailers(trailers))];
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let answer = Response::builder().header("content-type", "application/grpc");
    Ok(answer.body(body).unwrap())
}

async fn ask(gateway: &Gateway, path: &str) -> u16 {
    let key = gateway.api_key();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {key}\r\n\
         traceparent: {CALLER}\r\ntracestate: vendor=1\r\n\r\n"
    );
    gateway.send(head.as_bytes()).await.status
}

#[tokio::test]
async fn the_callers_trace_reaches_the_service_as_it_is_when_nothing_is_exported() {
    let gateway = Gateway::start().await;
    assert_eq!(ask(&gateway, "/echo/a").await, 200);
    let seen = gateway.last_upstream_request();
    assert_eq!(seen.fields("traceparent"), [CALLER]);
    assert_eq!(seen.fields("tracestate"), ["vendor=1"]);
    let record = gateway.wait_for_line(|line| line["what"]["path"] == "/echo/a").await;
    assert_eq!(record["traceparent"], CALLER);
}

#[tokio::test]
async fn every_stage_is_exported_as_a_part_of_the_callers_trace() {
    let collector = Collector::start().await;
    let gateway = Gateway::start_with(Wishes {
        settings: format!("[telemetry]\notlp_endpoint = \"http://{}\"\n", collector.address),
        environment: vec![("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "100".to_owned())],
        ..Wishes::default()
    })
    .await;
    assert_eq!(ask(&gateway, "/echo/a").await, 200);
    let seen = gateway.last_upstream_request();
    let parent = seen.field("traceparent").unwrap();
    assert!(parent.contains(TRACE), "the same trace: {parent}");
    assert_ne!(parent, CALLER, "the service's parent is the gateway's own span");
    assert_eq!(seen.fields("traceparent").len(), 1);
    for name in ["request", "route", "authenticate", "limit", "authorize", "record", "forward"] {
        wait_until(name, async || collector.has_span(name)).await;
    }
    let trace: Vec<u8> = (0..TRACE.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(TRACE.get(at..at + 2).unwrap(), 16).unwrap())
        .collect();
    assert!(collector.contains(&trace), "the spans belong to the caller's trace");
    assert!(!collector.contains(gateway.api_key().as_bytes()), "no credential is exported");
}

#[tokio::test]
async fn what_is_still_to_be_exported_goes_out_at_the_stop() {
    let collector = Collector::start().await;
    let mut gateway = Gateway::start_with(Wishes {
        settings: format!("[telemetry]\notlp_endpoint = \"http://{}\"\n", collector.address),
        environment: vec![("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "600000".to_owned())],
        ..Wishes::default()
    })
    .await;
    assert_eq!(ask(&gateway, "/echo/a").await, 200);
    assert!(!collector.has_span("authorize"), "nothing is due yet");
    gateway.terminate();
    assert!(gateway.exit().await.success(), "{}", gateway.stderr());
    assert!(collector.has_span("authorize"));
}

#[tokio::test]
async fn a_collector_that_is_gone_hurts_nobody() {
    let address = free_address().unwrap();
    let mut gateway = Gateway::start_with(Wishes {
        settings: format!("[telemetry]\notlp_endpoint = \"http://{address}\"\n"),
        environment: vec![("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "50".to_owned())],
        ..Wishes::default()
    })
    .await;
    for _ in 0..20 {
        assert_eq!(ask(&gateway, "/echo/a").await, 200);
    }
    gateway.terminate();
    assert!(gateway.exit().await.success(), "{}", gateway.stderr());
}
