//! An organisation's snapshot: tree, members, resources (PIP).
