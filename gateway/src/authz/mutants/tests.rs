//! Mistakes in policies small enough to count them by hand.
