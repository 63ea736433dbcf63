//! The WebSocket handshake as the gateway checks it (RFC 6455 §4.2.2).

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;

/// RFC 6455 §1.3: the fixed text every server appends to the key.
const HANDSHAKE_ID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Whether `response` is the right answer to the key in `request`. A 101 without it may be anything at all,
/// and what follows it would pass unseen (PX-09).
pub(super) fn accepts(request: &HeaderMap, response: &HeaderMap) -> bool {
    let Some(key) = request.get("sec-websocket-key").and_then(|key| key.to_str().ok()) else {
        return false;
    };
    let text = format!("{}{HANDSHAKE_ID}", key.trim());
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    let expected = STANDARD.encode(hash);
    let upgraded = response
        .get(http::header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    upgraded && response.get("sec-websocket-accept").is_some_and(|value| *value == expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn response(accept: &'static str) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert("upgrade", HeaderValue::from_static("websocket"));
        map.insert("sec-websocket-accept", HeaderValue::from_static(accept));
        map
    }

    #[test]
    fn accepts_the_answer_of_the_rfc_and_no_other() {
        let mut request = HeaderMap::new();
        assert!(!accepts(&request, &response("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
        // RFC 6455 §1.3, its own example.
        request.insert("sec-websocket-key", HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        assert!(accepts(&request, &response("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
        assert!(!accepts(&request, &response("s3pPLMBiTxaQ9kYGzzhZRbK+xOO=")));
        assert!(!accepts(&request, &HeaderMap::new()));
    }
}
