//! Points the route table's errors at the keys they are about.

use crate::routing::{RouteError, RouteSettings, RouteTable};

/// A route table error by position: route number, key, message.
pub(super) type Found = (usize, &'static str, String);

/// Compiles the routes; `positions` says where in the file each one stands.
pub(super) fn compile(routes: &[(usize, RouteSettings)]) -> Result<RouteTable, Vec<Found>> {
    let settings = routes.iter().map(|(_, route)| route.clone()).collect();
    RouteTable::build(settings)
        .map_err(|errors| errors.iter().filter_map(|error| locate(error, routes)).collect())
}

fn locate(error: &RouteError, routes: &[(usize, RouteSettings)]) -> Option<Found> {
    let key = match error {
        // Told already, with the line of the other route.
        RouteError::Duplicate { .. } => return None,
        RouteError::Taken { .. } | RouteError::Overlap { .. } | RouteError::Template { .. } => {
            "path"
        }
        RouteError::Host { .. } => "host",
        RouteError::Methods { .. } => "methods",
        RouteError::UnknownParameter { .. } | RouteError::Resource { .. } => "resource",
        RouteError::TooMany { .. } => "",
    };
    let at = |(index, route): &(usize, RouteSettings)| (route.id == *error.id()).then_some(*index);
    // Of two routes with one name the later is meant.
    let index = routes.iter().rev().find_map(at)?;
    let message = error.to_string();
    let start = format!("route `{}`: ", error.id());
    let message = message.strip_prefix(&start).unwrap_or(&message);
    let message = message.strip_prefix("resource: ").unwrap_or(message);
    Some((index, key, message.to_owned()))
}
