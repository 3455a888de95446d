//! Which part of a value is stored, decided by its type: of a `Result` only `Ok`, of an `Option` only `Some`, of anything
//! else the whole value.

use std::any::TypeId;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

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
    /// Reads the stored part, if this value is stored. Copies nothing where the value has it as it is stored.
    fn read_stored<T>(output: &Self::Output, read: impl FnOnce(&Self::Stored) -> T) -> Option<T>
    where
        Self::Stored: Clone,
    {
        Self::stored(output).map(|stored| read(&stored))
    }
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
            fn read_stored<Read>($o: &$out, read: impl FnOnce(&$stored) -> Read) -> Option<Read>
            where
                $stored: Clone,
            {
                $view.map(read)
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
    fn read_stored<T>(output: &S::Output, read: impl FnOnce(&S::Stored) -> T) -> Option<T>
    where
        S::Stored: Clone,
    {
        S::read_stored(output, read)
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

const fn bytes_of_type<T>() -> Option<usize> {
    if std::mem::needs_drop::<T>() { None } else { Some(size_of::<T>()) }
}

macro_rules! known_types {
    ($($known:ty),*) => {
        /// Whether a clone of `T` may run code that is not the standard library's.
        #[inline]
        pub(super) fn clone_may_run_user_code<T: 'static>() -> bool {
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
