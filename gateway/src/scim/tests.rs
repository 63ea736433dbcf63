//! Conversations as the large identity providers lead them, and input nobody would send.

mod dialects;
mod random;
