//! The cookies of open logins: one per login, so tabs do not overwrite each other (CK-10).

use http::HeaderMap;

use crate::authn::{Presented, clear_transaction_cookie, open_transactions, transaction_cookie};
use crate::model::UnixNanos;

/// Most logins open in one browser; the oldest gives way. 32 cookies of 60 bytes stay under 2 KB.
pub(super) const OPEN_MAX: usize = 32;

/// The id of a login's cookie: the time, so the oldest is known, and the head of the state's hash, so the
/// callback finds its own. 32 bits tell the logins of one browser apart; the whole hash is compared later.
pub(super) fn login_id(now: UnixNanos, state_key: &str) -> String {
    let started = now.seconds() & 0xffff_ffff;
    format!("{started:08x}{}", head_of(state_key))
}

/// The cookie of the login with this state: id and value. Two that could be it are none (CK-03).
pub(super) fn of_login(headers: &HeaderMap, state_key: &str) -> Option<(String, String)> {
    let head = head_of(state_key);
    let mut own = open_transactions(headers)
        .into_iter()
        .filter(|id| id.len() == 2 * HEAD_CHARS && id.ends_with(head));
    let id = own.next()?;
    if own.next().is_some() {
        return None;
    }
    match transaction_cookie(headers, &id) {
        Presented::One(value) => Some((id, value)),
        Presented::Nothing | Presented::Malformed | Presented::Repeated => None,
    }
}

/// Removes the logins that must give way to a new one, oldest first.
pub(super) fn make_room(headers: &HeaderMap) -> Vec<String> {
    let mut ids = open_transactions(headers);
    ids.retain(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    ids.sort_unstable();
    let surplus = (ids.len() + 1).saturating_sub(OPEN_MAX);
    ids.iter().take(surplus).map(|id| clear_transaction_cookie(id)).collect()
}

/// Remembers, by its hash, the state that went to a provider at sign-out. Its name begins like the session
/// cookie's, so it is kept from upstreams as well.
pub(super) fn set_leaving(state_hash: &str) -> String {
    format!("{LEAVING}={state_hash}; Max-Age=600; {ATTRIBUTES}")
}

/// Forgets it.
pub(super) fn clear_leaving() -> String {
    format!("{LEAVING}=; Max-Age=0; {ATTRIBUTES}")
}

/// The hash it remembers.
pub(super) fn leaving(headers: &HeaderMap) -> Option<&str> {
    let mut own = headers
        .get_all(http::header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == LEAVING);
    let (_, value) = own.next()?;
    if own.next().is_some() { None } else { Some(value) }
}

const LEAVING: &str = "__Host-hubgate_leaving";
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";
const HEAD_CHARS: usize = 8;

fn head_of(state_key: &str) -> &str {
    state_key.get(..HEAD_CHARS).unwrap_or(state_key)
}
