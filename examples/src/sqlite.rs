//! A table of `SQLite` as a backend: five methods are all it needs, three more make it stronger.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cachekit::{Backend, Capabilities, Clock, Config, Error, ErrorKind, Result, Token, Ttl};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, ffi};

/// `stamp` and `removal` change with every write, so that [`Backend::put_if`] can tell whether there was one.
const SCHEMA: &str = "
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS cache
        (key TEXT PRIMARY KEY, value BLOB NOT NULL, expiry INTEGER, stamp INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS cache_expiry ON cache (expiry) WHERE expiry IS NOT NULL;
    CREATE TABLE IF NOT EXISTS removal (id INTEGER PRIMARY KEY CHECK (id = 1), stamp INTEGER NOT NULL);
    INSERT OR IGNORE INTO removal VALUES (1, random());
";

/// A cache in a file of `SQLite`, which processes may share.
pub struct Sqlite {
    connection: Mutex<Connection>,
    clock: Clock,
}

impl Sqlite {
    /// Opens a file, and makes it if it isn't there.
    ///
    /// # Errors
    /// `SQLite`'s, if the file can't be opened or is no database.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with_clock(path, Clock::system())
    }

    /// The same with a clock that a test moves.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_clock(path: impl AsRef<Path>, clock: Clock) -> Result<Self> {
        let open = || {
            let connection = Connection::open(path)?;
            // Before anything that may find the file locked by another process.
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.execute_batch(SCHEMA)?;
            Ok(Self { connection: Mutex::new(connection), clock })
        };
        open().map_err(error)
    }

    /// Opens the file that a configuration names in its option `path`; the factory for `register_backend`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if there is no such option, or another one; else `SQLite`'s.
    pub fn from_config(config: &Config) -> Result<Self> {
        let refuse =
            |what: String| Err(Error::new(ErrorKind::Config, format!("the cache type `sqlite` {what}")));
        if let Some(name) = config.options.keys().find(|name| *name != "path") {
            return refuse(format!("has no option `{name}`, only `path`"));
        }
        if !config.args.is_empty() {
            return refuse("takes no `args`; give the file as the option `path`".into());
        }
        match config.options.get("path").and_then(|value| value.as_str()) {
            Some(path) => Self::open(path),
            None => refuse("needs the option `path`, the file to keep entries in".into()),
        }
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A thread that panicked left no transaction open: its drop has rolled it back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        self.clock.now().try_into().unwrap_or(i64::MAX)
    }

    /// One transaction. It takes the write lock at once, because one that reads first may find that it can't have it.
    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let mut connection = self.connection();
        let run = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit().map(|()| result)
        };
        run().map_err(error)
    }
}

// The five methods that a backend needs.
impl Backend for Sqlite {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let sql = "SELECT value FROM cache WHERE key = ?1 AND (expiry IS NULL OR expiry > ?2)";
        let connection = self.connection();
        let mut query = connection.prepare_cached(sql).map_err(error)?;
        query.query_row((key, self.now()), |row| row.get(0)).optional().map_err(error)
    }

    fn set(&self, key: &str, value: &[u8], life: Ttl) -> Result<()> {
        self.write(|db| put(db, key, value, life, self.now()))
    }

    fn delete(&self, key: &str) -> Result<bool> {
        self.write(|db| {
            // Also without an entry: a caller that saw the miss must not store after this.
            note_removal(db)?;
            let sql = "DELETE FROM cache WHERE key = ?1 RETURNING expiry IS NULL OR expiry > ?2";
            let live = db.prepare_cached(sql)?.query_row((key, self.now()), |row| row.get(0)).optional()?;
            Ok(live.unwrap_or(false))
        })
    }

    fn clear(&self, prefix: &str) -> Result<()> {
        self.write(|db| {
            note_removal(db)?;
            // The first condition finds the place in the index, the second one is literal, as `LIKE` would not be.
            let sql = "DELETE FROM cache WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1";
            db.execute(sql, [prefix]).map(drop)
        })
    }

    // The methods below may be left out, and `capabilities` with them. They make `add` atomic among processes, and let a
    // deletion beat a computation that is under way in another process.

    fn capabilities(&self) -> Capabilities {
        Capabilities::none().shared(true).clear_by_prefix(true).atomic_add(true).conditional(true)
    }

    fn add(&self, key: &str, value: &[u8], life: Ttl) -> Result<bool> {
        self.write(|db| {
            let now = self.now();
            let sql = "SELECT 1 FROM cache WHERE key = ?1 AND (expiry IS NULL OR expiry > ?2)";
            let absent = !db.prepare_cached(sql)?.exists((key, now))?;
            if absent {
                put(db, key, value, life, now)?;
            }
            Ok(absent)
        })
    }

    fn token(&self, key: &str) -> Result<Token> {
        stamp(&self.connection(), key).map_err(error)
    }

    fn put_if(&self, key: &str, value: &[u8], life: Ttl, token: Token) -> Result<bool> {
        self.write(|db| {
            let unchanged = stamp(db, key)? == token;
            if unchanged {
                put(db, key, value, life, self.now())?;
            }
            Ok(unchanged)
        })
    }

    fn set_operation_timeout(&self, limit: Duration) {
        // The longest wait for another process's lock. An error leaves the former limit, which is good enough.
        let _ = self.connection().busy_timeout(limit);
    }
}

/// Stores a row under a new stamp, and removes the rows whose time is over.
fn put(db: &Connection, key: &str, value: &[u8], life: Ttl, now: i64) -> rusqlite::Result<()> {
    if db.prepare_cached("DELETE FROM cache WHERE expiry <= ?1")?.execute([now])? > 0 {
        note_removal(db)?;
    }
    // Rounded up, and never to nothing.
    let millis =
        |life: Duration| i64::try_from(life.as_nanos().div_ceil(1_000_000).max(1)).unwrap_or(i64::MAX);
    let expiry = life.map(|life| now.saturating_add(millis(life)));
    let sql = "INSERT OR REPLACE INTO cache VALUES (?1, ?2, ?3, random())";
    db.prepare_cached(sql)?.execute((key, value, expiry)).map(drop)
}

/// The state of a key: the stamp of its row, or that of the last removal of any key. So a removal may keep a neighbour's
/// value from being stored, which only costs a computation.
fn stamp(db: &Connection, key: &str) -> rusqlite::Result<Token> {
    let sql = "SELECT coalesce((SELECT stamp FROM cache WHERE key = ?1), (SELECT stamp FROM removal))";
    let stamp: i64 = db.prepare_cached(sql)?.query_row([key], |row| row.get(0))?;
    Ok(Token(stamp.cast_unsigned().into()))
}

fn note_removal(db: &Connection) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE removal SET stamp = random()")?.execute([]).map(drop)
}

/// An error of `SQLite` in cachekit's classes, by which it decides whether to try again.
fn error(error: rusqlite::Error) -> Error {
    let kind = match error.sqlite_error_code() {
        Some(ffi::ErrorCode::DatabaseBusy | ffi::ErrorCode::DatabaseLocked) => ErrorKind::Timeout,
        Some(ffi::ErrorCode::DiskFull | ffi::ErrorCode::TooBig) => ErrorKind::Full,
        Some(ffi::ErrorCode::CannotOpen) => ErrorKind::Unavailable,
        Some(ffi::ErrorCode::SystemIoFailure | ffi::ErrorCode::ReadOnly) => ErrorKind::Io,
        _ => ErrorKind::Other,
    };
    Error::new(kind, format!("SQLite: {error}")).with_source(error)
}
