//! Load generator and the bare Pingora it compares with.

fn main() {}
