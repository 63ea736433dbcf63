//! The decision point (PDP): schema, policy set, index, decision with reasons.
