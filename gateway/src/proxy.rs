//! The enforcement door (PEP): turns a Pingora session into a canonical request, applies an outcome, forwards.
