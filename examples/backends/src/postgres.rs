//! A table of `PostgreSQL` as a backend.
//!
//! The tables are unlogged: a write costs no log, and a crash of the server empties them, which is what a cache needs. They are
//! emptied together, so that no entry outlives the versions that it depends on.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cachekit::{Backend, Capabilities, Clock, Cursor, Error, ErrorKind, KeyPage, Result, Token, Ttl};
use postgres::error::SqlState;
use postgres::{Client, Config, NoTls, Transaction};

use crate::expiry;

/// Every change of a key gives the key's slot a new stamp, and a present key has the stamp of its last write: the state of a key is its
/// own stamp, or its slot's where it is absent. A slot is many keys', so a neighbour's change may void the token of an absent key,
/// which costs a computation.
const SCHEMA: &str = "
    CREATE SEQUENCE IF NOT EXISTS cachekit_stamps;
    CREATE UNLOGGED TABLE IF NOT EXISTS cachekit_entries
        (key text COLLATE \"C\" PRIMARY KEY, value bytea NOT NULL, expiry bigint, stamp bigint NOT NULL);
    CREATE INDEX IF NOT EXISTS cachekit_expiry ON cachekit_entries (expiry) WHERE expiry IS NOT NULL;
    CREATE UNLOGGED TABLE IF NOT EXISTS cachekit_slots (slot integer PRIMARY KEY, stamp bigint NOT NULL);
    INSERT INTO cachekit_slots SELECT slot, nextval('cachekit_stamps') FROM generate_series(0, 255) slot
        ON CONFLICT DO NOTHING;
";
/// Two clients that make the tables at once would be in each other's way.
const SCHEMA_LOCK: &str = "SELECT pg_advisory_xact_lock(6846174)";
/// Takes the right to change the keys of a slot until the end of the transaction.
const LOCK: &str = "SELECT stamp FROM cachekit_slots WHERE slot = hashtext($1) & 255 FOR UPDATE";
const CHANGED: &str =
    "UPDATE cachekit_slots SET stamp = nextval('cachekit_stamps') WHERE slot = hashtext($1) & 255";
const STATE: &str = "SELECT coalesce(
    (SELECT stamp FROM cachekit_entries WHERE key = $1), (SELECT stamp FROM cachekit_slots WHERE slot = hashtext($1) & 255))";
const GET: &str =
    "SELECT key, value FROM cachekit_entries WHERE key = ANY($1) AND (expiry IS NULL OR expiry > $2)";
const PUT: &str = "INSERT INTO cachekit_entries VALUES ($1, $2, $3, nextval('cachekit_stamps'))
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, expiry = excluded.expiry, stamp = excluded.stamp";
const DELETE: &str = "DELETE FROM cachekit_entries WHERE key = $1 RETURNING expiry IS NULL OR expiry > $2";
/// A write removes a few rows whose time is over, more than it adds. Rows that another client is at are left to it.
const RECLAIM: &str = "DELETE FROM cachekit_entries WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM cachekit_entries WHERE expiry <= $1 LIMIT 4 FOR UPDATE SKIP LOCKED))";
const KEYS: &str = "SELECT key FROM cachekit_entries
    WHERE key > $1 AND starts_with(key, $2) AND (expiry IS NULL OR expiry > $3) ORDER BY key LIMIT 1000";

/// Entries in a table of a `PostgreSQL` database, which any number of processes may share.
///
/// Expiry follows the clock of the client that stored the entry, as an entry's own date does.
pub struct Postgres {
    config: Mutex<Config>,
    idle: Mutex<Vec<Client>>,
    clock: Clock,
}

impl Postgres {
    /// Connects by a URL or a text of `key=value` pairs, and makes the tables if they aren't there.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for an address that can't be read; else the server's.
    pub fn connect(address: &str) -> Result<Self> {
        Self::connect_with_clock(address, Clock::system())
    }

    /// The same with a clock that a test moves.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_with_clock(address: &str, clock: Clock) -> Result<Self> {
        // Its text may have the password.
        let config =
            address.parse().map_err(|_| Error::new(ErrorKind::Config, "not an address of PostgreSQL"))?;
        let backend = Self { config: Mutex::new(config), idle: Mutex::default(), clock };
        backend.write(|db| {
            db.execute(SCHEMA_LOCK, &[])?;
            db.batch_execute(SCHEMA)
        })?;
        Ok(backend)
    }

    fn now(&self) -> i64 {
        self.clock.now().try_into().unwrap_or(i64::MAX)
    }

    /// Runs with a connection, an idle one or a new one.
    fn with<T>(&self, run: impl FnOnce(&mut Client) -> std::result::Result<T, postgres::Error>) -> Result<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut client = if let Some(client) = idle.filter(|client| !client.is_closed()) {
            client
        } else {
            let config = self.config.lock().unwrap_or_else(PoisonError::into_inner).clone();
            config.connect(NoTls).map_err(error)?
        };
        let result = run(&mut client).map_err(error)?;
        // After an error it is closed: the next call makes another.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
        Ok(result)
    }

    /// One transaction.
    fn write<T>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> std::result::Result<T, postgres::Error>,
    ) -> Result<T> {
        self.with(|client| {
            let mut transaction = client.transaction()?;
            let result = work(&mut transaction)?;
            transaction.commit().map(|()| result)
        })
    }

    /// Stores a value if the state of the key, which no other client can change meanwhile, is as `allows` says.
    fn put(
        &self,
        (key, value, life): (&str, &[u8], Ttl),
        allows: impl FnOnce(&mut Transaction<'_>) -> std::result::Result<bool, postgres::Error>,
    ) -> Result<bool> {
        let now = self.now();
        let end = expiry(self.clock.now(), life).map(|end| i64::try_from(end).unwrap_or(i64::MAX));
        self.write(|db| {
            db.execute(LOCK, &[&key])?;
            let allowed = allows(db)?;
            if allowed {
                db.execute(PUT, &[&key, &value, &end])?;
                db.execute(CHANGED, &[&key])?;
                db.execute(RECLAIM, &[&now])?;
            }
            Ok(allowed)
        })
    }
}

impl Backend for Postgres {
    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
            .shared(true)
            .clear_by_prefix(true)
            .list_keys(true)
            .atomic_add(true)
            .conditional(true)
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.get_many(&[key])?.pop().flatten())
    }

    /// One round trip: a hit reads the entry and its versions by this.
    fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>> {
        let rows = self.with(|client| client.query(GET, &[&keys, &self.now()]))?;
        let value = |key: &&str| rows.iter().find(|row| row.get::<_, &str>(0) == *key).map(|row| row.get(1));
        Ok(keys.iter().map(value).collect())
    }

    fn set(&self, key: &str, value: &[u8], life: Ttl) -> Result<()> {
        self.put((key, value, life), |_| Ok(true)).map(drop)
    }

    fn delete(&self, key: &str) -> Result<bool> {
        self.write(|db| {
            // Also without an entry: a caller that saw the miss must not store after this.
            db.execute(CHANGED, &[&key])?;
            let live = db.query_opt(DELETE, &[&key, &self.now()])?;
            Ok(live.is_some_and(|row| row.get(0)))
        })
    }

    fn clear(&self, prefix: &str) -> Result<()> {
        self.write(|db| {
            // In one order, so that two of these don't wait for each other.
            db.execute("SELECT slot FROM cachekit_slots ORDER BY slot FOR UPDATE", &[])?;
            db.execute("UPDATE cachekit_slots SET stamp = nextval('cachekit_stamps')", &[])?;
            db.execute("DELETE FROM cachekit_entries WHERE starts_with(key, $1)", &[&prefix]).map(drop)
        })
    }

    fn add(&self, key: &str, value: &[u8], life: Ttl) -> Result<bool> {
        let now = self.now();
        self.put((key, value, life), |db| Ok(db.query_opt(GET, &[&[key].as_slice(), &now])?.is_none()))
    }

    fn token(&self, key: &str) -> Result<Token> {
        let row = self.with(|client| client.query_one(STATE, &[&key]))?;
        Ok(Token(row.get::<_, i64>(0).cast_unsigned().into()))
    }

    fn put_if(&self, key: &str, value: &[u8], life: Ttl, token: Token) -> Result<bool> {
        self.put((key, value, life), |db| {
            let row = db.query_one(STATE, &[&key])?;
            Ok(Token(row.get::<_, i64>(0).cast_unsigned().into()) == token)
        })
    }

    fn keys(&self, prefix: &str, at: Option<&Cursor>) -> Result<KeyPage> {
        let after = at.map_or(Ok(""), |Cursor(at)| std::str::from_utf8(at));
        let after = after.map_err(|_| Error::new(ErrorKind::Other, "a cursor of another store"))?;
        let rows = self.with(|client| client.query(KEYS, &[&after, &prefix, &self.now()]))?;
        let keys: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let next = keys.last().map(|last| Cursor(last.clone().into_bytes()));
        Ok(KeyPage::new(keys, next))
    }

    fn set_operation_timeout(&self, limit: Duration) {
        // The server ends a statement by itself, so that no thread of cachekit waits for it.
        let millis = limit.as_millis().clamp(1, i32::MAX.cast_unsigned().into());
        let mut config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        config.connect_timeout(limit).options(&format!("-c statement_timeout={millis}"));
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// An error of the server or of the connection in cachekit's classes, by which it decides whether to try again.
fn error(error: postgres::Error) -> Error {
    let kind = match error.code() {
        Some(
            &SqlState::QUERY_CANCELED | &SqlState::LOCK_NOT_AVAILABLE | &SqlState::T_R_DEADLOCK_DETECTED,
        ) => ErrorKind::Timeout,
        Some(&SqlState::DISK_FULL | &SqlState::OUT_OF_MEMORY | &SqlState::TOO_MANY_CONNECTIONS) => {
            ErrorKind::Full
        }
        Some(_) => ErrorKind::Other,
        None => ErrorKind::Unavailable,
    };
    // Its text is short; the source says the rest, and neither has the password.
    let message = match error.as_db_error() {
        Some(found) => format!("PostgreSQL: {}", found.message()),
        None => format!("PostgreSQL: {error}"),
    };
    Error::new(kind, message).with_source(error)
}
