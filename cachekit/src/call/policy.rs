//! The operations of a call on its value: a table of functions, so that the way of a call is compiled once for each type.

use std::any::{Any, TypeId, type_name};
use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use cachekit_backends::simple::{Entry, ValueWords, Weight};
use cachekit_backends::{
    Content, Error, ErrorKind, Header, KeyBytes, NO_WORDS, Result as CacheResult, Ttl, Unsealed, seal_with,
    unseal_if,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::faithful::Check;
use super::freshness::{Freshness, Times, Windows};
use super::lacking::NoThreads;
use super::likeness::{ByEncoding, ByEq, ByEqOrText, ByText, Comparison};
use super::shape::{Keepable, Shape, Storable, clone_may_run_user_code};
use super::{sharing, weight, words};
use crate::engine::flight::{Output, Shared};

/// The result of reading stored bytes.
pub(crate) enum Opened<T> {
    Value(T),
    /// A value that is to be computed anew.
    Due(T, Freshness),
    /// Expired or deleted.
    Gone,
    /// The bytes are no entry of this key and type.
    Unreadable,
}

/// The envelope of an entry on a backend, as it is written or expected.
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    /// The whole key.
    pub(crate) key: &'a str,
    /// The wall-clock time in milliseconds.
    pub(crate) now: u64,
    /// The time to live of a new entry.
    pub(crate) life: Ttl,
    /// The hash of the versions that it depends on.
    pub(crate) generation: u128,
    /// Whether the value of a new entry is an `Err`.
    pub(crate) is_err: bool,
    /// When a value is served while it is computed anew.
    pub(crate) windows: Windows,
    /// The keys of the versions that a new entry names; none where they are found by trying.
    pub(crate) versions: &'a [String],
}

impl<'a> Envelope<'a> {
    /// The versions that a new entry names: those of an entry that depends on more than a function and one thing beside it.
    pub(crate) fn named(versions: &'a [String]) -> &'a [String] {
        if versions.len() > 2 { versions } else { &[] }
    }
}

/// See [`Policy::encode`]. It names no type of value, so that it can be run on any thread.
pub(crate) type Encode = fn(&(dyn Any + Send + Sync)) -> Option<Vec<u8>>;

/// The operations on values of type `R`.
///
/// They are values, not bounds. Only [`portable`] and [`local`] ask for bounds, so that a type without them makes one error
/// and not one for every step that follows. In a call they are constants, and inlined.
pub struct Policy<R> {
    /// Whether any part of a value is stored.
    pub(crate) stores: fn(&R) -> bool,
    /// Whether a value that isn't stored is an `Err`.
    pub(crate) fails: fn(&R) -> bool,
    /// Returns an in-process entry of the stored part, which counts the bytes that are said, if any are.
    pub(crate) keep: fn(KeyBytes, Option<u64>, &R) -> Option<Arc<Entry>>,
    /// Returns what the stored part counts in process.
    pub(crate) weight: fn(&R) -> Option<Weight>,
    /// How many words a stored part is, or [`NO_WORDS`](cachekit_backends::NO_WORDS).
    pub(crate) words: fn() -> usize,
    /// Returns the stored part as words, where it is such.
    pub(crate) to_words: fn(&R) -> Option<ValueWords>,
    /// Puts the value for such a part into a slot.
    pub(crate) take_words: fn(ValueWords, &mut Option<R>) -> bool,
    /// Returns the stored part for the calls that wait for it.
    pub(crate) share: fn(&R) -> Option<Shared>,
    /// Puts the value for a stored part into a slot; false if the part has another type.
    pub(crate) take: fn(&(dyn Any + Send + Sync), &mut Option<R>) -> bool,
    /// The type of a stored part that is kept as it is.
    pub(crate) stored: fn() -> TypeId,
    /// Returns the value for a stored part of that type.
    pub(crate) value: fn(&(dyn Any + Send + Sync)) -> R,
    /// Returns the bytes of the stored part.
    pub(crate) seal: fn(&Envelope<'_>, &R) -> CacheResult<Option<Vec<u8>>>,
    /// Returns the bytes of a stored part that is kept in the process; none if it can't be encoded.
    pub(crate) encode: Encode,
    /// Fails if the value does not come back equal from its bytes.
    pub(crate) check: fn(&Envelope<'_>, &[u8], &R) -> CacheResult<()>,
    /// Returns the value of stored bytes.
    pub(crate) open: fn(&Envelope<'_>, &[u8]) -> Opened<R>,
    /// See [`Shape::CLONE_MAY_SHARE`].
    pub(crate) clone_may_share: fn() -> bool,
    /// The name of the stored type, for messages.
    pub(crate) type_name: fn() -> &'static str,
    /// Returns the value that a body of a flight has ended with; none in calls whose bodies belong to their leaders.
    pub(crate) unbox: fn(Output) -> Option<R>,
}

impl<R> Clone for Policy<R> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<R> Copy for Policy<R> {}

/// The policy of values that any backend may store, which `__cachekit_compared` chooses by what the stored type has.
#[inline]
pub fn portable<S: Shape>(_: S) -> PortableEqText<S> {
    PortableEqText(PhantomData)
}

/// Declares types that differ in what the stored type must have, each with the next one to try.
macro_rules! portable_choices {
    ($($(#[$doc:meta])* $name:ident => $next:ident: [$($has:tt)*] ($comparison:ident);)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<S>(PhantomData<S>);
        impl<S> Deref for $name<S> {
            type Target = $next<S>;
            #[inline]
            fn deref(&self) -> &$next<S> {
                &$next(PhantomData)
            }
        }
        impl<S: Shape> $name<S>
        where
            S::Stored: $($has)*
        {
            /// Chooses.
            #[inline]
            #[allow(clippy::unused_self, reason = "the type of `self` chooses the method")]
            pub fn __cachekit_compared<'p>(&self) -> &'p Policy<S::Output>
            where
                S: 'p,
            {
                &Portable::<S, $comparison>::POLICY
            }
        }
    )*};
}

portable_choices! {
    /// First choice: the stored type has `PartialEq` and `Debug`. In a generic function only the declared bounds count.
    PortableEqText => PortableEq: [Storable + PartialEq + Debug] (ByEqOrText);
    /// Second choice: the stored type has `PartialEq`.
    PortableEq => PortableText: [Storable + PartialEq] (ByEq);
    /// Third choice: the stored type has `Debug`.
    PortableText => PortableAny: [Storable + Debug] (ByText);
    /// Last choice; after it come those that refuse.
    PortableAny => NoThreads: [Storable] (ByEncoding);
}

/// The policy of values that stay in the process.
#[inline]
pub fn local<'p, S: Shape + 'p>(_: S) -> &'p Policy<S::Output>
where
    S::Stored: Keepable,
{
    &Local::<S>::POLICY
}

/// The policy of values that any backend may store, compared by their bytes.
pub(crate) const fn portable_policy<S: Shape>() -> Policy<S::Output>
where
    S::Stored: Storable,
{
    Portable::<S, ByEncoding>::POLICY
}

/// Holds a constant, so that a policy is a place in the program and not a value that each call puts together.
struct Portable<S, C>(PhantomData<(S, C)>);
struct Local<S>(PhantomData<S>);

impl<S: Shape, C: Comparison<S::Stored>> Portable<S, C>
where
    S::Stored: Storable,
{
    const POLICY: Policy<S::Output> = Policy {
        seal: |envelope, output| S::read_stored(output, |value| envelope.seal(value)).transpose(),
        encode: |part| sharing::ENVELOPE.seal(part.downcast_ref::<S::Stored>()?).ok(),
        check: |envelope, bytes, output| {
            S::read_stored(output, |value| Check::<S::Stored, C>::run(envelope, bytes, value))
                .unwrap_or(Ok(()))
        },
        open: |envelope, bytes| envelope.open(bytes).map(S::output),
        keep: |key, said, output| keep::<S>(key, said, output, weight::measured),
        weight: |output| S::read_stored(output, |stored| weigh::<S>(stored, weight::measured)),
        clone_may_share: S::CLONE_MAY_SHARE,
        ..Local::<S>::POLICY
    };
}

impl<S: Shape> Local<S>
where
    S::Stored: Keepable,
{
    const POLICY: Policy<S::Output> = Policy {
        stores: S::stores,
        fails: S::fails,
        keep: |key, said, output| keep::<S>(key, said, output, weight::by_type),
        weight: |output| S::read_stored(output, |stored| weigh::<S>(stored, weight::by_type)),
        words: || if S::AS_WORDS { words::of_type::<S::Stored>() } else { NO_WORDS },
        to_words: |output| S::stored(output).and_then(|stored| words::of_value(&stored)),
        take_words: take_words::<S>,
        share: share::<S>,
        take: take::<S>,
        stored: TypeId::of::<S::Stored>,
        value: value::<S>,
        seal: |_, _| Err(stays()),
        encode: |_| None,
        check: |_, _, _| Ok(()),
        open: |_, _| Opened::Unreadable,
        // A `local` function's callers may share.
        clone_may_share: || false,
        type_name: type_name::<S::Stored>,
        unbox: |_| None,
    };
}

impl Envelope<'_> {
    /// Returns the bytes of a value.
    pub(crate) fn seal<T: Serialize + 'static>(&self, value: &T) -> CacheResult<Vec<u8>> {
        // The kind of the content is set with the value.
        let header = Header::new(self.now, self.life, self.generation, Content::Integer);
        let header = header.kept_stale(self.windows.past());
        seal_with(self.key, Header { is_err: self.is_err, ..header }, self.versions, value)
    }

    /// Returns the value of bytes.
    pub(crate) fn open<T: DeserializeOwned + 'static>(&self, bytes: &[u8]) -> Opened<T> {
        let mut state = None;
        let serves = |header: &Header| {
            // A store may keep an entry for longer than its writer said.
            if header.expiry.is_some_and(|expiry| expiry <= self.now) {
                return false;
            }
            let times = Times { created: header.created, fresh: header.end() };
            state = times.at(self.now, &self.windows);
            state.is_some()
        };
        match unseal_if(self.key, bytes, self.generation, serves) {
            Unsealed::Value(value) => match state {
                Some(state @ (Freshness::Due | Freshness::Stale | Freshness::Fallback)) => {
                    Opened::Due(value, state)
                }
                Some(Freshness::Fresh) | None => Opened::Value(value),
            },
            Unsealed::Expired | Unsealed::OtherGeneration => Opened::Gone,
            Unsealed::Unreadable(_) => Opened::Unreadable,
        }
    }
}

impl<T> Opened<T> {
    pub(crate) fn map<R>(self, to: impl FnOnce(T) -> R) -> Opened<R> {
        match self {
            Self::Value(value) => Opened::Value(to(value)),
            Self::Due(value, state) => Opened::Due(to(value), state),
            Self::Gone => Opened::Gone,
            Self::Unreadable => Opened::Unreadable,
        }
    }
}

fn keep<S: Shape>(
    key: KeyBytes,
    said: Option<u64>,
    output: &S::Output,
    measure: fn(&S::Stored) -> Weight,
) -> Option<Arc<Entry>>
where
    S::Stored: Keepable,
{
    let stored = S::stored(output)?;
    let weight = match said {
        Some(bytes) => weight::said(bytes, weigh::<S>(&stored, weight::by_type)),
        None => weigh::<S>(&stored, measure),
    };
    Some(Entry::new(key, weight, stored))
}

/// The weight of a stored part, by `measure` if it is not that of every one.
fn weigh<S: Shape>(stored: &S::Stored, measure: fn(&S::Stored) -> Weight) -> Weight
where
    S::Stored: Keepable,
{
    let Weight { bytes, exact } = match S::BYTES {
        Some(bytes) => Weight { bytes: bytes as u64, exact: true },
        None => measure(stored),
    };
    Weight { bytes: bytes.max(S::LEAST as u64), exact }
}

#[inline]
fn take_words<S: Shape>(words: ValueWords, slot: &mut Option<S::Output>) -> bool
where
    S::Stored: Keepable,
{
    match words::to_value(words) {
        Some(stored) => {
            *slot = Some(S::output(stored));
            true
        }
        None => false,
    }
}

fn share<S: Shape>(output: &S::Output) -> Option<Shared>
where
    S::Stored: Keepable,
{
    S::stored(output).map(|stored| Arc::new(stored) as Shared)
}

fn take<S: Shape>(value: &(dyn Any + Send + Sync), slot: &mut Option<S::Output>) -> bool
where
    S::Stored: Keepable,
{
    let stored = match value.downcast_ref::<S::Stored>() {
        Some(stored) => stored,
        // Known at compile time, so that nothing is added for plain types.
        None if clone_may_run_user_code::<S::Stored>() => {
            match sharing::settled(value).and_then(|part| part.downcast_ref::<S::Stored>()) {
                Some(stored) => stored,
                None => return false,
            }
        }
        None => return false,
    };
    *slot = Some(S::output(stored.clone()));
    true
}

/// Returns the value for a stored part of a type that was compared. Nothing is to be dropped here if the clone panics, so that
/// the compiler lets it write where the caller wants the value.
fn value<S: Shape>(part: &(dyn Any + Send + Sync)) -> S::Output
where
    S::Stored: Keepable,
{
    S::output(of_type::<S::Stored>(part).clone())
}

/// Returns a stored part of a type that was compared.
#[inline]
pub(crate) fn of_type<T: Any>(part: &(dyn Any + Send + Sync)) -> &T {
    part.downcast_ref().unwrap_or_else(|| unreachable!("the type was compared"))
}

#[cold]
fn stays() -> Error {
    Error::new(ErrorKind::Unsupported, "a value of a `local` function does not leave the process")
}

impl<R> Policy<R> {
    /// Returns the value for a stored part; none if the part has another type.
    pub(crate) fn take(&self, value: &(dyn Any + Send + Sync)) -> Option<R> {
        let mut slot = None;
        self.take_into(value, &mut slot);
        slot
    }

    /// Puts the value for a stored part into a slot; false if the part has another type. Large values are copied once on
    /// this way, where each return of an `Option` copies them again.
    #[inline]
    pub(crate) fn take_into(&self, value: &(dyn Any + Send + Sync), slot: &mut Option<R>) -> bool {
        (self.take)(value, slot)
    }

    /// Returns the value for a stored part that is words.
    pub(crate) fn take_words(&self, words: ValueWords) -> Option<R> {
        let mut slot = None;
        (self.take_words)(words, &mut slot);
        slot
    }
}
