//! `derive(CacheKey)`: bounds, skipped fields, every way of a field.
#![deny(warnings, missing_docs, clippy::pedantic)]

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Mutex;

use cachekit::{CacheKey, memoize};

/// Not part of a key.
struct Connection;

#[derive(CacheKey)]
struct Id<T> {
    id: u64,
    of: PhantomData<T>,
}

#[derive(CacheKey)]
struct Skips<'a, C, T: ?Sized, const N: usize> {
    #[cache_key(skip)]
    _connection: &'a C,
    values: [u8; N],
    name: &'a T,
}

trait Entity {
    type Key;
}

impl Entity for Connection {
    type Key = u8;
}

#[derive(CacheKey)]
enum Query<E: Entity> {
    One(E::Key),
    Many { keys: Vec<<E as Entity>::Key>, more: Option<Box<Query<E>>> },
    All,
}

#[derive(CacheKey)]
#[cache_key(bound = "T: std::hash::Hash + std::fmt::Debug")]
struct ByHash<T> {
    value: T,
}

#[derive(Debug, Hash)]
struct Hashed(u8);

#[derive(CacheKey)]
struct Ways<H, D> {
    #[cache_key(hash)]
    hashed: H,
    #[cache_key(debug)]
    printed: D,
    by_type: Hashed,
    #[cache_key(skip)]
    _pool: Mutex<HashMap<String, f32>>,
}

#[derive(CacheKey)]
#[cache_key(crate = cachekit)]
struct Unit;

#[derive(Hash)]
struct OnlyHash(u8);

#[derive(Debug)]
struct OnlyDebug(#[allow(dead_code)] f32);

#[memoize]
#[allow(clippy::needless_pass_by_value)]
fn all(
    id: Id<Connection>,
    skips: Skips<'_, Connection, str, 2>,
    query: &Query<Connection>,
    hash: &ByHash<Hashed>,
    ways: &Ways<OnlyHash, OnlyDebug>,
    _unit: Unit,
) -> u64 {
    let more = match query {
        Query::One(key) => u64::from(*key),
        Query::Many { keys, more } => keys.len() as u64 + u64::from(more.is_some()),
        Query::All => 0,
    };
    let fields = u64::from(hash.value.0) + u64::from(ways.hashed.0) + u64::from(ways.by_type.0);
    let _ = (id.of, &ways.printed);
    id.id + skips.name.len() as u64 + u64::from(skips.values[0]) + more + fields
}

#[test]
fn runs() {
    let call = |query: &Query<Connection>| {
        all(
            Id { id: 1, of: PhantomData },
            Skips { _connection: &Connection, values: [2, 3], name: "abc" },
            query,
            &ByHash { value: Hashed(4) },
            &Ways {
                hashed: OnlyHash(5),
                printed: OnlyDebug(1.5),
                by_type: Hashed(6),
                _pool: Mutex::default(),
            },
            Unit,
        )
    };
    for _ in 0..2 {
        assert_eq!(call(&Query::One(7)), 28);
        assert_eq!(call(&Query::All), 21);
        assert_eq!(call(&Query::Many { keys: vec![1], more: Some(Box::new(Query::All)) }), 23);
    }
    assert_eq!((cachekit::stats!(all).misses, cachekit::stats!(all).hits), (3, 3));
}
