//! Tests of API keys and their tokens.

use proptest::prelude::*;

use super::super::token_text::checksum_of;
use super::*;
use crate::model::OsEntropy;

const NOW: UnixNanos = UnixNanos::from_seconds(50);

fn pepper(byte: u8) -> Pepper {
    Pepper::new(&Secret::new([byte; 32]))
}

fn wish() -> NewApiKey {
    NewApiKey {
        tenant: TenantId::parse("nordvolt").unwrap(),
        name: "billing".into(),
        roles: Vec::new(),
        scopes: vec!["teams:read".into()],
        expires: Some(UnixNanos::from_seconds(100)),
        networks: Vec::new(),
    }
}

fn issue() -> IssuedApiKey {
    wish().issue(&pepper(1), &OsEntropy, UnixNanos::from_seconds(10)).unwrap()
}

#[test]
fn an_issued_token_proves_its_own_key_only() {
    let (mine, other) = (issue(), issue());
    let token = ApiKeyToken::parse(mine.token.expose()).unwrap();
    assert_eq!(token.id(), &mine.key.id);
    assert!(token.proof(Some(&mine.key), &pepper(1), NOW).is_some());
    assert!(token.proof(Some(&other.key), &pepper(1), NOW).is_none());
    assert!(token.proof(Some(&mine.key), &pepper(2), NOW).is_none(), "another pepper");
    assert!(token.proof(None, &pepper(1), NOW).is_none());
    let renamed = ApiKey { id: other.key.id, ..mine.key };
    assert!(token.proof(Some(&renamed), &pepper(1), NOW).is_none(), "another id with the same MAC");
}

#[test]
fn a_key_is_in_force_until_it_expires_or_is_revoked() {
    let at = UnixNanos::from_seconds;
    let key = issue().key;
    assert!(key.in_force(at(99)));
    assert!(!key.in_force(at(100)));
    assert!(!ApiKey { revoked: Some(at(50)), ..key.clone() }.in_force(at(20)));
    assert!(ApiKey { expires: None, ..key }.in_force(at(u64::MAX / 2)));
}

#[test]
fn a_replaced_secret_counts_as_long_as_was_said() {
    let at = UnixNanos::from_seconds;
    let first = issue();
    let hour = Duration::from_hours(1);
    let second = first.key.rotated(hour, (&pepper(1), &OsEntropy), at(50)).unwrap();
    assert_eq!(second.key.id, first.key.id);
    let (old, new) = (first.token.expose(), second.token.expose());
    assert_ne!(old, new);
    let proves = |token: &str, key: &ApiKey, now| {
        ApiKeyToken::parse(token).unwrap().proof(Some(key), &pepper(1), now).is_some()
    };
    assert!(proves(old, &second.key, at(50)) && proves(new, &second.key, at(50)));
    assert!(proves(old, &second.key, at(50 + 3_599)) && !proves(old, &second.key, at(50 + 3_600)));
    assert!(proves(new, &second.key, at(50 + 3_600)));
    let third = second.key.rotated(hour, (&pepper(1), &OsEntropy), at(60)).unwrap();
    assert!(!proves(old, &third.key, at(61)), "only the one before counts");
    assert!(proves(new, &third.key, at(61)) && proves(third.token.expose(), &third.key, at(61)));
    let text = serde_json::to_string(&third.key).unwrap();
    let read: ApiKey = serde_json::from_str(&text).unwrap();
    assert!(proves(new, &read, at(61)) && !text.contains(new));
}

#[test]
fn a_disabled_key_is_not_in_force_and_an_old_record_is_not_disabled() {
    let key = issue().key;
    assert!(!ApiKey { disabled: true, ..key.clone() }.in_force(NOW));
    let mut record = serde_json::to_value(&key).unwrap();
    assert!(record.as_object_mut().unwrap().remove("disabled").is_none());
    assert!(serde_json::from_value::<ApiKey>(record).unwrap().in_force(NOW));
}

#[test]
fn any_changed_character_is_caught_by_form_or_checksum() {
    let token = issue().token.expose().clone();
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(ApiKeyToken::parse(&changed).is_err(), "{at}");
    }
    assert!(ApiKeyToken::parse(&format!("{token}x")).is_err());
    assert!(ApiKeyToken::parse(token.get(..token.len() - 1).unwrap()).is_err());
}

#[test]
fn rejects_other_forms() {
    for text in ["", "hg_", "hg__", "hg_a_b", "HG_", "eyJhbGciOi", "hg_åååååååååååå_"] {
        assert_eq!(ApiKeyToken::parse(text).unwrap_err(), TokenError::Form, "{text}");
    }
}

#[test]
fn refuses_a_wish_that_makes_no_sense() {
    let now = UnixNanos::from_seconds(10);
    let grant = String::from("s");
    let wishes = [
        NewApiKey { name: String::new(), ..wish() },
        NewApiKey { name: "a\nb".into(), ..wish() },
        NewApiKey { name: "x".repeat(101), ..wish() },
        NewApiKey { expires: Some(now), ..wish() },
        NewApiKey { scopes: vec![grant; 65], ..wish() },
    ];
    for wish in wishes {
        let text = format!("{wish:?}");
        assert!(wish.issue(&pepper(1), &OsEntropy, now).is_err(), "{text}");
    }
}

#[test]
fn shows_no_secret() {
    let issued = issue();
    let token = issued.token.expose().clone();
    let parsed = ApiKeyToken::parse(&token).unwrap();
    let shown = format!("{issued:?} {parsed:?} {:?}", pepper(1));
    let secret = token.get(16..).unwrap();
    assert!(!shown.contains(secret), "{shown}");
    assert!(!shown.contains(&String::from(issued.key.mac)));
}

#[test]
fn a_kept_key_reads_back() {
    let issued = issue();
    let kept = serde_json::to_string(&issued.key).unwrap();
    assert!(!kept.contains(issued.token.expose().get(16..).unwrap()));
    let read: ApiKey = serde_json::from_str(&kept).unwrap();
    let token = ApiKeyToken::parse(issued.token.expose()).unwrap();
    assert!(token.proof(Some(&read), &pepper(1), NOW).is_some());
    assert!(serde_json::from_str::<KeyMac>("\"AAAA\"").is_err());
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "\\PC*") {
        let _ = ApiKeyToken::parse(&text);
    }

    #[test]
    fn no_text_of_the_form_passes_without_its_checksum(
        text in "hg_[a-z0-9]{12}_[A-Za-z0-9_-]{43}[A-Za-z0-9_-]{6}"
    ) {
        let (summed, checksum) = text.split_at(text.len() - 6);
        let fits = checksum_of(summed) == checksum;
        prop_assert_eq!(ApiKeyToken::parse(&text).is_ok(), fits);
        let whole = format!("{summed}{}", checksum_of(summed));
        prop_assert!(ApiKeyToken::parse(&whole).is_ok());
    }

    #[test]
    fn nearly_tokens_never_panic(text in "hg_[a-zé]{0,14}_?.{0,60}") {
        let _ = ApiKeyToken::parse(&text);
    }
}
