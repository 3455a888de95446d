//! The parts of a call's key, each by the first of `CacheKey`, `Hash` and `Debug` that its type has.
//!
//! The choice is made by autoderef: `arg(&x).__cachekit_part()` is the method of the first type on the way [`ArgKey`] →
//! [`ArgHash`] → [`ArgDebug`] → [`ArgNone`] whose bounds hold. In a generic function only the declared bounds count. Methods
//! of types need no import, and are found with less work than those of traits.

use std::any::type_name;
use std::fmt::{Debug, Write};
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::ops::Deref;

use cachekit_backends::{CacheKey, KeyWriter};

/// Something that is part of a key.
pub trait KeyPart {
    /// Whether feeding it runs only code of the standard library and of cachekit.
    const TRUSTED: bool;
    /// Whether it is a request's path, which is one instance of all functions together.
    const VIEW: bool = false;
    /// The path, if it is one.
    fn view_path(&self) -> Option<&str> {
        None
    }
    /// Feeds it.
    fn feed<W: KeyWriter>(&self, writer: &mut W);
}

/// The parts of a key, one after another. The attribute nests tuples where there are more.
macro_rules! tuples {
    ($($first:ident $($part:ident)*;)*) => {$(
        impl<$first: KeyPart, $($part: KeyPart),*> KeyPart for ($first, $($part,)*) {
            const TRUSTED: bool = $first::TRUSTED $(&& $part::TRUSTED)*;
            const VIEW: bool = $first::VIEW;
            #[inline]
            fn view_path(&self) -> Option<&str> {
                self.0.view_path()
            }
            #[inline]
            fn feed<W: KeyWriter>(&self, writer: &mut W) {
                #[allow(non_snake_case)]
                let ($first, $($part,)*) = self;
                $first.feed(writer);
                $($part.feed(writer);)*
            }
        }
    )*};
}
tuples! { A; A B; A B C; A B C D; A B C D E; A B C D E F; A B C D E F G; A B C D E F G H; }

impl KeyPart for () {
    const TRUSTED: bool = true;
    #[inline]
    fn feed<W: KeyWriter>(&self, _: &mut W) {}
}

/// An argument that goes in by `CacheKey`.
#[derive(Debug)]
pub struct ByKey<'a, T: ?Sized>(&'a T);

/// An argument that goes in by `Hash`.
#[derive(Debug)]
pub struct ByHash<'a, T: ?Sized>(&'a T);

/// An argument that goes in by `Debug`.
#[derive(Debug)]
pub struct ByDebug<'a, T: ?Sized>(&'a T);

impl<T: CacheKey + ?Sized> KeyPart for ByKey<'_, T> {
    const TRUSTED: bool = T::TRUSTED;
    #[inline]
    fn feed<W: KeyWriter>(&self, writer: &mut W) {
        self.0.cache_key(writer);
    }
}

impl<T: Hash + ?Sized> KeyPart for ByHash<'_, T> {
    const TRUSTED: bool = false;
    #[inline]
    fn feed<W: KeyWriter>(&self, writer: &mut W) {
        self.0.hash(writer);
    }
}

impl<T: Debug + ?Sized> KeyPart for ByDebug<'_, T> {
    const TRUSTED: bool = false;
    fn feed<W: KeyWriter>(&self, writer: &mut W) {
        struct Text<'a, W>(&'a mut W);
        impl<W: Hasher> Write for Text<'_, W> {
            fn write_str(&mut self, s: &str) -> std::fmt::Result {
                self.0.write(s.as_bytes());
                Ok(())
            }
        }
        // What a `Debug` that fails has written by then is its text.
        let _ = write!(Text(writer), "{:?}", self.0);
        // No UTF-8 text has this byte, so that texts one after another stay apart.
        writer.write_u8(0xff);
    }
}

/// An argument that has no way in. It is a part, so that the bound of [`ArgNone`] is the only error.
#[derive(Debug)]
pub struct Refused(());

impl KeyPart for Refused {
    const TRUSTED: bool = true;
    fn feed<W: KeyWriter>(&self, _: &mut W) {}
}

macro_rules! copied {
    ($($name:ident)*) => {$(
        impl<T: ?Sized> Clone for $name<'_, T> {
            fn clone(&self) -> Self {
                *self
            }
        }
        impl<T: ?Sized> Copy for $name<'_, T> {}
    )*};
}
copied!(ArgKey ArgHash ArgDebug ArgNone);

/// Declares a choice, and what is tried when its bound doesn't hold.
macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident: $bound:ident => $part:ident(|$arg:ident| $value:expr), else $next:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<'a, T: ?Sized>($next<'a, T>);
        impl<'a, T: ?Sized> Deref for $name<'a, T> {
            type Target = $next<'a, T>;
            #[inline]
            fn deref(&self) -> &$next<'a, T> {
                &self.0
            }
        }
        impl<'a, T: $bound + ?Sized> $name<'a, T> {
            /// Chooses.
            #[inline]
            pub fn __cachekit_part(self) -> $part<'a, T> {
                let $arg = self;
                $part($value)
            }
        }
    )*};
}

choices! {
    /// First choice.
    ArgKey: CacheKey => ByKey(|arg| arg.0.0.0.0), else ArgHash;
    /// Second choice.
    ArgHash: Hash => ByHash(|arg| arg.0.0.0), else ArgDebug;
    /// Third choice.
    ArgDebug: Debug => ByDebug(|arg| arg.0.0), else ArgNone;
}

/// No choice: its bound makes the one error.
#[derive(Debug)]
pub struct ArgNone<'a, T: ?Sized>(&'a T);

impl<T: ?Sized> ArgNone<'_, T> {
    /// Refuses.
    pub fn __cachekit_part(self) -> Refused
    where
        T: CacheKey,
    {
        Refused(())
    }
}

/// An argument whose way into the key is to be chosen.
#[inline]
pub fn arg<T: ?Sized>(value: &T) -> ArgKey<'_, T> {
    ArgKey(ArgHash(ArgDebug(ArgNone(value))))
}

/// A type that is part of a key: by its id in the process, by its name elsewhere.
#[derive(Debug)]
pub struct OfType<T: ?Sized>(PhantomData<fn() -> PhantomData<T>>);

/// The type `T`.
#[inline]
#[must_use]
pub fn of_type<T: ?Sized>() -> OfType<T> {
    OfType(PhantomData)
}

/// The type of a value whose type has no name (`impl Trait`).
#[inline]
#[must_use]
pub fn of_val<T: ?Sized>(_: &T) -> OfType<T> {
    OfType(PhantomData)
}

impl<T: ?Sized> KeyPart for OfType<T> {
    const TRUSTED: bool = true;
    #[inline]
    fn feed<W: KeyWriter>(&self, writer: &mut W) {
        if W::SHARED {
            type_name::<T>().cache_key(writer);
        } else {
            typeid::of::<T>().hash(writer);
        }
    }
}
