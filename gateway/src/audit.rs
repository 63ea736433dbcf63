//! The decision record: content, bytes, hashes, redaction. Pure.
