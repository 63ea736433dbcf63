//! Measures what a decision costs.
fn main() {}
