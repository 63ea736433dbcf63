//! Copies folders and writes files only their owner may read.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Copies the folder `from` with everything below it to `to`.
pub(super) fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Replaces `old` by `new` in every file called `name` below `folder`.
pub(super) fn replace_in_files(
    folder: &Path,
    name: &str,
    old: &str,
    new: &str,
) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            replace_in_files(&entry.path(), name, old, new)?;
        } else if entry.file_name() == name {
            let text = fs::read_to_string(entry.path())?;
            fs::write(entry.path(), text.replace(old, new))?;
        }
    }
    Ok(())
}

/// Writes a file that its owner alone may read.
pub(super) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    Ok(())
}
