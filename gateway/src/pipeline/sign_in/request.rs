//! What the flow reads of a request: only the canonical form, and who is asking already.

use std::sync::Arc;

use crate::authn::{ApiKey, Session};
use crate::model::{Principal, Refusal};

use super::super::parameters::Parameters;
use super::Places;

/// A request for a path under `/.hubgate/`, after canonicalisation and authentication.
#[derive(Clone, Copy, Debug)]
pub struct GatewayRequest<'a> {
    /// The method.
    pub method: &'a http::Method,
    /// `http` or `https`, as the listener knows it; never from a header.
    pub scheme: &'a str,
    /// The canonical host, without port; one of the configured hosts.
    pub host: &'a str,
    /// Host and port as the client wrote them, lower case.
    pub authority: &'a str,
    /// The canonical path.
    pub path: &'a str,
    /// The query, without `?`.
    pub query: Option<&'a str>,
    /// The head's fields.
    pub headers: &'a http::HeaderMap,
    /// The whole body; the door reads at most [`GatewayRequest::BODY_BYTES_MAX`].
    pub body: &'a [u8],
    /// Who asks; a stale or unknown cookie is [`Principal::Anonymous`] here, so one can sign in again.
    pub principal: &'a Principal,
    /// The session, where the principal came with one.
    pub session: Option<&'a Arc<Session>>,
    /// The API key, where the principal came with one.
    pub api_key: Option<&'a Arc<ApiKey>>,
    /// What the policies let the one who asks choose from; none for most paths.
    pub places: Option<&'a dyn Places>,
}

impl GatewayRequest<'_> {
    /// The largest body the flow reads: a form with one token, generously.
    pub const BODY_BYTES_MAX: usize = 16 * 1024;

    /// A field's value, when it came once and is text.
    pub(super) fn single(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?;
        if values.next().is_some() { None } else { first.to_str().ok() }
    }

    /// The parameters of the query.
    pub(super) fn query_parameters(&self) -> Result<Parameters, Refusal> {
        Parameters::parse(self.query.unwrap_or_default().as_bytes())
    }

    /// The parameters of a posted form.
    pub(super) fn form_parameters(&self) -> Result<Parameters, Refusal> {
        let media_type = self.single("content-type").unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Refusal::Malformed(crate::model::Malformed::Body));
        }
        if self.body.len() > Self::BODY_BYTES_MAX {
            return Err(Refusal::BodyTooLarge);
        }
        Parameters::parse(self.body)
    }

    /// Whether a browser says that a page of this very origin sent the request. At least one of the two
    /// fields must be there, and each that is there must agree.
    pub(super) fn is_same_origin(&self) -> bool {
        let origin = self.headers.contains_key("origin");
        let site = self.headers.contains_key("sec-fetch-site");
        let own = format!("{}://{}", self.scheme, self.authority);
        let origin_agrees = !origin || self.single("origin") == Some(own.as_str());
        let site_agrees = !site || self.single("sec-fetch-site") == Some("same-origin");
        (origin || site) && origin_agrees && site_agrees
    }

    /// Whether a script asks, rather than a person who follows a link (CK-10).
    pub(super) fn is_script(&self) -> bool {
        self.headers.contains_key("sec-fetch-mode")
            && self.single("sec-fetch-mode") != Some("navigate")
    }

    /// A URL on this host.
    pub(super) fn absolute(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.authority)
    }
}
