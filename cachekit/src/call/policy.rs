//! Which part of a value is stored, decided by its type: of a `Result` only `Ok`, of an `Option` only `Some`, of anything
//! else the whole value.

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
use super::{sharing, weight, words};
use crate::engine::flight::{Output, Shared};

/// A value that can be stored and sent anywhere.
#[diagnostic::on_unimplemented(
    message = "a value of `{Self}` can't be stored in a cache",
    label = "the stored value must be `Clone + Serialize + DeserializeOwned + Send + Sync + 'static`",
    note = "derive `Clone`, `serde::Serialize` and `serde::Deserialize` for it, or keep it in this process with the option \
            `local`, which needs only `Clone + Send + Sync + 'static`"
)]
pub trait Storable: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {}
#[diagnostic::do_not_recommend]
impl<T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Storable for T {}

/// A value that can be kept in the process.
#[diagnostic::on_unimplemented(
    message = "a value of `{Self}` can't be kept in a cache",
    label = "the kept value must be `Clone + Send + Sync + 'static`",
    note = "return an owned value; wrap what isn't `Clone` into an `Arc`"
)]
pub trait Keepable: Clone + Send + Sync + 'static {}
#[diagnostic::do_not_recommend]
impl<T: Clone + Send + Sync + 'static> Keepable for T {}

/// The relation of a return value and the stored value.
pub trait Shape: Copy {
    /// The return type of the function.
    type Output;
    /// The type of the stored part.
    type Stored;
    /// The memory of every stored value, with all that it owns or points to, where it is the same for all.
    const BYTES: Option<usize> = bytes_of_type::<Self::Stored>();
    /// The least bytes that a stored value counts, with those that it points to.
    const LEAST: usize = size_of::<Self::Stored>();
    /// Whether an entry may be kept as words, which count the same whatever the value is.
    const AS_WORDS: bool = true;
    /// Whether a change of a clone of the stored value may change the stored value. `false` is a promise, `true` is not.
    const CLONE_MAY_SHARE: fn() -> bool = may_run_user_code::<Self::Stored>;
    /// Whether all values that aren't stored are `Err`s.
    const FALLIBLE: bool = false;
    /// Whether any part of this value is stored.
    fn stores(output: &Self::Output) -> bool;
    /// Whether this value is an `Err` of which no part is stored.
    #[must_use]
    fn fails(output: &Self::Output) -> bool {
        Self::FALLIBLE && !Self::stores(output)
    }
    /// Returns the stored part, if this value is stored.
    fn stored(output: &Self::Output) -> Option<Self::Stored>
    where
        Self::Stored: Clone;
    /// Returns the return value for a stored one.
    fn output(stored: Self::Stored) -> Self::Output;
}

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident<$($p:ident),*>: $out:ty => $stored:ty, |$o:ident| $view:expr, |$s:ident| $back:expr
        $(, $const:ident: $type:ty = $value:expr)*;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<$($p),*>(PhantomData<fn() -> ($($p,)*)>);
        impl<$($p),*> Clone for $name<$($p),*> {
            fn clone(&self) -> Self {
                *self
            }
        }
        impl<$($p),*> Copy for $name<$($p),*> {}
        impl<$($p),*> $name<$($p),*> {
            const NEW: Self = Self(PhantomData);
        }
        impl<$($p),*> Shape for $name<$($p),*> {
            type Output = $out;
            type Stored = $stored;
            $(const $const: $type = $value;)*
            #[inline]
            fn stores($o: &$out) -> bool {
                let view: Option<&$stored> = $view;
                view.is_some()
            }
            #[inline]
            fn stored($o: &$out) -> Option<$stored>
            where
                $stored: Clone,
            {
                $view.cloned()
            }
            #[inline]
            fn output($s: $stored) -> $out {
                $back
            }
        }
    )*};
}

shapes! {
    /// Stores `Ok` only.
    OkOnly<T, E>: Result<T, E> => T, |o| o.as_ref().ok(), |s| Ok(s), FALLIBLE: bool = true;
    /// Stores `Some` only.
    SomeOnly<T>: Option<T> => T, |o| o.as_ref(), |s| Some(s);
    /// Stores every value.
    Whole<R>: R => R, |o| Some(o), |s| s;
    /// `OkOnly` of a pointer, which counts what it points to.
    OkArc<T, E>: Result<Arc<T>, E> => Arc<T>, |o| o.as_ref().ok(), |s| Ok(s),
        BYTES: Option<usize> = bytes_of_type::<T>(), LEAST: usize = size_of::<T>(), CLONE_MAY_SHARE: fn() -> bool = may_run_user_code::<T>,
        FALLIBLE: bool = true;
    /// `SomeOnly` of a pointer.
    SomeArc<T>: Option<Arc<T>> => Arc<T>, |o| o.as_ref(), |s| Some(s),
        BYTES: Option<usize> = bytes_of_type::<T>(), LEAST: usize = size_of::<T>(), CLONE_MAY_SHARE: fn() -> bool = may_run_user_code::<T>;
    /// `Whole` of a pointer.
    WholeArc<T>: Arc<T> => Arc<T>, |o| Some(o), |s| s,
        BYTES: Option<usize> = bytes_of_type::<T>(), LEAST: usize = size_of::<T>(), CLONE_MAY_SHARE: fn() -> bool = may_run_user_code::<T>;
}

/// A shape whose values have a weight of their own.
#[derive(Debug)]
pub struct Weighed<S>(PhantomData<S>);

impl<S> Clone for Weighed<S> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<S> Copy for Weighed<S> {}

impl<S: Shape> Shape for Weighed<S> {
    type Output = S::Output;
    type Stored = S::Stored;
    const BYTES: Option<usize> = S::BYTES;
    const LEAST: usize = S::LEAST;
    const AS_WORDS: bool = false;
    const FALLIBLE: bool = S::FALLIBLE;
    const CLONE_MAY_SHARE: fn() -> bool = S::CLONE_MAY_SHARE;

    #[inline]
    fn stores(output: &S::Output) -> bool {
        S::stores(output)
    }

    #[inline]
    fn stored(output: &S::Output) -> Option<S::Stored>
    where
        S::Stored: Clone,
    {
        S::stored(output)
    }

    #[inline]
    fn output(stored: S::Stored) -> S::Output {
        S::output(stored)
    }
}

/// The shape of values that have a weight of their own.
#[inline]
pub fn weighed<S: Shape>(_: S) -> Weighed<S> {
    Weighed(PhantomData)
}

/// Declares one type for each kind of return type that has its own shape, with the next type to try. They are separate types,
/// not one with a number, because the compiler looks at all methods of a type.
macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident $(=> $next:ident)?:
        $([$($p:ident),*] $at:ty => $shape:ty $(, $all:ident)?;)*)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<R>(PhantomData<fn() -> R>);
        $(
            impl<R> Deref for $name<R> {
                type Target = $next<R>;
                #[inline]
                fn deref(&self) -> &$next<R> {
                    &$next(PhantomData)
                }
            }
        )?
        $(
            impl<$($p),*> $name<$at> {
                /// Chooses.
                #[inline]
                pub fn __cachekit_policy(&self) -> $shape {
                    <$shape>::NEW
                }
                $(
                    /// Chooses, when `None` is stored too.
                    #[inline]
                    pub fn $all(&self) -> $shape {
                        <$shape>::NEW
                    }
                )?
            }
        )*
    )*};
}

choices! {
    /// A return type whose policy is to be chosen, by autoderef as in `arguments`. The first choice is for types that declare
    /// their stored part: see `web::View`.
    Returns => ReturnsOkArc:
    /// Second choice.
    ReturnsOkArc => ReturnsInner:
        [T, E] Result<Arc<T>, E> => OkArc<T, E>, __cachekit_policy_all;
    /// Third choice.
    ReturnsInner => ReturnsOuter:
        [T, E] Result<T, E> => OkOnly<T, E>, __cachekit_policy_all;
        [T] Option<Arc<T>> => SomeArc<T>;
    /// Fourth choice.
    ReturnsOuter => ReturnsAny:
        [T] Option<T> => SomeOnly<T>;
        [T] Arc<T> => WholeArc<T>, __cachekit_policy_all;
    /// Last choice.
    ReturnsAny:
        [R] R => Whole<R>, __cachekit_policy_all;
}

/// The shape of every value, of an `Err` too.
#[inline]
#[must_use]
pub fn whole<R>() -> Whole<R> {
    Whole::NEW
}

impl<R> Returns<R> {
    /// The one value.
    pub const NEW: Self = Self(PhantomData);
}

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
        seal: |envelope, output| S::stored(output).map(|value| envelope.seal(&value)).transpose(),
        encode: |part| sharing::ENVELOPE.seal(part.downcast_ref::<S::Stored>()?).ok(),
        check: |envelope, bytes, output| match S::stored(output) {
            Some(value) => Check::<S::Stored, C>::run(envelope, bytes, &value),
            None => Ok(()),
        },
        open: |envelope, bytes| envelope.open(bytes).map(S::output),
        keep: |key, said, output| keep::<S>(key, said, output, weight::measured),
        weight: |output| S::stored(output).map(|stored| weigh::<S>(&stored, weight::measured)),
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
        weight: |output| S::stored(output).map(|stored| weigh::<S>(&stored, weight::by_type)),
        words: || if S::AS_WORDS { words::of_type::<S::Stored>() } else { NO_WORDS },
        to_words: |output| S::stored(output).and_then(|stored| words::of_value(&stored)),
        take_words: take_words::<S>,
        share: share::<S>,
        take: take::<S>,
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
        seal_with(self.key, Header { is_err: self.is_err, ..header }, value)
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

const fn bytes_of_type<T>() -> Option<usize> {
    if std::mem::needs_drop::<T>() { None } else { Some(size_of::<T>()) }
}

macro_rules! known_types {
    ($($known:ty),*) => {
        /// Whether a clone of `T` may run code that is not the standard library's.
        #[inline]
        fn clone_may_run_user_code<T: 'static>() -> bool {
            is_foreign(TypeId::of::<T>())
        }

        /// The same, of a type of which it isn't known that it is `'static`.
        fn may_run_user_code<T>() -> bool {
            is_foreign(typeid::of::<T>())
        }

        #[inline]
        fn is_foreign(id: TypeId) -> bool {
            !($(id == TypeId::of::<$known>() ||)* false)
        }
    };
}
known_types! {
    (), bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64, &'static str,
    std::time::Duration, Option<u32>, Option<u64>, Option<i32>, Option<i64>, Option<f64>, Option<bool>,
    String, std::sync::Arc<str>, Vec<u8>, Vec<u32>, Vec<u64>, Vec<i32>, Vec<i64>, Vec<f64>
}
