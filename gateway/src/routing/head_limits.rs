//! How large a request head may be, before anything else looks at it (PX-62).

/// Sizes above which a head is refused. The defaults are what Hubgate promises; an installation may
/// only tighten them, for the listener's own caps sit just above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// All bytes of the head, request line and line ends included.
    pub head_bytes_max: usize,
    /// One field line: name and value.
    pub field_bytes_max: usize,
    /// Field lines.
    pub fields_max: usize,
    /// The request target: path, `?` and query.
    pub target_bytes_max: usize,
    /// All cookies of the request together.
    pub cookie_bytes_max: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self {
            // Twice what nginx and Apache take together by default; the HTTP/2 header list limit.
            head_bytes_max: 64 * 1024,
            // Room for a Kerberos ticket or a fat token, and no more.
            field_bytes_max: 16 * 1024,
            // Browsers send about 20; Apache's limit.
            fields_max: 100,
            // RFC 9110 §4.1 asks for 8000 octets at least.
            target_bytes_max: 8 * 1024,
            // RFC 6265 §6.1: a browser keeps 4096 bytes per cookie; ours is 64.
            cookie_bytes_max: 4 * 1024,
        }
    }
}
