//! Puts decision records on disk durably, recovers, verifies, tails.
