//! `hubgate key rotate-assertion`: the next key for assertions.

use std::io::Write;

use crate::app::moment;
use crate::app::secrets::rotate_assertion_key;
use crate::config::Places;
use crate::model::SystemClock;

use super::{CommandError, KeyError};

pub(super) fn run(places: &Places, out: &mut dyn Write) -> Result<(), CommandError> {
    let rotation =
        rotate_assertion_key(&places.secrets_directory, &SystemClock).map_err(KeyError::from)?;
    writeln!(out, "new key: {}", rotation.added.display())?;
    writeln!(out, "It is published as soon as the gateway reloads or starts.")?;
    writeln!(out, "It signs from {} (UTC) on.", moment::shown(rotation.signs_from))?;
    for path in &rotation.removed {
        writeln!(out, "removed: {}", path.display())?;
    }
    Ok(())
}
