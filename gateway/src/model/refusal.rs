//! Why a request is not served. A refusal is a value; only the doors turn it into a status code.

use std::borrow::Cow;
use std::time::Duration;

/// A part of the gateway a request could not be decided without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dependency {
    /// The state store.
    Store,
    /// The decision log.
    Journal,
    /// An identity provider.
    IdentityProvider,
    /// The decision point: it panicked or ran out of its time.
    DecisionPoint,
    /// The gateway is draining.
    Shutdown,
}

/// What about a request head or body is not canonical. Each names the requirement it obeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Malformed {
    /// Request line not of the form `method SP origin-form SP HTTP/1.1` (PX-04, PX-20).
    RequestLine,
    /// A bare CR, a bare LF or a NUL (PX-07).
    LineEnding,
    /// A field name or value outside its grammar, an underscore in a name (PX-07, PX-40).
    Field,
    /// `Transfer-Encoding` that is not the one word `chunked` (PX-02).
    TransferEncoding,
    /// `Content-Length` repeated or not canonical (PX-03).
    ContentLength,
    /// Both `Content-Length` and `Transfer-Encoding` (PX-01).
    Framing,
    /// A body where the method has none (PX-10).
    UnexpectedBody,
    /// `Expect` other than `100-continue` (PX-10).
    Expect,
    /// An upgrade where the route has none, or together with a body (PX-09).
    Upgrade,
    /// A path that is not its own canonical form (PX-20..PX-23).
    Path,
    /// A query outside its grammar (PX-24).
    Query,
    /// `Host` missing, repeated or not a plain authority (PX-26).
    Host,
    /// A reserved or method-override field from outside (PX-27, PX-28, PX-40).
    ReservedField,
    /// A field that must be single came twice (PX-43, AS-08).
    Repeated,
    /// A credential in the query or in two places (AS-08).
    CredentialPlacement,
    /// A body the route's resource rule cannot read.
    Body,
    /// A parameter of a gateway page or callback.
    Parameter,
}

/// How the body of a refusal is written, for programs. What it says is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorStyle {
    /// A problem (RFC 9457).
    #[default]
    Problem,
    /// `status`, `message` and `errorCode`: an API's own form, kept for its clients.
    StatusMessageCode,
    /// `error` and `error_description` (RFC 6749 §5.2), for the issuer's endpoints.
    OAuth,
}

/// Why somebody gets no tokens. The first six are those of RFC 6749 §5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRefusal {
    /// A parameter is missing, repeated or malformed.
    Request,
    /// The client is unknown, or its secret does not fit: nobody learns which.
    Client,
    /// The refresh token does not count.
    Grant,
    /// A key of this kind is not exchanged for tokens.
    Unauthorized,
    /// Another way to get a token than the two there are.
    GrantType,
    /// A scope is asked for that the client does not have.
    Scope,
}

impl TokenRefusal {
    /// The `error` of RFC 6749 §5.2; the reason in records and metrics, too.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Request => "invalid_request",
            Self::Client => "invalid_client",
            Self::Grant => "invalid_grant",
            Self::Unauthorized => "unauthorized_client",
            Self::GrantType => "unsupported_grant_type",
            Self::Scope => "invalid_scope",
        }
    }
}

/// Why the gateway does not forward a request. Closed on purpose: a new case must break its readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request is not canonical: 400.
    Malformed(Malformed),
    /// The request line is too long: 414.
    TargetTooLong,
    /// The head is too large: 431.
    HeadTooLarge,
    /// The body is too large: 413.
    BodyTooLarge,
    /// The host is not served here: 421 (RFC 9110 §15.5.20).
    UnknownHost,
    /// No route: 404.
    RouteNotFound,
    /// The path exists, the method does not: 405 with `Allow`.
    MethodNotAllowed {
        /// The methods the path has, for `Allow` (RFC 9110 §15.5.6).
        allow: String,
    },
    /// A browser without a session: redirect to sign-in.
    SignInNeeded {
        /// Where to return to: path and query on the same host.
        return_to: String,
    },
    /// No credential, where one is needed: 401 without an error code (RFC 6750 §3.1).
    CredentialMissing,
    /// A credential that is unknown, expired, revoked or malformed: 401 `invalid_token`.
    CredentialInvalid,
    /// A credential of another organisation than the host's: 403.
    OtherTenant,
    /// An API key that may be used from named networks only, used from elsewhere. 403.
    AddressNotAllowed,
    /// A person no organisation has made a member: signed in, and nothing more. 403.
    NotMember,
    /// The rate limit named `policy` is used up: 429.
    TooManyRequests {
        /// The name of the limit.
        policy: Cow<'static, str>,
        /// The limit's size, requests per window.
        quota: u32,
        /// The window.
        window: Duration,
        /// Time until a request can pass again.
        retry_after: Duration,
        /// Whether it bounds misuse, and is no allowance.
        fair_use: bool,
    },
    /// The policies do not allow it: 403, or 404 where the service hides what exists.
    Denied {
        /// The `@reason` of the deciding policies, for the person denied. Set by deciding forbids only.
        reason: Option<String>,
        /// Answer as if it did not exist.
        hidden: bool,
    },
    /// The operation accepts scopes of which the API client has none: 403 `insufficient_scope` (RFC 6750 §3.1).
    ScopeMissing {
        /// One of these would do, in the form of RFC 6749 §3.3.
        accepted: String,
        /// The `@reason` of the deciding policies, as for [`Refusal::Denied`].
        reason: Option<String>,
    },
    /// No tokens: 400 or 401.
    Tokens(TokenRefusal),
    /// A dependency failed; the gate stays shut: 503.
    Unavailable(Dependency),
    /// The sign-in could not be completed: an error page, 400.
    SignInFailed {
        /// A short code the reader can quote: never a provider's text.
        code: &'static str,
    },
    /// No upstream answered, or it answered nonsense: 502.
    UpstreamFailed,
    /// An upstream took too long: 504.
    UpstreamTimeout,
}

impl Refusal {
    /// The machine-readable reason in records and metrics. A contract: names are never reused.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(malformed) => malformed.code(),
            Self::TargetTooLong => "target_too_long",
            Self::HeadTooLarge => "head_too_large",
            Self::BodyTooLarge => "body_too_large",
            Self::UnknownHost => "unknown_host",
            Self::RouteNotFound => "route_not_found",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::SignInNeeded { .. } => "sign_in_needed",
            Self::CredentialMissing => "credential_missing",
            Self::CredentialInvalid => "credential_invalid",
            Self::OtherTenant => "other_tenant",
            Self::AddressNotAllowed => "address_not_allowed",
            Self::NotMember => "not_member",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::Denied { .. } => "denied",
            Self::ScopeMissing { .. } => "insufficient_scope",
            Self::Tokens(refusal) => refusal.code(),
            Self::Unavailable(Dependency::Store) => "store_unavailable",
            Self::Unavailable(Dependency::Journal) => "journal_unavailable",
            Self::Unavailable(Dependency::IdentityProvider) => "identity_provider_unavailable",
            Self::Unavailable(Dependency::DecisionPoint) => "decision_point_failed",
            Self::Unavailable(Dependency::Shutdown) => "draining",
            Self::SignInFailed { code } => code,
            Self::UpstreamFailed => "upstream_failed",
            Self::UpstreamTimeout => "upstream_timeout",
        }
    }
}

impl Malformed {
    /// The machine-readable reason in records and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::RequestLine => "malformed_request_line",
            Self::LineEnding => "malformed_line_ending",
            Self::Field => "malformed_field",
            Self::TransferEncoding => "malformed_transfer_encoding",
            Self::ContentLength => "malformed_content_length",
            Self::Framing => "ambiguous_framing",
            Self::UnexpectedBody => "unexpected_body",
            Self::Expect => "malformed_expect",
            Self::Upgrade => "unexpected_upgrade",
            Self::Path => "path_not_canonical",
            Self::Query => "malformed_query",
            Self::Host => "malformed_host",
            Self::ReservedField => "reserved_field",
            Self::Repeated => "repeated_field",
            Self::CredentialPlacement => "credential_misplaced",
            Self::Body => "malformed_body",
            Self::Parameter => "malformed_parameter",
        }
    }
}
