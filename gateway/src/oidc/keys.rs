//! A provider's signing keys: which of them may verify anything (RFC 7517, RFC 8725 §3.4, §3.5).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreJsonWebKey, CoreJsonWebKeySet};
use serde_json::Value;

use super::document;

/// Why a key set is not believed.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeysError {
    /// No JSON, or no list of keys.
    #[error("the key set cannot be read: {0}")]
    Unreadable(String),
    /// More keys than anybody needs.
    #[error("the key set holds more than {KEYS_MAX} keys")]
    TooMany,
    /// None that may verify.
    #[error("the key set holds no usable key")]
    None,
}

/// Most keys read; large providers publish about ten.
const KEYS_MAX: usize = 64;

/// Reads a key set and keeps the keys that may verify signatures. An empty set is refused rather than
/// ignored: a provider that withdrew all its keys wants no token accepted.
pub(super) fn parse(bytes: &[u8]) -> Result<CoreJsonWebKeySet, KeysError> {
    let value = document::parse(bytes).map_err(|error| KeysError::Unreadable(error.to_string()))?;
    let keys = value
        .get("keys")
        .and_then(Value::as_array)
        .ok_or_else(|| KeysError::Unreadable(String::from("`keys` is no list")))?;
    if keys.len() > KEYS_MAX {
        return Err(KeysError::TooMany);
    }
    let usable: Vec<CoreJsonWebKey> = keys
        .iter()
        .filter(|key| may_verify(key))
        .filter_map(|key| serde_json::from_value(key.clone()).ok())
        .collect();
    if usable.is_empty() { Err(KeysError::None) } else { Ok(CoreJsonWebKeySet::new(usable)) }
}

fn may_verify(key: &Value) -> bool {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let bytes = |name: &str| text(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let is_for_signing = text("use").is_none_or(|purpose| purpose == "sig");
    // A set that publishes the private half has lost the key.
    let is_public = key.get("d").is_none();
    let is_strong = match text("kty") {
        Some("RSA") => {
            let modulus = bytes("n").unwrap_or_default();
            let exponent = bytes("e").unwrap_or_default();
            bits(&modulus) >= RSA_BITS_MIN && is_odd_above_one(&exponent)
        }
        Some("EC") => {
            let length = |name| bytes(name).map_or(0, |part| part.len());
            text("crv") == Some("P-256") && length("x") == 32 && length("y") == 32
        }
        Some("OKP") => {
            text("crv") == Some("Ed25519") && bytes("x").is_some_and(|part| part.len() == 32)
        }
        // `oct` among them: a secret in a public document is none.
        _ => false,
    };
    is_for_signing && is_public && is_strong
}

/// NIST SP 800-131A: shorter RSA keys are not allowed.
const RSA_BITS_MIN: usize = 2048;

fn bits(number: &[u8]) -> usize {
    let mut digits = number.iter().skip_while(|byte| **byte == 0);
    let Some(first) = digits.next() else { return 0 };
    digits.count() * 8 + (8 - first.leading_zeros() as usize)
}

fn is_odd_above_one(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last % 2 == 1) && bits(number) > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rsa(modulus: &[u8], exponent: &[u8]) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({ "kty": "RSA", "kid": "1", "n": encode(modulus), "e": encode(exponent) })
    }

    fn with(mut key: Value, name: &str, value: &str) -> Value {
        key[name] = json!(value);
        key
    }

    #[test]
    fn keeps_strong_public_signing_keys() {
        let point = URL_SAFE_NO_PAD.encode([7_u8; 32]);
        let keys = [
            rsa(&[0xff; 256], &[1, 0, 1]),
            with(rsa(&[0xff; 256], &[3]), "use", "sig"),
            json!({ "kty": "EC", "crv": "P-256", "x": point, "y": point }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": point }),
        ];
        for key in keys {
            assert!(may_verify(&key), "{key}");
        }
    }

    #[test]
    fn drops_every_other_key() {
        let point = URL_SAFE_NO_PAD.encode([7_u8; 32]);
        let short = URL_SAFE_NO_PAD.encode([7_u8; 31]);
        let mut weak_by_a_bit = [0xff_u8; 256];
        weak_by_a_bit[0] = 0x7f;
        let keys = [
            rsa(&[0xff; 128], &[1, 0, 1]),
            rsa(&weak_by_a_bit, &[1, 0, 1]),
            rsa(&[0xff; 256], &[1]),
            rsa(&[0xff; 256], &[2]),
            rsa(&[0xff; 256], &[]),
            with(rsa(&[0xff; 256], &[3]), "use", "enc"),
            with(rsa(&[0xff; 256], &[3]), "d", "AQ"),
            json!({ "kty": "EC", "crv": "P-256", "x": point, "y": short }),
            json!({ "kty": "EC", "crv": "P-521", "x": point, "y": point }),
            json!({ "kty": "OKP", "crv": "X25519", "x": point }),
            json!({ "kty": "oct", "k": point }),
            json!({}),
            json!("key"),
        ];
        for key in keys {
            assert!(!may_verify(&key), "{key}");
        }
    }

    #[test]
    fn refuses_sets_without_a_usable_key_and_huge_ones() {
        assert!(matches!(parse(br#"{"keys":[]}"#), Err(KeysError::None)));
        assert!(matches!(parse(br#"{"keys":[{"kty":"oct","k":"AA"}]}"#), Err(KeysError::None)));
        assert!(matches!(parse(b"{}"), Err(KeysError::Unreadable(_))));
        let many = json!({ "keys": vec![rsa(&[0xff; 256], &[3]); 65] });
        assert!(matches!(parse(many.to_string().as_bytes()), Err(KeysError::TooMany)));
    }
}
