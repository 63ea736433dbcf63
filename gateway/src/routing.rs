//! Canonical request and route table: host + method + path to operation.
