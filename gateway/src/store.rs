//! State that outlives a request: the `StateStore` trait, SQLite, and what is kept in it.
