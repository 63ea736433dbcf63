//! Writes what the gateway itself says: its pages and endpoints, and refusals as problem or page.

use bytes::Bytes;
use http::header;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::error_body::error_body;
use super::page::refusal_html;
use super::respond::{fields, problem};
use super::upstream_head::REQUEST_ID;
use crate::model::{DecisionId, ErrorStyle};
use crate::pipeline::{Refused, Rendered, Reply};

/// Sends a refusal; returns its status.
///
/// # Errors
/// Pingora's, when the client is gone.
pub(super) async fn refuse(
    session: &mut Session,
    refused: &Refused,
    style: ErrorStyle,
) -> pingora::Result<u16> {
    let problem = problem(&refused.refusal);
    let (status, fields) = (problem.status, fields(&refused.refusal));
    let mut wire = Rendered { status, fields, body: Bytes::new() };
    if status.is_redirection() {
        // Where to go on is all there is to say.
    } else if refused.html {
        wire.page();
        wire.body = Bytes::from(refusal_html(refused));
    } else {
        let (media_type, body) = error_body(&refused.refusal, refused.decision, style);
        wire.content(media_type);
        // The line's end is for people with `curl`: JSON does not mind.
        wire.body = Bytes::from(body + "\n");
    }
    send(session, wire, refused.decision).await
}

/// Sends one of the gateway's own answers; returns its status.
///
/// # Errors
/// Pingora's, when the client is gone.
pub(super) async fn answer(session: &mut Session, reply: Reply) -> pingora::Result<u16> {
    send(session, Rendered::of(reply.answer), reply.decision).await
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
