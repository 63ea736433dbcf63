//! How refusals of a request are worded: by the host and path it was for.

use std::sync::Arc;

use super::admission::Pipeline;
use crate::model::ErrorStyle;
use crate::routing::{CanonicalRequest, is_token_path};

/// How a refusal is worded.
#[derive(Clone, Debug, Default)]
pub struct Wording {
    /// How the body is written.
    pub style: ErrorStyle,
    /// Where the metadata of the resource are, for a challenge (RFC 9728 §5.1).
    pub resource_metadata: Option<Arc<str>>,
}

impl Pipeline {
    /// How refusals of `request` are worded; of one that was not readable, the usual way.
    pub fn wording(&self, request: Option<&CanonicalRequest>) -> Wording {
        let Some(request) = request else { return Wording::default() };
        let issuer =
            self.parts.issuing.issuer.as_ref().filter(|issuer| issuer.host() == request.host());
        let style = match issuer {
            Some(_) if is_token_path(request.path()) => ErrorStyle::OAuth,
            _ => self.snapshot().error_style(request.host()),
        };
        let resource_metadata = issuer.map(|issuer| Arc::clone(issuer.resource_metadata()));
        Wording { style, resource_metadata }
    }
}
