//! The data: users in groups, groups in groups, and roles that a group gives to its members.

use std::cell::Cell;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, Result};

/// How many users there are; their ids are 1 to this.
pub(crate) const USERS: u32 = 10_000;
const GROUPS: u32 = 2_000;

const ROLE_COUNT: u32 = 10;
pub(crate) const ROLES: [&str; ROLE_COUNT as usize] = [
    "member", "reader", "author", "editor", "reviewer", "billing", "support", "auditor", "operator", "owner",
];

const SCHEMA: &str = "
    CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE groups (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES groups);
    CREATE TABLE members (user INTEGER NOT NULL, grp INTEGER NOT NULL, PRIMARY KEY (user, grp)) WITHOUT ROWID;
    CREATE TABLE grants (grp INTEGER NOT NULL, role TEXT NOT NULL, PRIMARY KEY (grp, role)) WITHOUT ROWID;
    CREATE TABLE direct (user INTEGER NOT NULL, role TEXT NOT NULL, PRIMARY KEY (user, role)) WITHOUT ROWID;
";

/// A user has a role directly, or from a group, or from a group that this group is in, and so on.
const HAS_ROLE: &str = "
    WITH RECURSIVE all_groups (id) AS (
        SELECT grp FROM members WHERE user = ?1
        UNION
        SELECT parent FROM groups JOIN all_groups USING (id) WHERE parent IS NOT NULL)
    SELECT EXISTS (SELECT 1 FROM direct WHERE user = ?1 AND role = ?2)
        OR EXISTS (SELECT 1 FROM grants JOIN all_groups ON grp = id WHERE role = ?2)";

/// The database, which counts how often it is asked.
pub(crate) struct Store {
    db: Connection,
    queries: Cell<u64>,
}

impl Store {
    /// Opens the database, and makes it first if it isn't there.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        if !path.exists() {
            make(path)?;
        }
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        Ok(Self { db, queries: Cell::new(0) })
    }

    pub(crate) fn has_role(&self, user: u32, role: &str) -> Result<bool> {
        self.queries.set(self.queries.get() + 1);
        self.db.prepare_cached(HAS_ROLE)?.query_row((user, role), |row| row.get(0))
    }

    pub(crate) fn grant(&self, user: u32, role: &str) -> Result<()> {
        self.db.execute("INSERT OR IGNORE INTO direct VALUES (?1, ?2)", (user, role)).map(drop)
    }

    pub(crate) fn revoke(&self, user: u32, role: &str) -> Result<()> {
        self.db.execute("DELETE FROM direct WHERE user = ?1 AND role = ?2", (user, role)).map(drop)
    }

    /// How many queries were made since the last time this was asked.
    pub(crate) fn take_queries(&self) -> u64 {
        self.queries.take()
    }
}

/// Makes the same database on every machine. It gets its name when it is complete.
fn make(path: &Path) -> Result<()> {
    let unfinished = path.with_extension("unfinished");
    let _ = std::fs::remove_file(&unfinished);
    let mut db = Connection::open(&unfinished)?;
    db.execute_batch(SCHEMA)?;
    let transaction = db.transaction()?;
    {
        let mut random = Random(1);
        let mut group = transaction.prepare("INSERT INTO groups VALUES (?1, ?2)")?;
        let mut grant = transaction.prepare("INSERT OR IGNORE INTO grants VALUES (?1, ?2)")?;
        for id in 1..=GROUPS {
            // A deep tree: each group but the first is in an earlier one, not far up. A question visits some 800 groups.
            let parent = (id > 1).then(|| id - 1 - random.below((id / 128).max(1)));
            group.execute((id, parent))?;
            // One in forty gives a role. Those near the root reach many users and give the common ones; the deeper, the rarer.
            if random.below(40) == 0 {
                let rarest = id.ilog2().clamp(1, ROLE_COUNT);
                grant.execute((id, ROLES[random.below(rarest) as usize]))?;
            }
        }
        let mut user = transaction.prepare("INSERT INTO users VALUES (?1, ?2)")?;
        let mut member = transaction.prepare("INSERT OR IGNORE INTO members VALUES (?1, ?2)")?;
        for id in 1..=USERS {
            user.execute((id, format!("user{id:05}")))?;
            for _ in 0..=random.below(3) {
                member.execute((id, 1 + random.below(GROUPS)))?;
            }
        }
    }
    transaction.commit()?;
    db.close().map_err(|(_, error)| error)?;
    std::fs::rename(&unfinished, path).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Traffic as in production: few users ask most questions (Zipf's law, the user at rank `r` `1/r^1.25` times as many as
/// the first one), and common roles are asked for more often than rare ones.
pub(crate) fn traffic(calls: usize) -> Vec<(u32, &'static str)> {
    let mut random = Random(2);
    let mut sum = 0;
    // Weights in whole numbers, so that every machine has the same calls.
    let mut up_to = |rank: u32| {
        sum += (1 << 24) / (rank * rank.isqrt().isqrt());
        sum
    };
    let ends: Vec<u32> = (1..=USERS).map(&mut up_to).collect();
    let mut call = || {
        let at = random.below(sum);
        let user = (1..=USERS).nth(ends.partition_point(|&end| end <= at)).unwrap_or(USERS);
        let rarest = 1 + random.below(ROLE_COUNT);
        (user, ROLES[random.below(rarest) as usize])
    };
    (0..calls).map(|_| call()).collect()
}

/// `SplitMix64` by Steele, Lea and Flood: enough for data that must be the same everywhere.
struct Random(u64);

impl Random {
    /// A number from 0 to `n`, without `n`.
    fn below(&mut self, n: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z >> 32) % u64::from(n)) as u32
    }
}
