//! Test doubles and the demo hub. Never linked into the product.

pub mod openid_provider;
