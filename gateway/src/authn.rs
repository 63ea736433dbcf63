//! Schemes and verdicts: session cookie, API key, sign-in; the assertion.
//!
//! Floor 1, pure: what a rule needs from outside is a small trait beside the rule.

mod api_key;
mod assertion;
mod authenticator;
mod cookies;
#[cfg(test)]
mod memory;
mod pepper;
mod session;
mod sign_in;
mod token_family;
mod token_text;
mod tokens;

pub use api_key::{
    ApiKey, ApiKeyToken, ApiKeys, CreateApiKeyError, IssueError, IssuedApiKey, NewApiKey,
};
pub use assertion::{
    ASSERTION_LIFE, AssertionError, AssertionKeys, AssertionSigner, SigningKey, SigningKeyError,
    Statement,
};
pub use authenticator::{Authenticated, Authenticator};
pub use cookies::{
    Presented, SESSION_COOKIE, TRANSACTION_COOKIE_PREFIX, clear_session_cookie,
    clear_transaction_cookie, forwardable_cookies, is_gateway_cookie, open_transactions,
    session_cookie, set_session_cookie, set_transaction_cookie, transaction_cookie,
};
pub use pepper::{KeyMac, Pepper};
pub use session::{
    NewSession, Session, SessionId, SessionKey, SessionKeyError, SessionLimits, Sessions,
    StoreUnavailable, TOUCH_INTERVAL,
};
pub use sign_in::{
    AuthorizationRequest, CodeExchange, EndSession, Identity, LOGIN_LIFETIME, LoginTransaction,
    LoginTransactions, RelyingParty, SignInError,
};
pub use token_family::{KeepFamilyError, TokenFamilies, TokenFamily, TokenLifetimes, TokenPair};
pub use token_text::TokenError;
pub use tokens::{Issued, NoTokens, ProvedClient, TokenState, Tokens, TokensParts, Welcome};
