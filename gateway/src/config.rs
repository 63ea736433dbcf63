//! Reads files, reports every error at once with file, key and line, yields each module's settings.

mod policies;
mod tenants;

pub use policies::{CASES_FOLDER, read_cases, read_policies};
pub use tenants::{FileProblem, Variables, read_tenant, read_tenants};
