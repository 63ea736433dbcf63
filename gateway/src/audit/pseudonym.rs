//! Pseudonyms: how a person or a stray secret appears in the log without being in it.
//!
//! It must never be reversible without the key; whoever holds the key can search, nobody else can.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::model::{PersonId, Secret};

/// 128 bits are kept: no two of 10^9 people collide (chance below 10^-20), and a line stays short.
const KEPT_BYTES: usize = 16;

/// A keyed hash that stands for a person or a secret, with what may be said in clear in front.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pseudonym(Arc<str>);

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The audit key. Losing it loses only the ability to search; the log itself stays readable.
#[derive(Clone, Debug)]
pub struct PseudonymKey(Secret<[u8; 32]>);

impl PseudonymKey {
    /// Takes 256 random bits.
    pub const fn new(key: Secret<[u8; 32]>) -> Self {
        Self(key)
    }

    /// A person as `<connection>:<32 hex digits>`. Costs a microsecond: keep it with the session.
    pub fn person(&self, person: &PersonId) -> Pseudonym {
        let parts =
            [person.tenant.as_str(), person.connection.as_str(), &person.issuer, &person.subject];
        let digest = self.digest("person", &parts.map(str::as_bytes));
        Pseudonym(format!("{}:{digest}", person.connection).into())
    }

    /// A secret met where none belongs, as 32 hex digits, so it can be searched for.
    pub fn secret(&self, value: &[u8]) -> Pseudonym {
        Pseudonym(self.digest("secret", &[value]).into())
    }

    /// Each part goes in with its length, so no two lists of parts read alike.
    fn digest(&self, purpose: &str, parts: &[&[u8]]) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose()) else {
            // HMAC takes keys of any length (RFC 2104 §2); an unusable key names nobody.
            return String::from("unknown");
        };
        mac.update(purpose.as_bytes());
        for part in parts {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        let digest = mac.finalize().into_bytes();
        let mut hex = String::with_capacity(2 * KEPT_BYTES);
        for byte in digest.iter().take(KEPT_BYTES) {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ConnectionId, TenantId};

    fn person(tenant: &str, connection: &str, issuer: &str, subject: &str) -> PersonId {
        PersonId {
            tenant: TenantId::parse(tenant).unwrap(),
            connection: ConnectionId::parse(connection).unwrap(),
            issuer: issuer.into(),
            subject: subject.into(),
        }
    }

    #[test]
    fn one_person_has_one_pseudonym_and_it_says_nothing() {
        let key = PseudonymKey::new(Secret::new([7; 32]));
        let ada = person("nordvolt", "okta", "https://idp.example", "ada@nordvolt.example");
        let shown = key.person(&ada).to_string();
        assert_eq!(shown, key.person(&ada).to_string());
        assert!(shown.starts_with("okta:") && shown.len() == 5 + 32, "{shown}");
        assert!(!shown.contains("ada"), "{shown}");
    }

    #[test]
    fn any_other_part_or_key_gives_another_pseudonym() {
        let key = PseudonymKey::new(Secret::new([7; 32]));
        let ada = key.person(&person("a", "c", "i", "s"));
        for other in
            [person("b", "c", "i", "s"), person("a", "c", "is", ""), person("a", "c", "", "is")]
        {
            assert_ne!(ada, key.person(&other), "{other:?}");
        }
        let other_key = PseudonymKey::new(Secret::new([8; 32]));
        assert_ne!(ada, other_key.person(&person("a", "c", "i", "s")));
    }
}
