//! Quota arithmetic and keys.
