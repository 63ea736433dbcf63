//! Matrices of policies small enough to be read beside the expected cells.
