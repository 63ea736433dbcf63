//! Segment files: opened for append only, readable by their owner only, space verified before use.
//!
//! It must never seek: a line once written is not written again.

use std::fmt::Debug;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

/// Space a new segment must prove to have: room for about a thousand records, so that a disk that is
/// all but full refuses at once instead of tearing every other record.
const PROBE_BYTES: usize = 1024 * 1024;

/// A segment being written. A trait, so that tests can make a disk full.
pub(super) trait Segment: Send + Sync + Debug {
    /// Appends all of `bytes`; on error an unknown part of them may be in the file.
    fn write_all(&self, bytes: &[u8]) -> io::Result<()>;
    /// Waits until everything written is on the disk.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file back to `len`.
    fn truncate(&self, len: u64) -> io::Result<()>;
}

/// Makes segments.
pub(super) trait Disk: Send + Sync + Debug {
    /// Creates a segment that does not exist yet.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn Segment>>;
}

/// The file system.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileSystem;

impl Disk for FileSystem {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn Segment>> {
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        let made = prove_space(&file).and_then(|()| sync_folder_of(path));
        if let Err(error) = made {
            // The next attempt must be able to use the name; a left-over empty file does no harm.
            let _ = std::fs::remove_file(path);
            return Err(error);
        }
        Ok(Arc::new(file))
    }
}

impl Segment for File {
    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        (&mut &*self).write_all(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

fn prove_space(file: &File) -> io::Result<()> {
    let zeros = vec![0_u8; PROBE_BYTES];
    (&mut &*file).write_all(&zeros)?;
    file.sync_data()?;
    file.set_len(0)
}

/// Makes the file's name itself durable (fsync(2): the folder needs its own).
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Creates a folder for its owner only, with its parents.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}
