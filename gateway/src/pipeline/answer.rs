//! What the gateway itself answers. No status codes and no security headers here: the proxy maps them.

/// An answer of the gateway's own, made under `/.hubgate/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Send the browser elsewhere with a GET (303, never 307: RFC 9700 §4.12).
    Redirect {
        /// A URL on this host, or one the connection's provider named; never text from a request.
        location: String,
        /// Values of `Set-Cookie`, in order.
        cookies: Vec<String>,
    },
    /// A page. It holds no script and no inline style; its one style sheet is [`STYLE_PATH`].
    Html {
        /// The page.
        body: String,
        /// Values of `Set-Cookie`, in order.
        cookies: Vec<String>,
        /// Which page.
        kind: PageKind,
    },
    /// A JSON document.
    Json {
        /// The document.
        body: String,
    },
    /// A JSON document about tokens, which nobody on the way may keep (RFC 6749 §5.1).
    Tokens {
        /// The document.
        body: String,
    },
    /// The style sheet of the gateway's pages. May be kept by caches for an hour.
    Style {
        /// The sheet.
        body: &'static str,
    },
}

/// Which page an [`Answer::Html`] is; decides the headers that differ between pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageKind {
    /// A plain statement, or a form that changes nothing.
    Plain,
    /// A form that changes something: the browser must say which origin posts it.
    Form,
    /// A page that leads on to an identity provider by `<meta http-equiv="refresh">`. A redirect would be
    /// stopped by `form-action 'self'` in browsers that apply it to the redirects after a form.
    Onward,
    /// The session just ended: `Clear-Site-Data: "cache"` goes with it.
    SignedOut,
    /// Signed in, but without membership.
    NotMember,
    /// A refusal; the status is the refusal's.
    Refused,
}

/// Where the style sheet of the gateway's pages is.
pub const STYLE_PATH: &str = "/.hubgate/style.css";
