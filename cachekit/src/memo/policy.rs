//! What of a return value is stored, decided by its type: of a `Result` only `Ok`, of an `Option` only `Some`, of anything
//! else the value.

use std::any::{Any, TypeId};
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use cachekit_backends::simple::{Draft, Entry, SimpleStore};
use cachekit_backends::{
    Error, ErrorKind, Lifetime, Result as CacheResult, Unsealed, seal_value, unseal_value,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::flight::Shared;

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

/// How a return value and the stored value relate.
pub trait Shape: Copy {
    /// What the function returns.
    type Output;
    /// What is stored of it.
    type Stored;
    /// Whether the stored value, and what it points to, is small and has nothing else to drop.
    const PLAIN: bool = is_plain::<Self::Stored>();
    /// Whether it is known that cloning the stored value runs no code of the user's.
    const QUIET: bool = false;
    /// Whether anything of this value is stored.
    fn stores(output: &Self::Output) -> bool;
    /// The part that is stored, if this value is.
    fn stored(output: &Self::Output) -> Option<Self::Stored>
    where
        Self::Stored: Clone;
    /// The return value for a stored one.
    fn output(stored: Self::Stored) -> Self::Output;
}

macro_rules! shapes {
    ($($(#[$doc:meta])* $name:ident<$($p:ident),*>: $out:ty => $stored:ty, |$o:ident| $view:expr, |$s:ident| $back:expr
        $(, $const:ident = $bool:expr)*;)*) => {$(
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
            $(const $const: bool = $bool;)*
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
    OkOnly<T, E>: Result<T, E> => T, |o| o.as_ref().ok(), |s| Ok(s);
    /// Stores `Some` only.
    SomeOnly<T>: Option<T> => T, |o| o.as_ref(), |s| Some(s);
    /// Stores all.
    Whole<R>: R => R, |o| Some(o), |s| s;
    /// `OkOnly` of a pointer, which is as small as what it points to.
    OkArc<T, E>: Result<Arc<T>, E> => Arc<T>, |o| o.as_ref().ok(), |s| Ok(s), PLAIN = is_plain::<T>(), QUIET = true;
    /// `SomeOnly` of a pointer.
    SomeArc<T>: Option<Arc<T>> => Arc<T>, |o| o.as_ref(), |s| Some(s), PLAIN = is_plain::<T>(), QUIET = true;
    /// `Whole` of a pointer.
    WholeArc<T>: Arc<T> => Arc<T>, |o| Some(o), |s| s, PLAIN = is_plain::<T>(), QUIET = true;
}

/// Declares a type for each kind of return type that chooses its shape by itself, and what is tried when it is of no such
/// kind. A type each, and not one with a number: the compiler looks at all methods of a type.
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
    /// A return type whose policy is to be chosen, by autoderef as in `parts`. The first choice is of types that say
    /// themselves what of them is stored: see `web::View`.
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

impl<R> Returns<R> {
    /// The one value.
    pub const NEW: Self = Self(PhantomData);
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
pub(crate) struct Place<'a> {
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
    keep: fn(Draft, &R) -> Option<Arc<Entry>>,
    share: fn(&R) -> Option<Shared>,
    take: fn(&(dyn Any + Send + Sync), &mut Option<R>) -> bool,
    seal: fn(&Place<'_>, &R) -> CacheResult<Option<Vec<u8>>>,
    open: fn(&Place<'_>, &[u8]) -> Opened<R>,
    /// Whether all that a thread may keep of it is small: see [`Shape::PLAIN`].
    plain: bool,
    /// Whether cloning runs no code of the user's.
    quiet: fn() -> bool,
    /// Whether a thread may keep a value of its own accord.
    small: fn(&(dyn Any + Send + Sync)) -> bool,
}

impl<R> Clone for Policy<R> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<R> Copy for Policy<R> {}

/// The policy of values that any backend may store.
#[inline]
pub fn portable<'p, S: Shape + 'p>(_: S) -> &'p Policy<S::Output>
where
    S::Stored: Storable,
{
    &Portable::<S>::POLICY
}

/// The policy of values that stay in the process.
#[inline]
pub fn local<'p, S: Shape + 'p>(_: S) -> &'p Policy<S::Output>
where
    S::Stored: Keepable,
{
    &Local::<S>::POLICY
}

/// Holds a constant, so that a policy is a place in the program and no value that each call puts together.
struct Portable<S>(PhantomData<S>);
struct Local<S>(PhantomData<S>);

impl<S: Shape> Portable<S>
where
    S::Stored: Storable,
{
    const POLICY: Policy<S::Output> = Policy {
        seal: |place, output| {
            S::stored(output)
                .map(|value| seal_value(place.key, place.now, place.life, place.generation, &value))
                .transpose()
        },
        open: |entry, bytes| match unseal_value(entry.key, bytes, entry.now, entry.generation) {
            Unsealed::Value(value) => Opened::Value(S::output(value)),
            Unsealed::Expired | Unsealed::OtherGeneration => Opened::Gone,
            Unsealed::Unreadable(_) => Opened::Unreadable,
        },
        ..Local::<S>::POLICY
    };
}

impl<S: Shape> Local<S>
where
    S::Stored: Keepable,
{
    const POLICY: Policy<S::Output> = Policy {
        stores: S::stores,
        keep: keep::<S>,
        share: share::<S>,
        take: take::<S>,
        seal: |_, _| Err(stays()),
        open: |_, _| Opened::Unreadable,
        plain: S::PLAIN,
        quiet: if S::QUIET { || true } else { clones_quietly::<S::Stored> },
        small: if S::PLAIN { |_| true } else { is_small },
    };
}

fn keep<S: Shape>(draft: Draft, output: &S::Output) -> Option<Arc<Entry>>
where
    S::Stored: Keepable,
{
    S::stored(output).map(|stored| SimpleStore::entry(draft, stored))
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
    let Some(stored) = value.downcast_ref::<S::Stored>() else { return false };
    *slot = Some(S::output(stored.clone()));
    true
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

    /// An entry of what is stored of a return value.
    pub(crate) fn keep(&self, draft: Draft, output: &R) -> Option<Arc<Entry>> {
        (self.keep)(draft, output)
    }

    /// What is stored of a return value, for those who wait for it.
    pub(crate) fn share(&self, output: &R) -> Option<Shared> {
        (self.share)(output)
    }

    /// The return value of a stored one; none if it has another type.
    pub(crate) fn take(&self, value: &(dyn Any + Send + Sync)) -> Option<R> {
        let mut slot = None;
        self.take_into(value, &mut slot);
        slot
    }

    /// Puts the return value of a stored one into a slot; false if it has another type. Large values are copied once on this
    /// way, where each return of an `Option` copies them again.
    #[inline]
    pub(crate) fn take_into(&self, value: &(dyn Any + Send + Sync), slot: &mut Option<R>) -> bool {
        (self.take)(value, slot)
    }

    /// The bytes of what is stored of a return value.
    pub(crate) fn seal(&self, place: &Place<'_>, output: &R) -> CacheResult<Option<Vec<u8>>> {
        (self.seal)(place, output)
    }

    pub(crate) fn open(&self, entry: &Place<'_>, bytes: &[u8]) -> Opened<R> {
        (self.open)(entry, bytes)
    }

    /// Whether a value is so small that it doesn't matter if a thread keeps it a while longer.
    pub(crate) fn is_small(&self, value: &(dyn Any + Send + Sync)) -> bool {
        (self.small)(value)
    }

    /// Whether a thread may have such values of its own.
    #[inline]
    pub(crate) fn may_be_near(&self) -> bool {
        self.plain || self.is_quiet()
    }

    /// Whether cloning runs no code of the user's, so that it may be done under a lock.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        (self.quiet)()
    }
}

/// The most memory of a small value, in itself or behind it, in bytes.
const SMALL: usize = 1024;

const fn is_plain<T>() -> bool {
    !std::mem::needs_drop::<T>() && size_of::<T>() <= SMALL
}

macro_rules! quiet {
    (plain: $($plain:ty),*; heap: $($heap:ty),*) => {
        /// Whether a clone of `T` runs only code of the standard library, so that it may be made under a lock.
        #[inline]
        fn clones_quietly<T: 'static>() -> bool {
            let id = TypeId::of::<T>();
            $(id == TypeId::of::<$plain>() ||)* $(id == TypeId::of::<$heap>() ||)* false
        }

        /// Whether a value of such a type takes little memory beside itself.
        fn is_small(value: &(dyn Any + Send + Sync)) -> bool {
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
