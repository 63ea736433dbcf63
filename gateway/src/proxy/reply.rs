//! Writes what the gateway itself says: its pages and endpoints, and refusals as problem or page.

use http::header;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::upstream_head::REQUEST_ID;
use crate::model::DecisionId;
use crate::pipeline::{Refused, Rendered, Reply, Wording};

/// Sends a refusal; returns its status.
///
/// # Errors
/// Pingora's, when the client is gone.
pub(super) async fn refuse(
    session: &mut Session,
    refused: &Refused,
    wording: &Wording,
) -> pingora::Result<u16> {
    send(session, Rendered::refused(refused, wording), refused.decision).await
}

/// Sends one of the gateway's own answers; returns its status.
///
/// # Errors
/// Pingora's, when the client is gone.
pub(super) async fn answer(session: &mut Session, reply: Reply) -> pingora::Result<u16> {
    let mut wire = Rendered::of(reply.answer);
    wire.fields.extend(reply.fields);
    send(session, wire, reply.decision).await
}

async fn send(
    session: &mut Session,
    mut wire: Rendered,
    decision: DecisionId,
) -> pingora::Result<u16> {
    wire.complete();
    let mut head = ResponseHeader::build(wire.status, Some(wire.fields.len() + 4))?;
    for (name, value) in &wire.fields {
        head.append_header(name.clone(), value.clone())?;
    }
    if session.digest().is_some_and(|digest| digest.ssl_digest.is_some()) {
        head.insert_header(header::STRICT_TRANSPORT_SECURITY, HSTS)?;
    }
    head.insert_header(REQUEST_ID, decision.to_string())?;
    head.insert_header(header::CONTENT_LENGTH, wire.body.len().to_string())?;
    let is_head = session.req_header().method == http::Method::HEAD;
    let end = wire.body.is_empty() || is_head;
    session.write_response_header(Box::new(head), end).await?;
    if !end {
        session.write_response_body(Some(wire.body), true).await?;
    }
    Ok(wire.status.as_u16())
}

/// One year, sub-domains included (CK-11).
const HSTS: &str = "max-age=31536000; includeSubDomains";
