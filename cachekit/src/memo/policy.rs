//! What of a return value is stored, decided by its type: of a `Result` only `Ok`, of an `Option` only `Some`, of anything
//! else the value.

use std::any::TypeId;
use std::marker::PhantomData;

use cachekit_backends::{Error, ErrorKind, Result as CacheResult, Unsealed, seal_value, unseal_value};
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

/// A return type whose policy is to be chosen, by autoref as in [`parts`](super::parts).
#[derive(Debug)]
pub struct Returns<R>(PhantomData<fn() -> R>);

impl<R> Returns<R> {
    /// The one value.
    pub const NEW: Self = Self(PhantomData);
}

/// How a return value and the stored value relate.
pub trait Shape: Copy + Send + Sync + 'static {
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
        impl<$($p: 'static),*> Shape for $name<$($p),*> {
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
        impl<$($p),*> $name<$($p),*> {
            /// Stored on any backend.
            #[inline]
            pub fn portable(self) -> Portable<Self>
            where
                $stored: Storable,
            {
                Portable(PhantomData)
            }
            /// Kept in the process.
            #[inline]
            pub fn local(self) -> Local<Self>
            where
                $stored: Keepable,
            {
                Local(PhantomData)
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
pub enum Opened<T> {
    /// The value.
    Value(T),
    /// Its time is over or it was deleted.
    Gone,
    /// The bytes are no entry of this key and type.
    Unreadable,
}

/// A shape with what its values can do.
pub trait Policy: Copy + Send + Sync + 'static {
    /// What the function returns.
    type Output;
    /// What is stored of it.
    type Stored: Clone + Send + Sync + 'static;
    /// See [`Shape::stored`].
    fn stored(output: &Self::Output) -> Option<&Self::Stored>;
    /// See [`Shape::output`].
    fn output(stored: Self::Stored) -> Self::Output;
    /// The bytes for a backend.
    fn seal(entry: &Entry<'_>, value: &Self::Stored) -> CacheResult<Vec<u8>>;
    /// The value of such bytes.
    fn open(entry: &Entry<'_>, bytes: &[u8]) -> Opened<Self::Stored>;
}

/// Where and when bytes are sealed or opened.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The whole key.
    pub key: &'a str,
    /// The wall-clock time in milliseconds.
    pub now: u64,
    /// The time to live of a new entry.
    pub life: cachekit_backends::Lifetime,
    /// The generation it belongs to.
    pub generation: u128,
}

/// Values that any backend may store.
#[derive(Debug)]
pub struct Portable<S>(PhantomData<fn() -> S>);

/// Values that stay in the process.
#[derive(Debug)]
pub struct Local<S>(PhantomData<fn() -> S>);

macro_rules! copies {
    ($($name:ident)*) => {$(
        impl<S> Clone for $name<S> {
            fn clone(&self) -> Self {
                *self
            }
        }
        impl<S> Copy for $name<S> {}
    )*};
}
copies!(Portable Local);

impl<S: Shape> Policy for Portable<S>
where
    S::Stored: Storable,
{
    type Output = S::Output;
    type Stored = S::Stored;
    #[inline]
    fn stored(output: &S::Output) -> Option<&S::Stored> {
        S::stored(output)
    }
    #[inline]
    fn output(stored: S::Stored) -> S::Output {
        S::output(stored)
    }
    fn seal(entry: &Entry<'_>, value: &S::Stored) -> CacheResult<Vec<u8>> {
        seal_value(entry.key, entry.now, entry.life, entry.generation, value)
    }
    fn open(entry: &Entry<'_>, bytes: &[u8]) -> Opened<S::Stored> {
        match unseal_value(entry.key, bytes, entry.now, entry.generation) {
            Unsealed::Value(value) => Opened::Value(value),
            Unsealed::Expired | Unsealed::OtherGeneration => Opened::Gone,
            _ => Opened::Unreadable,
        }
    }
}

impl<S: Shape> Policy for Local<S>
where
    S::Stored: Keepable,
{
    type Output = S::Output;
    type Stored = S::Stored;
    #[inline]
    fn stored(output: &S::Output) -> Option<&S::Stored> {
        S::stored(output)
    }
    #[inline]
    fn output(stored: S::Stored) -> S::Output {
        S::output(stored)
    }
    fn seal(_: &Entry<'_>, _: &S::Stored) -> CacheResult<Vec<u8>> {
        Err(Error::new(ErrorKind::Unsupported, "a value of a `local` function does not leave the process"))
    }
    fn open(_: &Entry<'_>, _: &[u8]) -> Opened<S::Stored> {
        Opened::Unreadable
    }
}

/// Whether a clone of `T` runs only code of the standard library, so that it may be made under a lock.
#[inline]
pub(crate) fn clones_quietly<T: 'static>() -> bool {
    macro_rules! any {
        ($($t:ty)*) => { $(TypeId::of::<T>() == TypeId::of::<$t>() ||)* false };
    }
    any!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 bool char String &'static str
         Vec<u8> Vec<String> Vec<u32> Vec<u64> Vec<i64> Vec<f64> Option<String> Option<u64> Option<i64> Option<bool>
         std::sync::Arc<str> std::time::Duration)
        || TypeId::of::<T>() == TypeId::of::<()>()
}
