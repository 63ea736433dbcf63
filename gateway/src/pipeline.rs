//! The one request path: route, authenticate, limit, authorize, record. No I/O types.

mod answer;
mod sign_in;

pub use answer::{Answer, PageKind, STYLE_PATH};
pub use sign_in::{
    Answered, GatewayRequest, RefusalPage, ReturnTo, SignIn, SignInEvent, SignInParts, refusal_page,
};
