//! Points the route table's errors at the keys they are about.

use crate::routing::{RouteError, RouteTable};

use super::gateway::Declared;
use super::origin::Origin;

/// A route table error by place: where the route was declared, key, message.
pub(super) type Found<'d> = (&'d Origin, String, String);

/// Compiles the routes.
pub(super) fn compile(declared: &[Declared]) -> Result<RouteTable, Vec<Found<'_>>> {
    let settings = declared.iter().map(|declared| declared.route.clone()).collect();
    RouteTable::build(settings)
        .map_err(|errors| errors.iter().filter_map(|error| locate(error, declared)).collect())
}

fn locate<'d>(error: &RouteError, declared: &'d [Declared]) -> Option<Found<'d>> {
    let key = match error {
        // Told already, with the line of the other route.
        RouteError::Duplicate { .. } => return None,
        RouteError::Taken { .. } | RouteError::Overlap { .. } | RouteError::Template { .. } => {
            "path"
        }
        RouteError::Host { .. } => "host",
        RouteError::Methods { .. } => "methods",
        RouteError::UnknownParameter { key, .. }
        | RouteError::Resource { key, .. }
        | RouteError::Named { key, .. } => key.as_str(),
        RouteError::TooMany { .. } => "",
    };
    // Of two routes with one name the later is meant.
    let origin = declared.iter().rev().find(|declared| declared.route.id == *error.id());
    let origin = origin.map(|declared| &declared.origin)?;
    let message = error.to_string();
    let start = format!("route `{}`: ", error.id());
    let message = message.strip_prefix(&start).unwrap_or(&message);
    let message = message.strip_prefix("resource: ").unwrap_or(message);
    let message = message.strip_prefix("ids it names: ").unwrap_or(message);
    Some((origin, key.to_owned(), message.to_owned()))
}
