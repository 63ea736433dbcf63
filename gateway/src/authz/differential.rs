//! Compares the index with the plain evaluation of the whole set.
