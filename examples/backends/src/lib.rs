//! Two backends that are not part of cachekit, as examples for authors of others: [`Opendal`] over any object store that
//! `OpenDAL` knows, which has the least that a backend needs, and [`Postgres`] over a table, which claims most of what one can.
//!
//! Both pass the conformance suite: `tests/opendal.rs`, `tests/postgres.rs`.

mod objects;
mod postgres;

pub use crate::objects::Opendal;
pub use crate::postgres::Postgres;

use std::time::Duration;

/// When a value that is stored now expires, in milliseconds; none for ever. Rounded up, and never to now.
fn expiry(now: u64, life: cachekit::Ttl) -> Option<u64> {
    let millis =
        |life: Duration| u64::try_from(life.as_nanos().div_ceil(1_000_000).max(1)).unwrap_or(u64::MAX);
    life.map(|life| now.saturating_add(millis(life)))
}
