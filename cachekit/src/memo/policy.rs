//! What of a return value is stored, decided by its type: of a `Result` only `Ok`, of an `Option` only `Some`, of anything
//! else the value.

use std::any::TypeId;
use std::marker::PhantomData;
use std::sync::Arc;

use cachekit_backends::simple::Value;
use cachekit_backends::{
    Error, ErrorKind, Lifetime, Result as CacheResult, Unsealed, seal_value, unseal_value,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

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

/// A return type whose policy is to be chosen, by autoref as in `parts`.
#[derive(Debug)]
pub struct Returns<R>(PhantomData<fn() -> R>);

impl<R> Returns<R> {
    /// The one value.
    pub const NEW: Self = Self(PhantomData);
}

/// How a return value and the stored value relate.
pub trait Shape: Copy {
    /// What the function returns.
    type Output;
    /// What is stored of it.
    type Stored;
    /// The part that is stored, if this value is.
    fn stored(output: &Self::Output) -> Option<&Self::Stored>;
    /// The return value for a stored one.
    fn output(stored: Self::Stored) -> Self::Output;
}

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident<$($p:ident),*>: $out:ty => $stored:ty, |$o:ident| $view:expr, |$s:ident| $back:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<$($p),*>(PhantomData<fn() -> ($($p,)*)>);
        impl<$($p),*> Clone for $name<$($p),*> {
            fn clone(&self) -> Self {
                *self
            }
        }
        impl<$($p),*> Copy for $name<$($p),*> {}
        impl<$($p),*> Shape for $name<$($p),*> {
            type Output = $out;
            type Stored = $stored;
            #[inline]
            fn stored($o: &$out) -> Option<&$stored> {
                $view
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
    OkOnly<T, E>: Result<T, E> => T, |o| o.as_ref().ok(), |s| Ok(s);
    /// Stores `Some` only.
    SomeOnly<T>: Option<T> => T, |o| o.as_ref(), |s| Some(s);
    /// Stores all.
    Whole<R>: R => R, |o| Some(o), |s| s;
}

/// First choice.
pub trait PolicyResult {
    /// The shape.
    type Shape;
    /// Chooses.
    fn __cachekit_policy(&self) -> Self::Shape;
    /// Chooses, when `None` is stored too.
    fn __cachekit_policy_all(&self) -> Self::Shape;
}
impl<T, E> PolicyResult for &&Returns<Result<T, E>> {
    type Shape = OkOnly<T, E>;
    #[inline]
    fn __cachekit_policy(&self) -> OkOnly<T, E> {
        OkOnly(PhantomData)
    }
    #[inline]
    fn __cachekit_policy_all(&self) -> OkOnly<T, E> {
        OkOnly(PhantomData)
    }
}

/// Second choice.
pub trait PolicyOption {
    /// The shape.
    type Shape;
    /// Chooses.
    fn __cachekit_policy(&self) -> Self::Shape;
}
impl<T> PolicyOption for &Returns<Option<T>> {
    type Shape = SomeOnly<T>;
    #[inline]
    fn __cachekit_policy(&self) -> SomeOnly<T> {
        SomeOnly(PhantomData)
    }
}

/// Last choice.
pub trait PolicyPlain {
    /// The shape.
    type Shape;
    /// Chooses.
    fn __cachekit_policy(&self) -> Self::Shape;
    /// Chooses, when `None` is stored too.
    fn __cachekit_policy_all(&self) -> Self::Shape;
}
impl<R> PolicyPlain for Returns<R> {
    type Shape = Whole<R>;
    #[inline]
    fn __cachekit_policy(&self) -> Whole<R> {
        Whole(PhantomData)
    }
    #[inline]
    fn __cachekit_policy_all(&self) -> Whole<R> {
        Whole(PhantomData)
    }
}

/// What became of stored bytes.
pub(crate) enum Opened<T> {
    /// The value.
    Value(T),
    /// Its time is over or it was deleted.
    Gone,
    /// The bytes are no entry of this key and type.
    Unreadable,
}

/// Where and when bytes are sealed or opened.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// The whole key.
    pub(crate) key: &'a str,
    /// The wall-clock time in milliseconds.
    pub(crate) now: u64,
    /// The time to live of a new entry.
    pub(crate) life: Lifetime,
    /// The generation it belongs to.
    pub(crate) generation: u128,
}

/// What can be done with the values of a function that returns `R`.
///
/// The operations are values, not bounds: only [`portable`] and [`local`] ask for bounds, so that a type which has none
/// makes one error and not one for every step that follows. In a call they are constants, and inlined.
pub struct Policy<R> {
    stores: fn(&R) -> bool,
    wrap: fn(&R) -> Option<Value>,
    take: fn(&Value) -> Option<R>,
    seal: fn(&Entry<'_>, &Value) -> CacheResult<Vec<u8>>,
    open: fn(&Entry<'_>, &[u8]) -> Opened<R>,
    /// Whether cloning runs no code of the user's.
    quiet: bool,
    /// Whether a thread may keep a value of its own accord.
    small: fn(&Value) -> bool,
}

impl<R> Clone for Policy<R> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<R> Copy for Policy<R> {}

/// The policy of values that any backend may store.
#[inline]
pub fn portable<S: Shape>(_: S) -> Policy<S::Output>
where
    S::Stored: Storable,
{
    Policy {
        stores: |output| S::stored(output).is_some(),
        wrap: wrap::<S>,
        take: take::<S>,
        seal: |entry, value| match value.downcast_ref::<S::Stored>() {
            Some(value) => seal_value(entry.key, entry.now, entry.life, entry.generation, value),
            None => Err(stays()),
        },
        open: |entry, bytes| match unseal_value(entry.key, bytes, entry.now, entry.generation) {
            Unsealed::Value(value) => Opened::Value(S::output(value)),
            Unsealed::Expired | Unsealed::OtherGeneration => Opened::Gone,
            Unsealed::Unreadable(_) => Opened::Unreadable,
        },
        quiet: clones_quietly::<S::Stored>(),
        small: is_small,
    }
}

/// The policy of values that stay in the process.
#[inline]
pub fn local<S: Shape>(_: S) -> Policy<S::Output>
where
    S::Stored: Keepable,
{
    Policy {
        stores: |output| S::stored(output).is_some(),
        wrap: wrap::<S>,
        take: take::<S>,
        seal: |_, _| Err(stays()),
        open: |_, _| Opened::Unreadable,
        quiet: clones_quietly::<S::Stored>(),
        small: is_small,
    }
}

fn wrap<S: Shape>(output: &S::Output) -> Option<Value>
where
    S::Stored: Keepable,
{
    S::stored(output).map(|stored| Arc::new(stored.clone()) as Value)
}

#[inline]
fn take<S: Shape>(value: &Value) -> Option<S::Output>
where
    S::Stored: Keepable,
{
    value.downcast_ref::<S::Stored>().cloned().map(S::output)
}

#[cold]
fn stays() -> Error {
    Error::new(ErrorKind::Unsupported, "a value of a `local` function does not leave the process")
}

impl<R> Policy<R> {
    /// Whether anything of a return value is stored.
    pub(crate) fn stores(&self, output: &R) -> bool {
        (self.stores)(output)
    }

    /// What is stored of a return value, as the in-process store and those who wait get it.
    pub(crate) fn wrap(&self, output: &R) -> Option<Value> {
        (self.wrap)(output)
    }

    /// The return value of a stored one; none if it has another type.
    #[inline]
    pub(crate) fn take(&self, value: &Value) -> Option<R> {
        (self.take)(value)
    }

    pub(crate) fn seal(&self, entry: &Entry<'_>, value: &Value) -> CacheResult<Vec<u8>> {
        (self.seal)(entry, value)
    }

    pub(crate) fn open(&self, entry: &Entry<'_>, bytes: &[u8]) -> Opened<R> {
        (self.open)(entry, bytes)
    }

    /// Whether a value is so small that it doesn't matter if a thread keeps it a while longer.
    pub(crate) fn is_small(&self, value: &Value) -> bool {
        (self.small)(value)
    }

    /// Whether cloning runs no code of the user's, so that it may be done under a lock.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }
}

/// The largest heap memory of a small value, in bytes.
const SMALL: usize = 1024;

macro_rules! quiet {
    (plain: $($plain:ty),*; heap: $($heap:ty),*) => {
        /// Whether a clone of `T` runs only code of the standard library, so that it may be made under a lock.
        #[inline]
        fn clones_quietly<T: 'static>() -> bool {
            let id = TypeId::of::<T>();
            $(id == TypeId::of::<$plain>() ||)* $(id == TypeId::of::<$heap>() ||)* false
        }

        /// Whether a value of such a type takes little memory beside itself.
        fn is_small(value: &Value) -> bool {
            let value = &**value;
            $(value.is::<$plain>() ||)*
            $(value.downcast_ref::<$heap>().is_some_and(|value| std::mem::size_of_val(&**value) <= SMALL) ||)* false
        }
    };
}
quiet! {
    plain: (), bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64, &'static str,
           std::time::Duration, Option<u32>, Option<u64>, Option<i32>, Option<i64>, Option<f64>, Option<bool>;
    heap: String, std::sync::Arc<str>, Vec<u8>, Vec<u32>, Vec<u64>, Vec<i32>, Vec<i64>, Vec<f64>
}
