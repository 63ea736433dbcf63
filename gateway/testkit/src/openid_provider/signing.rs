//! Keys and signatures, by hand: a misbehaving provider needs what no library would sign.

use anyhow::Context as _;
use aws_lc_rs::encoding::{AsBigEndian as _, EcPublicKeyUncompressedBin};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

/// How a provider signs its ID tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA, PKCS#1 v1.5, SHA-256.
    Rs256,
    /// ECDSA on P-256, SHA-256.
    Es256,
}

#[derive(Debug)]
enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

/// A signing key with its name.
#[derive(Debug)]
pub(super) struct SigningKey {
    name: String,
    pair: Pair,
}

impl SigningKey {
    pub(super) fn generate(algorithm: Algorithm) -> anyhow::Result<Self> {
        let pair = match algorithm {
            Algorithm::Rs256 => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048)?),
            Algorithm::Es256 => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?),
        };
        Ok(Self { name: random_text()?, pair })
    }

    pub(super) const fn algorithm_name(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The public half as a JWK.
    pub(super) fn jwk(&self) -> anyhow::Result<Value> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                json!({
                    "kty": "RSA",
                    "n": encode(public.modulus().big_endian_without_leading_zero()),
                    "e": encode(public.exponent().big_endian_without_leading_zero()),
                })
            }
            Pair::Ec(pair) => {
                let point: EcPublicKeyUncompressedBin<'_> = pair.public_key().as_be_bytes()?;
                let (x, y) = point
                    .as_ref()
                    .split_first()
                    .and_then(|(_, rest)| rest.split_at_checked(32))
                    .context("a point has two halves")?;
                json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
            }
        };
        let members = jwk.as_object_mut().context("a JWK is an object")?;
        members.insert(String::from("kid"), json!(self.name));
        members.insert(String::from("alg"), json!(self.algorithm_name()));
        members.insert(String::from("use"), json!("sig"));
        Ok(jwk)
    }

    pub(super) fn sign(&self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                Ok(signature)
            }
            Pair::Ec(pair) => Ok(pair.sign(&random, message)?.as_ref().to_vec()),
        }
    }
}

/// What is signed: header and claims in compact form.
pub(super) fn message(header: &Map<String, Value>, claims: &Map<String, Value>) -> String {
    let encode =
        |map: &Map<String, Value>| URL_SAFE_NO_PAD.encode(Value::Object(map.clone()).to_string());
    format!("{}.{}", encode(header), encode(claims))
}

/// HMAC-SHA-256, which no good provider uses here.
pub(super) fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

/// Lays `over` on `map`; `null` removes.
pub(super) fn lay_over(map: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (name, value) in over {
        if value.is_null() {
            map.remove(name);
        } else {
            map.insert(name.clone(), value.clone());
        }
    }
}

/// 128 random bits as text.
pub(super) fn random_text() -> anyhow::Result<String> {
    let mut bytes = [0_u8; 16];
    rand::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
