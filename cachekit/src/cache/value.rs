//! The values of the cache object: which part of a computed value is stored, and how an entry in process holds it.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use cachekit_backends::simple::{Entry, Weight};
use cachekit_backends::{KeyBytes, NO_WORDS};

use super::integer::{Integer, from_integer, to_integer};
use super::stored::{Stored, borrowed_text};
use crate::call::policy::{Policy, portable_policy};
use crate::call::shape::{OkOnly, Shape, Storable, Whole};
use crate::call::weight::measured;
use crate::engine::flight::Shared;

/// The policy of the cache object's values: every value is stored, integers of each width as one type.
pub(crate) fn policy<'p, T: Storable>() -> &'p Policy<T> {
    &Object::<Whole<T>>::POLICY
}

/// The policy of the values of a fallible computation: `Ok` is stored as the value in it.
pub(super) fn ok_policy<'p, T: Storable, E: 'p>() -> &'p Policy<Result<T, E>> {
    &Object::<OkOnly<T, E>>::POLICY
}

/// Holds the constant.
struct Object<S>(PhantomData<S>);

impl<S: Shape> Object<S>
where
    S::Stored: Storable,
{
    const POLICY: Policy<S::Output> = Policy {
        keep: |key, _, output| Some(kept(key, S::stored(output)?)),
        words: || NO_WORDS,
        share: |output| {
            let stored = S::stored(output)?;
            Some(match to_integer(&stored) {
                Some(integer) => Arc::new(integer) as Shared,
                None => Arc::new(stored) as Shared,
            })
        },
        take: |value, slot| {
            *slot = taken(value).map(S::output);
            slot.is_some()
        },
        // Neither are its in-process values encoded, nor are they watched.
        clone_may_share: || false,
        ..portable_policy::<S>()
    };
}

/// A value in an entry in process. An entry with another expiry shares it.
#[derive(Clone)]
pub(super) struct Held {
    value: Arc<dyn Any + Send + Sync>,
    weight: Weight,
}

impl Held {
    fn new<T: Stored>(value: T) -> Self {
        Self { weight: measured(&value), value: Arc::new(value) }
    }

    fn entry(self, key: KeyBytes) -> Arc<Entry> {
        let Weight { bytes, exact } = self.weight;
        Entry::new(key, Weight { bytes: bytes.saturating_add(size_of::<Self>() as u64), exact }, self)
    }
}

/// Returns an entry of a value.
pub(super) fn kept<T: Stored>(key: KeyBytes, value: T) -> Arc<Entry> {
    if let Some(text) = borrowed_text(&value) {
        return Held::new(text).entry(key);
    }
    match to_integer(&value) {
        Some(integer) => integer.entry(key),
        None => Held::new(value).entry(key),
    }
}

impl Integer {
    /// Returns an entry of an integer.
    pub(super) fn entry(self, key: KeyBytes) -> Arc<Entry> {
        Entry::new(key, Weight { bytes: size_of::<Self>() as u64, exact: true }, self)
    }
}

/// Returns a copy of the value in an entry or a flight; none if it has another type.
pub(super) fn taken<T: Storable>(value: &(dyn Any + Send + Sync)) -> Option<T> {
    if let Some(integer) = value.downcast_ref::<Integer>() {
        return from_integer(*integer);
    }
    let value = value.downcast_ref::<Held>().map_or(value, |held| &*held.value);
    value.downcast_ref::<T>().cloned()
}

/// The value of a live entry, whatever its type is.
#[derive(Clone)]
pub(super) enum Live {
    Integer(Integer),
    Held(Held),
}

impl Live {
    /// Takes the value of an entry. Runs no code of the user's.
    pub(super) fn of(entry: &Entry) -> Option<Self> {
        match entry.value::<Integer>() {
            Some(integer) => Some(Self::Integer(*integer)),
            None => entry.value::<Held>().map(|held| Self::Held(held.clone())),
        }
    }

    /// Returns another entry of the value.
    pub(super) fn entry(self, key: KeyBytes) -> Arc<Entry> {
        match self {
            Self::Integer(integer) => integer.entry(key),
            Self::Held(held) => held.entry(key),
        }
    }

    /// Returns a copy of the value; none if it has another type.
    pub(super) fn taken<T: Storable>(&self) -> Option<T> {
        match self {
            Self::Integer(integer) => from_integer(*integer),
            Self::Held(held) => held.value.downcast_ref::<T>().cloned(),
        }
    }

    /// Whether both are of one store of a value. Equal integers count as one.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Integer(one), Self::Integer(other)) => one.0 == other.0,
            (Self::Held(one), Self::Held(other)) => Arc::ptr_eq(&one.value, &other.value),
            _ => false,
        }
    }
}
