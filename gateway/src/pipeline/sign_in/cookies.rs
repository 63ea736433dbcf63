//! The cookies of open logins: one per login, so tabs do not overwrite each other (CK-10).

use crate::authn::TRANSACTION_COOKIE_PREFIX;
use crate::model::UnixNanos;

use super::request::GatewayRequest;

/// Most logins open in one browser; the oldest gives way. 32 cookies of 60 bytes stay under 2 KB.
pub(super) const OPEN_MAX: usize = 32;

/// A login's cookie: its name carries the time, so the oldest is known, and the head of the state's hash,
/// so the callback finds its own; its value is what binds the login to this browser.
#[derive(Debug)]
pub(super) struct TransactionCookie {
    name: String,
}

impl TransactionCookie {
    /// Names the cookie of a login started at `now`.
    pub(super) fn named(now: UnixNanos, state_key: &str) -> Self {
        let started = now.seconds() & 0xffff_ffff;
        Self { name: format!("{TRANSACTION_COOKIE_PREFIX}{started:08x}{}", head_of(state_key)) }
    }

    /// The value of `Set-Cookie` that keeps it for as long as the login lives. `Lax`, since the callback
    /// is a navigation that another site starts.
    pub(super) fn set(&self, value: &str) -> String {
        let seconds = crate::authn::LOGIN_LIFETIME.as_secs();
        format!("{}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax", self.name)
    }
}

/// The value of `Set-Cookie` that removes the cookie `name`.
pub(super) fn removal(name: &str) -> String {
    format!("{name}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax")
}

/// The cookie of the login with this state: name and value. Two of one name are none (CK-03).
pub(super) fn of_login<'a>(
    request: &GatewayRequest<'a>,
    state_key: &str,
) -> Option<(&'a str, &'a str)> {
    let head = head_of(state_key);
    let mut own = all(request).filter(|(name, _)| is_of_state(name, head));
    let found = own.next()?;
    if own.next().is_some() { None } else { Some(found) }
}

/// The names of the logins that must give way to a new one, oldest first.
pub(super) fn overflow<'a>(request: &GatewayRequest<'a>) -> Vec<&'a str> {
    let mut names: Vec<&str> = all(request)
        .map(|(name, _)| name)
        .filter(|name| name.starts_with(TRANSACTION_COOKIE_PREFIX))
        .collect();
    names.sort_unstable();
    let surplus = (names.len() + 1).saturating_sub(OPEN_MAX);
    names.truncate(surplus);
    names
}

/// The one value of the cookie `name`.
pub(super) fn value_of<'a>(request: &GatewayRequest<'a>, name: &str) -> Option<&'a str> {
    let mut own = all(request).filter(|(known, _)| *known == name);
    let (_, value) = own.next()?;
    if own.next().is_some() { None } else { Some(value) }
}

fn is_of_state(name: &str, head: &str) -> bool {
    let Some(id) = name.strip_prefix(TRANSACTION_COOKIE_PREFIX) else { return false };
    id.len() == 2 * HEAD_CHARS && id.ends_with(head)
}

fn head_of(state_key: &str) -> &str {
    state_key.get(..HEAD_CHARS).unwrap_or(state_key)
}

/// 32 bits tell the 32 logins of one browser apart; the whole hash is compared afterwards.
const HEAD_CHARS: usize = 8;

fn all<'a>(request: &GatewayRequest<'a>) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
    request
        .headers
        .get_all(http::header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}
