//! Schemes and verdicts: session cookie, API key, sign-in; the assertion.
//!
//! Floor 1, pure: what a rule needs from outside is a small trait beside the rule.

mod assertion;
mod authenticator;
mod api_key;
mod cookies;
mod session;
mod sign_in;
