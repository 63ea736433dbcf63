//! Opens the file: its mode, its pragmas, its schema.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

/// Why the store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or its folder cannot be made or its mode set.
    #[error("the state file `{path}` cannot be made ready")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// SQLite cannot use it.
    #[error("the state file `{path}` cannot be used: {source}")]
    Database {
        /// The file.
        path: String,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
    /// A newer program has written it.
    #[error(
        "the state file `{path}` has schema {found}; this program knows {known}: start a newer one"
    )]
    TooNew {
        /// The file.
        path: String,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A thread could not be started.
    #[error("a thread of the state store could not be started")]
    Thread(#[source] io::Error),
}

/// How long a statement waits for another process's write. Writes take milliseconds; a checkpoint of a full
/// log on a slow disk may take a second.
const BUSY_MAX: Duration = Duration::from_secs(2);

/// Each step leads from the schema before it to the next. They are only ever added to: an older program must
/// recognise a newer file by its number.
///
/// `version` is the change's `seq`. `AUTOINCREMENT` never gives a number twice, not even after the table was
/// trimmed, which is what makes a version unique for ever.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE entry (
        key     TEXT    NOT NULL PRIMARY KEY,
        value   BLOB    NOT NULL,
        version INTEGER NOT NULL,
        expiry  INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX entry_expiry ON entry (expiry) WHERE expiry IS NOT NULL;
    CREATE TABLE change (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT    NOT NULL
    ) STRICT;
"];

pub(super) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    make_private(path).map_err(|source| OpenError::File { path: shown(path), source })?;
    let mut connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let database = |source| OpenError::Database { path: shown(path), source };
    set_writer_pragmas(&connection).map_err(database)?;
    match migrate(&mut connection).map_err(database)? {
        Schema::Ours => Ok(connection),
        Schema::Newer { found, known } => {
            Err(OpenError::TooNew { path: shown(path), found, known })
        }
    }
}

/// Readers open read-write too: the first reader after a crash may have to recover the log. `query_only`
/// keeps them from writing.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection
        .pragma_update(None, "query_only", true)
        .map_err(|source| OpenError::Database { path: shown(path), source })?;
    Ok(connection)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Only this user may read hashes of credentials. SQLite gives its `-wal` and `-shm` files the same mode.
fn make_private(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(())
}

fn open(path: &Path, access: OpenFlags) -> Result<Connection, OpenError> {
    // Each connection belongs to one thread, so SQLite need not lock it.
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let database = |source| OpenError::Database { path: shown(path), source };
    let connection = Connection::open_with_flags(path, flags).map_err(database)?;
    connection.busy_timeout(BUSY_MAX).map_err(database)?;
    Ok(connection)
}

fn set_writer_pragmas(connection: &Connection) -> rusqlite::Result<()> {
    // Readers of other processes go on while we write.
    let mode = patiently(|| {
        connection
            .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))
    })?;
    if mode != "wal" {
        let message = format!("no write-ahead log on this file system, but `{mode}`");
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
            Some(message),
        ));
    }
    // A revocation that was answered must not come undone when the power fails, so every commit is flushed.
    // Commits are shared by all waiting writes; see the decision for what that costs.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Deleted sessions and logins leave no bytes behind in the file.
    connection.execute_batch("PRAGMA secure_delete = ON")?;
    // After a burst the log shrinks back to 8 MiB.
    connection.execute_batch("PRAGMA journal_size_limit = 8388608")
}

enum Schema {
    Ours,
    Newer { found: i64, known: i64 },
}

fn migrate(connection: &mut Connection) -> rusqlite::Result<Schema> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    // Immediate: of two processes that start at once, one migrates and the other then finds it done.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known {
        return Ok(Schema::Newer { found, known });
    }
    let done = usize::try_from(found).unwrap_or(0);
    for step in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(Schema::Ours)
}

/// Switching to the write-ahead log needs the file for itself for a moment and does not always wait for it:
/// two processes may start on a new file together.
fn patiently<T>(mut attempt: impl FnMut() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    const PAUSE: Duration = Duration::from_millis(10);
    for _ in 0..200 {
        match attempt() {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                std::thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
    attempt()
}
