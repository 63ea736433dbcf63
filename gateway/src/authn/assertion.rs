//! `Hubgate-Assertion`: the short-lived signed statement a service gets with each request.
//!
//! It says who asks, what was decided and under which policies, for one audience. Signing costs more than
//! deciding, so a signed assertion is used again while nothing it says changes and most of its life is left.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher as _;
use std::hash::RandomState;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};

use crate::model::{
    ActionId, AuthMethod, DecisionId, EntityUid, RoleAssignment, ServiceId, SnapshotId, TenantId,
    UnixNanos,
};

/// Life of an assertion: the request it travels with is seconds old at most (AS-17: at most 60 s).
pub const ASSERTION_LIFE: Duration = Duration::from_mins(1);
/// An assertion is given out again for the first half of its life, so a service always gets one
/// with at least 30 s to go.
const ASSERTION_REUSE: Duration = Duration::from_secs(30);
/// Media type in `typ`, so no other token of ours passes for an assertion (RFC 8725 §3.11).
const ASSERTION_TYPE: &str = "hubgate-assertion+jwt";
/// Sixteen locks keep two cores apart; a full shard is emptied whole, which costs one signature each.
const SHARDS: usize = 16;
/// 1,024 per shard and about 1 KB each bound the cache at 16 MB.
const SHARD_ENTRIES_MAX: usize = 1_024;

/// A key that cannot sign assertions.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// Not a P-256 private key in PKCS#8 PEM.
    #[error("not an ECDSA P-256 private key in PKCS#8 PEM: {0}")]
    Parse(#[source] jsonwebtoken::errors::Error),
    /// No key at all.
    #[error("no assertion key is old enough to sign")]
    None,
    /// The published set could not be written.
    #[error("the key set could not be written: {0}")]
    Publish(#[source] serde_json::Error),
}

/// An assertion could not be signed; the request is refused.
#[derive(Debug, thiserror::Error)]
#[error("assertion could not be signed: {0}")]
pub struct AssertionError(#[source] jsonwebtoken::errors::Error);

/// One ES256 key pair; its id is the RFC 7638 thumbprint.
pub struct SigningKey {
    id: String,
    key: EncodingKey,
    public: Jwk,
}

impl SigningKey {
    /// Reads a P-256 private key.
    ///
    /// # Errors
    /// [`SigningKeyError::Parse`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, SigningKeyError> {
        let key = EncodingKey::from_ec_pem(pem).map_err(SigningKeyError::Parse)?;
        let mut public =
            Jwk::from_encoding_key(&key, Algorithm::ES256).map_err(SigningKeyError::Parse)?;
        let id = public.thumbprint(ThumbprintHash::SHA256).map_err(SigningKeyError::Parse)?;
        public.common.key_id = Some(id.clone());
        public.common.public_key_use = Some(jsonwebtoken::jwk::PublicKeyUse::Signature);
        Ok(Self { id, key, public })
    }

    /// The key id.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The key that signs and the set that is published: during a rotation more than one.
#[derive(Debug)]
pub struct AssertionKeys {
    signing: SigningKey,
    published: Arc<str>,
}

impl AssertionKeys {
    /// Takes the signing key and the others that are still, or already, published.
    ///
    /// # Errors
    /// [`SigningKeyError::Publish`].
    pub fn new(signing: SigningKey, others: &[SigningKey]) -> Result<Self, SigningKeyError> {
        let keys = std::iter::once(&signing).chain(others).map(|key| &key.public).collect();
        let set = JwkSetRef { keys };
        let published = serde_json::to_string(&set).map_err(SigningKeyError::Publish)?;
        Ok(Self { signing, published: Arc::from(published) })
    }
}

#[derive(serde::Serialize)]
struct JwkSetRef<'a> {
    keys: Vec<&'a Jwk>,
}

/// What one assertion says. Equal statements may share one signature.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Statement {
    /// The service it is for.
    pub audience: ServiceId,
    /// Who asks: the Cedar entity.
    pub subject: EntityUid,
    /// Their organisation.
    pub tenant: Option<TenantId>,
    /// How they proved who they are.
    pub method: AuthMethod,
    /// A handle of the credential: never the credential. Another session is another statement.
    pub credential: Arc<str>,
    /// Their roles.
    pub roles: Arc<[RoleAssignment]>,
    /// The node of the organisation they work in.
    pub active: Option<EntityUid>,
    /// What was allowed.
    pub action: ActionId,
    /// On what.
    pub resource: EntityUid,
    /// For a list: on which nodes the action is allowed, as JSON.
    pub access: Option<Arc<str>>,
    /// For ids in the body: on which nodes the actions they need are allowed, as JSON.
    pub body_access: Option<Arc<str>>,
    /// Under which snapshot.
    pub snapshot: SnapshotId,
}

#[derive(serde::Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: String,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    auth_method: &'static str,
    roles: &'a [RoleAssignment],
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<String>,
    action: &'a str,
    resource: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_access: Option<serde_json::Value>,
    policy_snapshot: &'a str,
}

#[derive(Clone)]
struct Signed {
    token: http::HeaderValue,
    at: UnixNanos,
    by: Arc<AssertionKeys>,
}

/// Signs assertions and publishes the keys to check them.
pub struct AssertionSigner {
    issuer: String,
    keys: ArcSwap<AssertionKeys>,
    hasher: RandomState,
    shards: Box<[RwLock<HashMap<Statement, Signed>>]>,
}

impl AssertionSigner {
    /// Signs as `issuer`.
    pub fn new(issuer: String, keys: AssertionKeys) -> Self {
        Self {
            issuer,
            keys: ArcSwap::from_pointee(keys),
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
        }
    }

    /// Replaces the keys, when they differ; what was signed by the old one is then not given out again.
    pub fn rotate(&self, keys: AssertionKeys) {
        let now = self.keys.load();
        if now.signing.id == keys.signing.id && now.published == keys.published {
            return;
        }
        drop(now);
        self.keys.store(Arc::new(keys));
        for shard in &self.shards {
            shard.write().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// The JWK set (RFC 7517 §5) services verify against.
    pub fn key_set(&self) -> Arc<str> {
        self.keys.load().published.clone()
    }

    /// The signed form of `statement`. `decision` becomes the `jti` of a new signature.
    ///
    /// # Errors
    /// [`AssertionError`].
    pub fn sign(
        &self,
        statement: Statement,
        decision: DecisionId,
        now: UnixNanos,
    ) -> Result<http::HeaderValue, AssertionError> {
        let Some(shard) = self.shard(&statement) else {
            return self.sign_anew(&self.keys.load(), &statement, decision, now);
        };
        let known = shard.read().unwrap_or_else(PoisonError::into_inner).get(&statement).cloned();
        // A clock that stepped back makes the age zero and the token not yet valid: sign anew.
        let keys = self.keys.load_full();
        if let Some(signed) = known
            && Arc::ptr_eq(&signed.by, &keys)
            && now >= signed.at
            && now.since(signed.at) < ASSERTION_REUSE
        {
            return Ok(signed.token);
        }
        let token = self.sign_anew(&keys, &statement, decision, now)?;
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= SHARD_ENTRIES_MAX {
            shard.clear();
        }
        shard.insert(statement, Signed { token: token.clone(), at: now, by: keys });
        Ok(token)
    }

    fn shard(&self, statement: &Statement) -> Option<&RwLock<HashMap<Statement, Signed>>> {
        let index = usize::try_from(self.hasher.hash_one(statement) % SHARDS as u64).ok()?;
        self.shards.get(index)
    }

    fn sign_anew(
        &self,
        keys: &AssertionKeys,
        statement: &Statement,
        decision: DecisionId,
        now: UnixNanos,
    ) -> Result<http::HeaderValue, AssertionError> {
        // Unreadable would be a bug of ours; a service then gets no set, which lets it list nothing.
        let read = |told: &Option<Arc<str>>| {
            told.as_deref().and_then(|told| serde_json::from_str(told).ok())
        };
        let header = Header {
            typ: Some(String::from(ASSERTION_TYPE)),
            kid: Some(keys.signing.id.clone()),
            ..Header::new(Algorithm::ES256)
        };
        let claims = Claims {
            iss: &self.issuer,
            aud: statement.audience.as_str(),
            sub: statement.subject.to_string(),
            iat: now.seconds(),
            nbf: now.seconds(),
            exp: now.plus(ASSERTION_LIFE).seconds(),
            jti: decision.to_string(),
            tenant: statement.tenant.as_ref().map(TenantId::as_str),
            auth_method: statement.method.name(),
            roles: &statement.roles,
            active: statement.active.as_ref().map(ToString::to_string),
            action: statement.action.as_str(),
            resource: statement.resource.to_string(),
            access: read(&statement.access),
            body_access: read(&statement.body_access),
            policy_snapshot: statement.snapshot.as_str(),
        };
        let token =
            jsonwebtoken::encode(&header, &claims, &keys.signing.key).map_err(AssertionError)?;
        http::HeaderValue::try_from(token)
            .map_err(|_| AssertionError(jsonwebtoken::errors::ErrorKind::InvalidToken.into()))
    }
}

impl fmt::Debug for AssertionSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssertionSigner")
            .field("issuer", &self.issuer)
            .field("signing", &self.keys.load().signing.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};

    fn key() -> SigningKey {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        SigningKey::from_pem(pair.serialize_pem().as_bytes()).unwrap()
    }

    fn signer() -> AssertionSigner {
        AssertionSigner::new(String::from("hubgate"), AssertionKeys::new(key(), &[]).unwrap())
    }

    fn statement() -> Statement {
        Statement {
            audience: ServiceId::parse("hub").unwrap(),
            subject: EntityUid::parse("User::ada").unwrap(),
            tenant: Some(TenantId::parse("nordvolt").unwrap()),
            method: AuthMethod::Session,
            credential: Arc::from("s1"),
            roles: Arc::from([]),
            active: Some(EntityUid::parse("Operator::o").unwrap()),
            action: ActionId::parse("teams:view").unwrap(),
            resource: EntityUid::parse("Team::t-1").unwrap(),
            access: Some(Arc::from(r#"{"within":["Operator::o"]}"#)),
            body_access: Some(Arc::from(r#"[{"properties":["teamId"]}]"#)),
            snapshot: SnapshotId::from_digest(&[7; 32]),
        }
    }

    fn id(n: u8) -> DecisionId {
        DecisionId::from_parts(NOW, [n; 10])
    }

    const NOW: UnixNanos = UnixNanos::from_seconds(1_800_000_000);

    fn claims(
        signer: &AssertionSigner,
        token: &http::HeaderValue,
        aud: &str,
    ) -> Option<serde_json::Value> {
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&signer.key_set()).unwrap();
        let text = token.to_str().unwrap();
        let head = decode_header(text).unwrap();
        assert_eq!(head.typ.as_deref(), Some(ASSERTION_TYPE));
        let jwk = set.find(head.kid.as_deref().unwrap()).unwrap();
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_audience(&[aud]);
        rules.validate_exp = false;
        decode(text, &DecodingKey::from_jwk(jwk).unwrap(), &rules).ok().map(|data| data.claims)
    }

    #[test]
    fn says_what_was_decided_to_its_audience_only() {
        let signer = signer();
        let token = signer.sign(statement(), id(1), NOW).unwrap();
        let said = claims(&signer, &token, "hub").unwrap();
        assert_eq!(said["sub"], "User::ada");
        assert_eq!(said["tenant"], "nordvolt");
        assert_eq!(said["action"], "teams:view");
        assert_eq!(said["active"], "Operator::o");
        assert_eq!(said["access"]["within"][0], "Operator::o");
        assert_eq!(said["body_access"][0]["properties"][0], "teamId");
        assert_eq!(said["resource"], "Team::t-1");
        assert_eq!(said["jti"], id(1).to_string());
        assert_eq!(said["exp"].as_u64().unwrap() - said["iat"].as_u64().unwrap(), 60);
        assert!(claims(&signer, &token, "billing").is_none());
    }

    #[test]
    fn is_signed_once_while_nothing_changes() {
        let signer = signer();
        let first = signer.sign(statement(), id(1), NOW).unwrap();
        let later = NOW.plus(Duration::from_secs(29));
        assert_eq!(signer.sign(statement(), id(2), later).unwrap(), first);
        let half_life = NOW.plus(Duration::from_secs(30));
        assert_ne!(signer.sign(statement(), id(3), half_life).unwrap(), first);
    }

    #[test]
    fn anything_it_says_asks_for_a_new_signature() {
        let signer = signer();
        let first = signer.sign(statement(), id(1), NOW).unwrap();
        let role = RoleAssignment {
            role: String::from("admin"),
            on: EntityUid::parse("Operator::o").unwrap(),
        };
        let changed = [
            Statement { audience: ServiceId::parse("billing").unwrap(), ..statement() },
            Statement { subject: EntityUid::parse("User::eve").unwrap(), ..statement() },
            Statement { tenant: None, ..statement() },
            Statement { method: AuthMethod::ApiKey, ..statement() },
            Statement { credential: Arc::from("s2"), ..statement() },
            Statement { roles: Arc::from([role]), ..statement() },
            Statement { active: None, ..statement() },
            Statement { access: None, ..statement() },
            Statement { body_access: None, ..statement() },
            Statement { action: ActionId::parse("teams:update").unwrap(), ..statement() },
            Statement { resource: EntityUid::parse("Team::t-2").unwrap(), ..statement() },
            Statement { snapshot: SnapshotId::from_digest(&[8; 32]), ..statement() },
        ];
        for statement in changed {
            assert_ne!(signer.sign(statement.clone(), id(1), NOW).unwrap(), first, "{statement:?}");
        }
    }

    #[test]
    fn a_rotation_publishes_both_keys_and_signs_with_the_new_one() {
        let signer = signer();
        let first = signer.sign(statement(), id(1), NOW).unwrap();
        let old = key();
        signer.rotate(AssertionKeys::new(key(), &[old]).unwrap());
        let set: serde_json::Value = serde_json::from_str(&signer.key_set()).unwrap();
        assert_eq!(set["keys"].as_array().unwrap().len(), 2);
        assert!(!signer.key_set().contains("\"d\""));
        assert_ne!(signer.sign(statement(), id(1), NOW).unwrap(), first);
    }

    #[test]
    fn rejects_what_is_no_p256_key() {
        assert!(SigningKey::from_pem(b"nonsense").is_err());
        let ed = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        assert!(SigningKey::from_pem(ed.serialize_pem().as_bytes()).is_err());
    }
}
