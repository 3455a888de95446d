//! The parts of a call's key, each by the first of `CacheKey`, `Hash` and `Debug` that its type has.
//!
//! The choice is made by autoref: `(&&&&Arg(&x)).__cachekit_part()` finds the trait that is implemented at the outermost
//! reference whose bounds hold. In a generic function only the declared bounds count.

use std::any::type_name;
use std::fmt::{Debug, Write};
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

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

/// No part.
#[derive(Clone, Copy, Debug)]
pub struct Nil;

/// A part before others.
#[derive(Clone, Copy, Debug)]
pub struct Cons<H, T>(pub H, pub T);

impl KeyPart for Nil {
    const TRUSTED: bool = true;
    #[inline]
    fn feed<W: KeyWriter>(&self, _: &mut W) {}
}

impl<H: KeyPart, T: KeyPart> KeyPart for Cons<H, T> {
    const TRUSTED: bool = H::TRUSTED && T::TRUSTED;
    const VIEW: bool = H::VIEW;
    #[inline]
    fn view_path(&self) -> Option<&str> {
        self.0.view_path()
    }
    #[inline]
    fn feed<W: KeyWriter>(&self, writer: &mut W) {
        self.0.feed(writer);
        self.1.feed(writer);
    }
}

/// An argument whose way into the key is to be chosen.
#[derive(Debug)]
pub struct Arg<'a, T: ?Sized>(pub &'a T);

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

/// First choice.
pub trait PartKey<'a> {
    /// The part.
    type Part;
    /// Chooses.
    fn __cachekit_part(&self) -> Self::Part;
}
impl<'a, T: CacheKey + ?Sized> PartKey<'a> for &&&Arg<'a, T> {
    type Part = ByKey<'a, T>;
    #[inline]
    fn __cachekit_part(&self) -> ByKey<'a, T> {
        ByKey(self.0)
    }
}

/// Second choice.
pub trait PartHash<'a> {
    /// The part.
    type Part;
    /// Chooses.
    fn __cachekit_part(&self) -> Self::Part;
}
impl<'a, T: Hash + ?Sized> PartHash<'a> for &&Arg<'a, T> {
    type Part = ByHash<'a, T>;
    #[inline]
    fn __cachekit_part(&self) -> ByHash<'a, T> {
        ByHash(self.0)
    }
}

/// Third choice.
pub trait PartDebug<'a> {
    /// The part.
    type Part;
    /// Chooses.
    fn __cachekit_part(&self) -> Self::Part;
}
impl<'a, T: Debug + ?Sized> PartDebug<'a> for &Arg<'a, T> {
    type Part = ByDebug<'a, T>;
    #[inline]
    fn __cachekit_part(&self) -> ByDebug<'a, T> {
        ByDebug(self.0)
    }
}

/// An argument that has no way in. It is a part, so that the bound of [`PartNone`] is the only error.
#[derive(Debug)]
pub struct Refused(());

impl KeyPart for Refused {
    const TRUSTED: bool = true;
    fn feed<W: KeyWriter>(&self, _: &mut W) {}
}

/// No choice: its bound makes the one error.
pub trait PartNone<T: ?Sized> {
    /// Refuses.
    fn __cachekit_part(&self) -> Refused
    where
        T: CacheKey;
}
impl<T: ?Sized> PartNone<T> for Arg<'_, T> {
    fn __cachekit_part(&self) -> Refused
    where
        T: CacheKey,
    {
        Refused(())
    }
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
