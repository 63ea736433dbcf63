//! The one request path: route, authenticate, limit, authorize, record. No I/O types.
