//! Text on its way into a record: cut to a length, cleaned of what looks like a credential.
//!
//! It must never lengthen a record beyond its cap, nor pass a value where only a name belongs.
#![expect(
    clippy::ref_option,
    clippy::ref_option_ref,
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields over by reference"
)]

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;

use serde::Serializer;
use serde::ser::SerializeSeq as _;

use crate::model::{AuthMethod, CREDENTIAL_PREFIXES, EntityUid, KeyId, Scopes};

/// Longest path kept. Longer ones are legal (8 KiB) but tell a reader nothing more.
pub(super) const PATH_BYTES_MAX: usize = 1024;
/// Longest user agent kept (security requirement 4.1).
pub(super) const AGENT_BYTES_MAX: usize = 256;
/// Longest host name is 253 (RFC 1035 §2.3.4), and a port.
pub(super) const HOST_BYTES_MAX: usize = 260;
/// Longest single word: a reason, a protocol, a method, an address.
pub(super) const WORD_BYTES_MAX: usize = 96;
/// Longest explanation in an event; holds a file, a key and a sentence.
pub(super) const DETAIL_BYTES_MAX: usize = 512;
/// Most policies named in one record; a decision by more is summed up.
const POLICIES_MAX: usize = 24;
/// Most policies named for each of several questions: 64 questions stay below the journal's largest record.
const FEW_POLICIES_MAX: usize = 2;
/// Most query keys named in one record.
const QUERY_KEYS_MAX: usize = 12;
/// Longest query key shown. Every credential of ours is longer, so none can hide in a bare key.
const QUERY_KEY_BYTES_MAX: usize = 40;
/// Length of a `traceparent` of version 00 (W3C Trace Context §3.2).
const TRACEPARENT_BYTES: usize = 55;

/// The names in a query, without their values.
#[derive(Clone, Copy, Default)]
pub struct QueryKeys<'a>(Option<&'a str>);

impl<'a> QueryKeys<'a> {
    /// Takes the raw query; only its keys will ever be read.
    pub const fn of(query: Option<&'a str>) -> Self {
        Self(query)
    }

    /// Whether there is nothing to show.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn keys(&self) -> impl Iterator<Item = Cow<'a, str>> {
        let pairs = self.0.into_iter().flat_map(|query| query.split('&'));
        pairs.map(|pair| pair.split_once('=').map_or(pair, |(key, _)| key)).map(|key| {
            if key.len() > QUERY_KEY_BYTES_MAX { Cow::Borrowed("[long]") } else { redact(key) }
        })
    }
}

impl std::fmt::Debug for QueryKeys<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys()).finish()
    }
}

impl serde::Serialize for QueryKeys<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        self.keys().take(QUERY_KEYS_MAX).try_for_each(|key| list.serialize_element(&key))?;
        let left = self.keys().count().saturating_sub(QUERY_KEYS_MAX);
        if left > 0 {
            list.serialize_element(&format_args!("+{left} more"))?;
        }
        list.end()
    }
}

/// Serialises any id through its `Display`, without allocating.
pub(super) fn shown<T: Display, S: Serializer>(id: &Option<T>, s: S) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => s.collect_str(id),
        None => s.serialize_none(),
    }
}

/// A Cedar entity as a client named it. Its type bounds its length.
pub(super) fn resource<S: Serializer>(uid: &Option<&EntityUid>, s: S) -> Result<S::Ok, S::Error> {
    match uid {
        Some(uid) if CREDENTIAL_PREFIXES.into_iter().any(|mark| uid.id().contains(mark)) => {
            s.serialize_str(&redact(&uid.to_string()))
        }
        _ => shown(uid, s),
    }
}

/// An id that is there, through its `Display`.
pub(super) fn one_shown<T: Display, S: Serializer>(id: &T, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(id)
}

/// As [`resource`], for one that is there.
pub(super) fn one_resource<S: Serializer>(uid: &EntityUid, s: S) -> Result<S::Ok, S::Error> {
    resource(&Some(uid), s)
}

/// A word of at most [`WORD_BYTES_MAX`].
pub(super) fn word<S: Serializer>(text: &str, s: S) -> Result<S::Ok, S::Error> {
    cut(text, WORD_BYTES_MAX, s)
}

/// An optional word.
pub(super) fn maybe_word<S: Serializer>(text: &Option<&str>, s: S) -> Result<S::Ok, S::Error> {
    cut(text.unwrap_or_default(), WORD_BYTES_MAX, s)
}

/// A request path.
pub(super) fn path<S: Serializer>(text: &Option<&str>, s: S) -> Result<S::Ok, S::Error> {
    cut(text.unwrap_or_default(), PATH_BYTES_MAX, s)
}

/// A user agent.
pub(super) fn agent<S: Serializer>(text: &Option<&str>, s: S) -> Result<S::Ok, S::Error> {
    cut(text.unwrap_or_default(), AGENT_BYTES_MAX, s)
}

/// A host name, perhaps with a port.
pub(super) fn host<S: Serializer>(text: &Option<&str>, s: S) -> Result<S::Ok, S::Error> {
    cut(text.unwrap_or_default(), HOST_BYTES_MAX, s)
}

/// An explanation.
pub(super) fn detail<S: Serializer>(text: &Option<&str>, s: S) -> Result<S::Ok, S::Error> {
    cut(text.unwrap_or_default(), DETAIL_BYTES_MAX, s)
}

/// An authentication method by its contract name.
pub(super) fn method<S: Serializer>(method: &AuthMethod, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(method.name())
}

/// A credential's handle. Only a key id or a SHA-256 in hex passes: nothing of a credential's own form.
pub(super) fn handle<S: Serializer>(handle: &Option<&str>, s: S) -> Result<S::Ok, S::Error> {
    let text = handle.unwrap_or_default();
    let is_digest = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    // A session id is 43 characters of base64url, a key id is 12: the shorter bound keeps them apart.
    let is_key_id = text.len() < QUERY_KEY_BYTES_MAX && KeyId::parse(text).is_ok();
    s.serialize_str(if is_digest || is_key_id { text } else { "[not a handle]" })
}

/// A `traceparent`; anything else than its one form is left out.
pub(super) fn traceparent<S: Serializer>(text: &Option<&str>, s: S) -> Result<S::Ok, S::Error> {
    let sound = |text: &&str| {
        text.len() == TRACEPARENT_BYTES && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
    };
    match text.filter(|text| sound(text)) {
        Some(text) => s.serialize_str(text),
        None => s.serialize_none(),
    }
}

/// API scopes, as they were told.
pub(super) fn scopes<S: Serializer>(scopes: &Scopes, s: S) -> Result<S::Ok, S::Error> {
    s.collect_seq(scopes.names().map(redact))
}

/// Policy ids, the first [`POLICIES_MAX`] of them.
pub(super) fn policies<S: Serializer>(ids: &[Arc<str>], s: S) -> Result<S::Ok, S::Error> {
    first_policies(ids, POLICIES_MAX, s)
}

/// Policy ids of one of many questions, the first [`FEW_POLICIES_MAX`] of them.
pub(super) fn few_policies<S: Serializer>(ids: &[Arc<str>], s: S) -> Result<S::Ok, S::Error> {
    first_policies(ids, FEW_POLICIES_MAX, s)
}

fn first_policies<S: Serializer>(
    ids: &[Arc<str>],
    policies_max: usize,
    s: S,
) -> Result<S::Ok, S::Error> {
    let mut list = s.serialize_seq(None)?;
    for id in ids.iter().take(policies_max) {
        let kept = id.get(..id.floor_char_boundary(WORD_BYTES_MAX)).unwrap_or_default();
        list.serialize_element(kept)?;
    }
    let left = ids.len().saturating_sub(policies_max);
    if left > 0 {
        list.serialize_element(&format_args!("+{left} more"))?;
    }
    list.end()
}

fn cut<S: Serializer>(text: &str, bytes_max: usize, s: S) -> Result<S::Ok, S::Error> {
    let kept = text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default();
    let kept = redact(kept);
    if text.len() <= bytes_max {
        return s.serialize_str(&kept);
    }
    s.collect_str(&format_args!("{kept}…"))
}

/// Replaces what looks like one of our API keys or tokens, which people do paste into paths.
fn redact(text: &str) -> Cow<'_, str> {
    let mut clean = Cow::Borrowed(text);
    for mark in CREDENTIAL_PREFIXES {
        if clean.contains(mark) {
            clean = Cow::Owned(without(&clean, mark));
        }
    }
    clean
}

fn without(text: &str, mark: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(mark) {
        clean.push_str(before);
        clean.push_str("[key]");
        let is_key = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        rest = after.trim_start_matches(is_key);
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(query: &str) -> String {
        serde_json::to_string(&QueryKeys::of(Some(query))).unwrap()
    }

    fn text_of(write: impl Fn(&mut serde_json::Serializer<&mut Vec<u8>>)) -> String {
        let mut out = Vec::new();
        write(&mut serde_json::Serializer::new(&mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_key_pasted_as_a_resource_is_not_written() {
        let shown = |id: &str| {
            let uid = EntityUid::new("Team", id).unwrap();
            text_of(|s| resource(&Some(&uid), s).unwrap())
        };
        assert_eq!(shown("team-harbour"), "\"Team::team-harbour\"");
        assert_eq!(shown("hg_abc_SECRET"), "\"Team::[key]\"");
        assert_eq!(shown("x.hga_abc_SECRET"), "\"Team::x.[key]\"");
        assert_eq!(shown("hgr_abc_SECRET"), "\"Team::[key]\"");
    }

    #[test]
    fn a_query_shows_keys_and_no_value() {
        assert_eq!(keys("page=2&q=ada%40nordvolt.example&x"), r#"["page","q","x"]"#);
    }

    #[test]
    fn a_bare_secret_in_the_query_is_no_key() {
        let session = "A".repeat(43);
        assert_eq!(keys(&session), r#"["[long]"]"#);
        assert_eq!(keys("hg_abc_SECRET"), r#"["[key]"]"#);
    }

    #[test]
    fn many_query_keys_are_summed_up() {
        let query = vec!["k=v"; 20].join("&");
        assert!(keys(&query).ends_with(r#""k","+8 more"]"#), "{}", keys(&query));
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let text = "é".repeat(WORD_BYTES_MAX);
        let shown = text_of(|s| word(&text, s).unwrap());
        assert_eq!(shown, format!("\"{}…\"", "é".repeat(WORD_BYTES_MAX / 2)));
    }

    #[test]
    fn an_api_key_in_a_path_is_replaced() {
        let shown = text_of(|s| path(&Some("/a/hg_k1_Secret-99/b/hg_"), s).unwrap());
        assert_eq!(shown, "\"/a/[key]/b/[key]\"");
    }

    #[test]
    fn only_handles_pass_as_handles() {
        let digest = "0f".repeat(32);
        for good in ["k1a2b3c4d5e6", &digest] {
            assert_eq!(text_of(|s| handle(&Some(good), s).unwrap()), format!("\"{good}\""));
        }
        let session = "a".repeat(43);
        for bad in ["hg_K_secret", &session, "Bearer x", "a.b.c", ""] {
            assert_eq!(text_of(|s| handle(&Some(bad), s).unwrap()), "\"[not a handle]\"", "{bad}");
        }
    }

    #[test]
    fn a_traceparent_has_one_form() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(text_of(|s| traceparent(&Some(good), s).unwrap()), format!("\"{good}\""));
        for bad in ["", "00-x", "<script>"] {
            assert_eq!(text_of(|s| traceparent(&Some(bad), s).unwrap()), "null");
        }
    }
}
