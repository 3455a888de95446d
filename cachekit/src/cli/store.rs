//! Reading the store: keys in parts, values in batches, and what a call would make of an entry.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use cachekit_backends::{
    Cursor, Error, ErrorKind, Header, Reject, Version, combine, dependencies, dependency, unseal, version_key,
};

use super::keys::{Kind, full, short};
use super::outcome::{Failure, Outcome};
use crate::cache::Cache;
use crate::engine::Engine;
use crate::engine::remote::{BlockingIo, Delete, DeleteMany, GetMany, Io as _, Keys, Remote, Set, ready};

/// How many values are read at a time.
const BATCH: usize = 100;

/// The store of an open cache.
pub(super) struct Store {
    pub(super) engine: Arc<Engine>,
    pub(super) remote: Arc<Remote>,
}

/// A key without the prefix, and what it is of.
pub(super) struct Found {
    pub(super) key: String,
    pub(super) kind: Kind,
}

impl Store {
    pub(super) fn of(cache: &Cache) -> Outcome<Self> {
        let engine = Arc::clone(cache.engine());
        match engine.remote.clone() {
            Some(remote) => Ok(Self { engine, remote }),
            None => Err(Failure::wrong("this cache is in the memory of its program")),
        }
    }

    /// Whether the backend can list its keys.
    pub(super) fn lists(&self) -> bool {
        self.remote.capabilities().list_keys
    }

    /// The keys that begin with a text.
    pub(super) fn keys(&self, begin: &str) -> Listing<'_> {
        Listing { store: self, begin: begin.to_owned(), read: VecDeque::new(), rest: Rest::Begin }
    }

    /// The values under keys without the prefix.
    pub(super) fn values(&self, keys: &[String]) -> Outcome<Vec<Option<Vec<u8>>>> {
        let keys: Vec<String> = keys.iter().map(|key| full(&self.engine, key)).collect();
        Ok(ready(BlockingIo.call(&self.remote, GetMany { keys }))?)
    }

    /// The value under one key.
    pub(super) fn value(&self, key: &str) -> Outcome<Option<Vec<u8>>> {
        Ok(self.values(&[key.to_owned()])?.pop().flatten())
    }

    /// Calls `each` with the keys that begin with a text and their values, one batch after another.
    pub(super) fn each_value(
        &self,
        begin: &str,
        wanted: impl Fn(&Found) -> bool,
        mut each: impl FnMut(Found, Option<Vec<u8>>) -> Outcome,
    ) -> Outcome {
        let mut batch: Vec<Found> = Vec::new();
        let mut keys = self.keys(begin);
        loop {
            let next = keys.next().transpose()?;
            let over = next.is_none();
            batch.extend(next.filter(&wanted));
            if batch.len() >= BATCH || over {
                let names: Vec<String> = batch.iter().map(|found| found.key.clone()).collect();
                let values = if names.is_empty() { Vec::new() } else { self.values(&names)? };
                for (found, value) in batch.drain(..).zip(values) {
                    each(found, value)?;
                }
            }
            if over {
                return Ok(());
            }
        }
    }

    pub(super) fn delete(&self, key: &str) -> Outcome<bool> {
        let key = full(&self.engine, key);
        Ok(ready(BlockingIo.call(&self.remote, Delete { key }))?)
    }

    pub(super) fn delete_many(&self, keys: &[String]) -> Outcome<u64> {
        let keys = keys.iter().map(|key| full(&self.engine, key)).collect();
        Ok(ready(BlockingIo.call(&self.remote, DeleteMany { keys }))?)
    }

    pub(super) fn set(&self, key: &str, value: Vec<u8>, life: Option<std::time::Duration>) -> Outcome {
        let key = full(&self.engine, key);
        Ok(ready(BlockingIo.call(&self.remote, Set { key, value, life }))?)
    }

    /// The versions in the store, to judge entries by.
    pub(super) fn versions(&self) -> Outcome<Versions> {
        let mut versions = Versions::default();
        self.each_value(
            "",
            |found| !found.kind.is_value() && found.kind != Kind::Other,
            |found, value| {
                versions.add(&full(&self.engine, &found.key), found.kind, value.as_deref());
                Ok(())
            },
        )?;
        Ok(versions)
    }
}

/// Refuses a command on a backend that can't list.
pub(super) fn must_list(store: &Store) -> Outcome {
    if store.lists() {
        return Ok(());
    }
    let backend = store.remote.name();
    Err(Failure::wrong(format!(
        "`{backend}` can't list its keys, so that only `ping`, `stats`, `show`, `bench`, `clear` and the deletions work on it"
    )))
}

/// The part of a listing that is still to be read.
enum Rest {
    Begin,
    At(Cursor),
    End,
}

/// Keys under way, read in parts.
pub(super) struct Listing<'s> {
    store: &'s Store,
    begin: String,
    read: VecDeque<String>,
    rest: Rest,
}

impl Iterator for Listing<'_> {
    type Item = Outcome<Found>;

    fn next(&mut self) -> Option<Outcome<Found>> {
        let Store { engine, remote } = self.store;
        while self.read.is_empty() {
            let at = match std::mem::replace(&mut self.rest, Rest::End) {
                Rest::Begin => None,
                Rest::At(cursor) => Some(cursor),
                Rest::End => return None,
            };
            let prefix = format!("{}{}", engine.prefix, self.begin);
            match ready(BlockingIo.call(remote, Keys { prefix, at })) {
                Ok(page) => {
                    self.read.extend(page.keys);
                    self.rest = page.next.map_or(Rest::End, Rest::At);
                }
                Err(error) => return Some(Err(listing_failed(error))),
            }
        }
        let key = self.read.pop_front()?;
        let key = short(engine, &key).to_owned();
        Some(Ok(Found { kind: Kind::of(&key), key }))
    }
}

fn listing_failed(error: Error) -> Failure {
    match error.kind() {
        ErrorKind::Unsupported => Failure::wrong(error.to_string()),
        _ => error.into(),
    }
}

/// The versions that entries may depend on.
#[derive(Default)]
pub(super) struct Versions {
    /// All of them, by the numbers that entries name them by.
    all: HashMap<u64, Version>,
    functions: HashMap<String, Version>,
    instances: HashMap<String, Vec<Version>>,
    views: Vec<Version>,
    tags: Vec<Version>,
}

/// The state of an entry, as a call would find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// It would be a hit, of a program that knows the type of the value.
    Sound,
    /// Its time is over.
    Expired,
    /// Deleted: a version that it depends on is gone, or another one.
    Orphaned,
    /// The bytes are damaged, or of another format.
    Corrupt,
    /// It was stored while the versions were read.
    Unproven,
}

impl State {
    pub(super) const ALL: [Self; 5] =
        [Self::Sound, Self::Expired, Self::Orphaned, Self::Corrupt, Self::Unproven];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Expired => "expired",
            Self::Orphaned => "orphaned",
            Self::Corrupt => "corrupt",
            Self::Unproven => "unproven",
        }
    }

    /// Whether no call can use such an entry.
    pub(super) fn is_dead(self) -> bool {
        matches!(self, Self::Expired | Self::Orphaned | Self::Corrupt)
    }
}

impl Versions {
    fn add(&mut self, key: &str, kind: Kind, bytes: Option<&[u8]>) {
        let Some(version) = bytes.and_then(Version::from_bytes) else { return };
        self.all.insert(dependency(key), version);
        match kind {
            Kind::Function(name) => _ = self.functions.insert(name, version),
            Kind::Instance { function, .. } => self.instances.entry(function).or_default().push(version),
            Kind::Tag => self.tags.push(version),
            Kind::View => self.views.push(version),
            _ => {}
        }
    }

    /// How many there are, by kind.
    pub(super) fn counts(&self) -> BTreeMap<&'static str, usize> {
        BTreeMap::from([
            ("functions", self.functions.len()),
            ("instances", self.instances.values().map(Vec::len).sum()),
            ("tags", self.tags.len()),
            ("views", self.views.len()),
        ])
    }

    /// The state of an entry.
    pub(super) fn judge(&self, engine: &Engine, key: &str, kind: &Kind, bytes: &[u8]) -> State {
        let whole = full(engine, key);
        match unseal(&whole, bytes) {
            Err(Reject::NotAnEntry | Reject::OtherFormat | Reject::Corrupt) => State::Corrupt,
            Err(_) => State::Unproven,
            // A stale one may still be served.
            Ok((header, _)) if header.expiry.is_some_and(|expiry| expiry <= engine.clock.now()) => {
                State::Expired
            }
            Ok((header, _)) => match &*dependencies(&whole, bytes) {
                [] => self.of_generation(kind, &header),
                named => self.of_named(named, &header),
            },
        }
    }

    /// The state of an entry that names the versions that it depends on.
    fn of_named(&self, named: &[u64], header: &Header) -> State {
        let versions: Option<Vec<Version>> =
            named.iter().map(|number| self.all.get(number).copied()).collect();
        match versions {
            Some(versions) if combine(&versions) == header.generation => State::Sound,
            _ => State::Orphaned,
        }
    }

    /// The state of an entry that doesn't: it depends on its function's version and at most one other.
    fn of_generation(&self, kind: &Kind, header: &Header) -> State {
        let Kind::Entry { function, .. } = kind else { return State::Sound };
        // Every entry of a function depends on the function's version, which lives as long as the entry.
        let Some(&of_function) = self.functions.get(function) else { return State::Orphaned };
        let instances = self.instances.get(function).into_iter().flatten();
        let mut others = instances.chain(&self.views).chain(&self.tags);
        let is = |versions: &[Version]| combine(versions) == header.generation;
        if is(&[of_function]) || others.any(|other| is(&[of_function, *other])) {
            State::Sound
        } else {
            State::Orphaned
        }
    }
}

/// The key of a function's version, without the prefix.
pub(super) fn version_of(engine: &Engine, function: &str, instance: Option<&str>) -> String {
    let whole = crate::call::version_key_of(engine, function);
    let key = short(engine, &whole);
    match instance {
        None => key.to_owned(),
        Some(_) => version_key(key.strip_suffix("#version").unwrap_or(key), instance),
    }
}
