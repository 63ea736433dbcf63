//! Assembles everything from settings: serves, reloads, drains; the command-line verbs.
