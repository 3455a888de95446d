//! The parts of a call's key: each argument by the first of `CacheKey` and `Hash` that its type has, by `Debug` where the
//! attribute says so.
//!
//! The choice is made by autoderef: `arg(&x).__cachekit_part()` is the method of the first type on the way from [`ArgKey`] to
//! [`ArgNone`] whose bounds hold. In a generic function only the declared bounds count. Methods of types need no import, and
//! are found with less work than those of traits.
//!
//! A `Hash` may leave out what `Eq` compares and what the function sees, so it is never alone: the form of the value, by
//! `Serialize` or `Debug`, goes in beside it. The argument itself can't be kept for a comparison instead: that takes
//! `'static`, and a lifetime in its type would be an error and not the next choice.

use std::any::type_name;
use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;
use std::ops::Deref;

use cachekit_backends::{
    CacheKey, KeyWriter, NO_WORDS, feed_debug, feed_hash, feed_serialize, is_of_std, names_closure,
};
use serde::Serialize;

use super::nearest::{Kind, Splitter};

/// Something that is part of a key.
pub trait KeyPart {
    /// How many words tell all values apart: see [`CacheKey::WORDS`].
    const WORDS: usize = NO_WORDS;
    /// Whether it is a request's path, which is one instance of all functions together.
    const VIEW: bool = false;
    /// The path, if it is one.
    fn view_path(&self) -> Option<&str> {
        None
    }
    /// Feeds it.
    fn feed<W: KeyWriter>(&self, writer: &mut W);
    /// Hands out the parts that it has.
    fn split(&self, parts: &mut Splitter) {
        parts.add(self, Kind::Opaque);
    }
}

/// The parts of a key, one after another. The attribute nests tuples where there are more.
macro_rules! tuples {
    ($($first:ident $($part:ident)*;)*) => {$(
        impl<$first: KeyPart, $($part: KeyPart),*> KeyPart for ($first, $($part,)*) {
            const WORDS: usize = $first::WORDS$(.saturating_add($part::WORDS))*;
            const VIEW: bool = $first::VIEW;
            #[inline]
            fn view_path(&self) -> Option<&str> {
                self.0.view_path()
            }
            #[inline]
            fn feed<W: KeyWriter>(&self, writer: &mut W) {
                #[expect(non_snake_case, reason = "a binding is named like its type")]
                let ($first, $($part,)*) = self;
                $first.feed(writer);
                $($part.feed(writer);)*
            }
            fn split(&self, parts: &mut Splitter) {
                #[expect(non_snake_case, reason = "a binding is named like its type")]
                let ($first, $($part,)*) = self;
                $first.split(parts);
                $($part.split(parts);)*
            }
        }
    )*};
}
tuples! { A; A B; A B C; A B C D; A B C D E; A B C D E F; A B C D E F G; A B C D E F G H; }

impl KeyPart for () {
    const WORDS: usize = 0;
    #[inline]
    fn feed<W: KeyWriter>(&self, _: &mut W) {}
    fn split(&self, _: &mut Splitter) {}
}

/// An argument that goes in by `CacheKey`.
#[derive(Debug)]
pub struct ByKey<'a, T: ?Sized>(&'a T);

/// An argument that goes in by `Hash`, with a form of it beside.
#[derive(Debug)]
pub struct ByHash<'a, T: ?Sized, F>(&'a T, PhantomData<F>);

/// An argument that goes in by `Debug`.
#[derive(Debug)]
pub struct ByDebug<'a, T: ?Sized>(&'a T);

impl<T: CacheKey + ?Sized> KeyPart for ByKey<'_, T> {
    const WORDS: usize = T::WORDS;
    #[inline]
    fn feed<W: KeyWriter>(&self, writer: &mut W) {
        self.0.cache_key(writer);
    }
    fn split(&self, parts: &mut Splitter) {
        parts.add(self, Kind::of::<T>());
    }
}

impl<T: Hash + ?Sized, F: Form<T>> KeyPart for ByHash<'_, T, F> {
    fn feed<W: KeyWriter>(&self, writer: &mut W) {
        F::advise();
        feed_hash(self.0, writer);
        F::feed(self.0, writer);
    }
}

impl<T: Debug + ?Sized> KeyPart for ByDebug<'_, T> {
    fn feed<W: KeyWriter>(&self, writer: &mut W) {
        feed_debug(self.0, writer);
    }
}

/// A form of a value that tells apart values whose `Hash` is equal.
pub trait Form<T: ?Sized> {
    /// Feeds it.
    fn feed<W: KeyWriter>(value: &T, writer: &mut W);
    /// Says once a type, in a debug build, that there is a faster way.
    fn advise() {
        #[cfg(debug_assertions)]
        advice::give(type_name::<T>());
    }
}

/// The `Serialize` of a value; its `Debug` where that fails.
#[derive(Debug)]
pub struct SerializedOrPrinted;

/// The `Serialize` of a value.
#[derive(Debug)]
pub struct Serialized;

/// The `Debug` text of a value.
#[derive(Debug)]
pub struct Printed;

/// No form: the attribute says that the `Hash` is enough.
#[derive(Debug)]
pub struct Unneeded;

impl<T: Serialize + Debug + ?Sized> Form<T> for SerializedOrPrinted {
    fn feed<W: KeyWriter>(value: &T, writer: &mut W) {
        if !feed_serialize(value, writer) {
            feed_debug(value, writer);
        }
    }
}

impl<T: Serialize + ?Sized> Form<T> for Serialized {
    fn feed<W: KeyWriter>(value: &T, writer: &mut W) {
        feed_serialize(value, writer);
    }
}

impl<T: Debug + ?Sized> Form<T> for Printed {
    fn feed<W: KeyWriter>(value: &T, writer: &mut W) {
        feed_debug(value, writer);
    }
}

impl<T: ?Sized> Form<T> for Unneeded {
    fn feed<W: KeyWriter>(_: &T, _: &mut W) {}
    fn advise() {}
}

#[cfg(debug_assertions)]
mod advice {
    use std::collections::HashSet;

    use parking_lot::RwLock;

    static GIVEN: RwLock<Option<HashSet<&'static str>>> = RwLock::new(None);

    pub(super) fn give(name: &'static str) {
        let name = name.trim_start_matches(['&', ' ']);
        let given = GIVEN.read().as_ref().is_some_and(|given| given.contains(name));
        if given || cachekit_backends::is_of_std(name) || !GIVEN.write().get_or_insert_default().insert(name)
        {
            return;
        }
        tracing::info!(
            target: "cachekit",
            "`{name}` enters keys by its `Hash` and its form (`Serialize` or `Debug`): deriving `cachekit::CacheKey` for it is \
             faster (said in debug builds only)",
        );
    }
}

/// An argument that has no way in. It is a part, so that the bound of the refusing method is the only error.
#[derive(Debug)]
pub struct Refused(());

impl KeyPart for Refused {
    fn feed<W: KeyWriter>(&self, _: &mut W) {}
}

/// Ways of an argument that end without `Debug`.
#[derive(Clone, Copy, Debug)]
pub struct WithoutDebug;

/// Ways of an argument that lead to `Debug` where there is nothing better.
#[derive(Clone, Copy, Debug)]
pub struct OrDebug;

/// Declares the ways of an argument, each with what is tried when the bounds of its choice don't hold.
macro_rules! ways {
    ($($(#[$doc:meta])* $name:ident => $next:ident $(: [$($bound:ident)+, $end:ty $(, $any:ident)?] $part:ty, $make:expr)?;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<'a, T: ?Sized, E>($next<'a, T, E>);
        impl<T: ?Sized, E> Clone for $name<'_, T, E> {
            fn clone(&self) -> Self {
                *self
            }
        }
        impl<T: ?Sized, E> Copy for $name<'_, T, E> {}
        impl<'a, T: ?Sized, E> Deref for $name<'a, T, E> {
            type Target = $next<'a, T, E>;
            #[inline]
            fn deref(&self) -> &$next<'a, T, E> {
                &self.0
            }
        }
        impl<'a, T: ?Sized, E> $name<'a, T, E> {
            #[inline]
            fn value(self) -> &'a T {
                self.0.value()
            }
        }
        $(
            impl<'a, T: $($bound +)+ ?Sized $(, $any)?> $name<'a, T, $end> {
                /// Chooses.
                #[inline]
                pub fn __cachekit_part(self) -> $part {
                    $make(self.value())
                }
            }
        )?
    )*};
}

ways! {
    /// First choice.
    ArgKey => ArgHashForms: [CacheKey, E, E] ByKey<'a, T>, ByKey;
    /// Second choice.
    ArgHashForms => ArgHashSerialize: [Hash Serialize Debug, E, E] ByHash<'a, T, SerializedOrPrinted>, by_hash;
    /// Third choice.
    ArgHashSerialize => ArgHashDebug: [Hash Serialize, E, E] ByHash<'a, T, Serialized>, by_hash;
    /// Fourth choice.
    ArgHashDebug => ArgDebug: [Hash Debug, E, E] ByHash<'a, T, Printed>, by_hash;
    /// Fifth choice, where the attribute says so.
    ArgDebug => ArgHash: [Debug, OrDebug] ByDebug<'a, T>, ByDebug;
    /// Sixth choice: a `Hash` without a form is refused.
    ArgHash => ArgNone;
}

impl<T: Hash + ?Sized, E> ArgHash<'_, T, E> {
    /// Refuses.
    pub fn __cachekit_part(self) -> Refused
    where
        HashAlone: TellsApart<T>,
    {
        Refused(())
    }
}

/// No choice: its bound makes the one error.
#[derive(Debug)]
pub struct ArgNone<'a, T: ?Sized, E>(&'a T, PhantomData<E>);

impl<T: ?Sized, E> Clone for ArgNone<'_, T, E> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: ?Sized, E> Copy for ArgNone<'_, T, E> {}

impl<'a, T: ?Sized, E> ArgNone<'a, T, E> {
    /// Refuses.
    pub fn __cachekit_part(self) -> Refused
    where
        T: CacheKey,
    {
        Refused(())
    }

    #[inline]
    fn value(self) -> &'a T {
        self.0
    }
}

/// The `Hash` of a value, without anything beside it.
#[derive(Debug)]
pub struct HashAlone;

/// Never implemented: says why a `Hash` is not enough.
#[diagnostic::on_unimplemented(
    message = "the `Hash` of `{T}` is not enough for a cache key",
    label = "a `Hash` may leave out what `Eq` compares, and there is no `Serialize` or `Debug` to tell such values apart",
    note = "derive `cachekit::CacheKey`, `serde::Serialize` or `Debug` for `{T}` (as a bound, where it is a type parameter), or \
            say with `hash(..)` that its `Hash` tells all of its values apart"
)]
pub trait TellsApart<T: ?Sized> {}

#[inline]
fn by_hash<T: ?Sized, F>(value: &T) -> ByHash<'_, T, F> {
    ByHash(value, PhantomData)
}

#[inline]
fn ways<T: ?Sized, E>(value: &T) -> ArgKey<'_, T, E> {
    let last = ArgHash(ArgNone(value, PhantomData));
    ArgKey(ArgHashForms(ArgHashSerialize(ArgHashDebug(ArgDebug(last)))))
}

/// An argument whose way into the key is to be chosen.
#[inline]
pub fn arg<T: ?Sized>(value: &T) -> ArgKey<'_, T, WithoutDebug> {
    ways(value)
}

/// An argument whose way into the key is to be chosen, by `Debug` where there is nothing better.
#[inline]
pub fn arg_or_debug<T: ?Sized>(value: &T) -> ArgKey<'_, T, OrDebug> {
    ways(value)
}

/// Declares the way of an argument that the attribute names, and its end where the bound isn't met.
macro_rules! named_ways {
    ($($(#[$doc:meta])* $function:ident: $name:ident[$bound:ident] => $part:ty, $make:expr, else $refused:ident;)*) => {$(
        $(#[$doc])*
        #[inline]
        pub fn $function<T: ?Sized>(value: &T) -> $name<'_, T> {
            $name($refused(value))
        }

        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<'a, T: ?Sized>($refused<'a, T>);

        $(#[$doc])*
        #[derive(Debug)]
        pub struct $refused<'a, T: ?Sized>(&'a T);

        impl<'a, T: ?Sized> Deref for $name<'a, T> {
            type Target = $refused<'a, T>;
            #[inline]
            fn deref(&self) -> &$refused<'a, T> {
                &self.0
            }
        }

        impl<'a, T: $bound + ?Sized> $name<'a, T> {
            /// Chooses.
            #[inline]
            pub fn __cachekit_part(&self) -> $part {
                $make(self.0.0)
            }
        }
    )*};
}

named_ways! {
    /// An argument whose `Hash` is enough.
    arg_hash: HashedArg[Hash] => ByHash<'a, T, Unneeded>, by_hash, else NotHash;
    /// An argument that goes in by its `Debug` text.
    arg_debug: PrintedArg[Debug] => ByDebug<'a, T>, ByDebug, else NotDebug;
}

// Not by the macro, because a compiler message shows the place of the bound.
impl<T: ?Sized> NotHash<'_, T> {
    /// Refuses.
    pub fn __cachekit_part(&self) -> Refused
    where
        T: Hash,
    {
        Refused(())
    }
}

impl<T: ?Sized> NotDebug<'_, T> {
    /// Refuses.
    pub fn __cachekit_part(&self) -> Refused
    where
        T: Debug,
    {
        Refused(())
    }
}

/// A type that is part of a key: by its id in the process, elsewhere by its name, and by its id too where types may share
/// the name.
#[derive(Debug)]
pub struct OfType<T: ?Sized, N>(PhantomData<fn() -> N>, PhantomData<fn() -> PhantomData<T>>);

/// The name is enough: a type parameter that declares `CacheKey`.
#[derive(Debug)]
pub struct ByName;

/// The name is enough: `Self` of an impl block, which declares `CacheKey`.
#[derive(Debug)]
pub struct ByOwnDeclaredName;

/// The name is enough unless the type has parameters: `Self` of an impl block, which the function is told by.
#[derive(Debug)]
pub struct ByOwnName;

/// Types of the standard library have one name each; others need not.
#[derive(Debug)]
pub struct ById;

/// How far the name of a type tells it.
pub trait Naming {
    /// The words of a type in a key. A function that is one for several types has one kind of table for all of them.
    const WORDS: usize = NO_WORDS;
    /// The same of a type that declares its values to be the same in every build.
    type Declared: Naming;
    /// Whether it tells enough.
    fn suffices(name: &str) -> bool;
}

impl Naming for ByName {
    type Declared = Self;
    fn suffices(_: &str) -> bool {
        true
    }
}

/// The words of `Self` of an impl block: the id's. Mostly the function is one of this type only.
const OWN_WORDS: usize = 1;

impl Naming for ByOwnDeclaredName {
    const WORDS: usize = OWN_WORDS;
    type Declared = Self;
    fn suffices(_: &str) -> bool {
        true
    }
}

impl Naming for ByOwnName {
    const WORDS: usize = OWN_WORDS;
    type Declared = ByOwnDeclaredName;
    fn suffices(name: &str) -> bool {
        !name.contains('<') || is_of_std(name)
    }
}

impl Naming for ById {
    type Declared = ByName;
    fn suffices(name: &str) -> bool {
        is_of_std(name)
    }
}

/// A type whose way into the key is to be chosen as that of an argument is.
#[derive(Debug)]
pub struct TypeOf<T: ?Sized, N>(OfType<T, N>);

impl<T: ?Sized, N> Deref for TypeOf<T, N> {
    type Target = OfType<T, N>;
    #[inline]
    fn deref(&self) -> &OfType<T, N> {
        &self.0
    }
}

#[expect(clippy::unused_self, reason = "found by the type of `self`")]
impl<T: CacheKey + ?Sized, N: Naming> TypeOf<T, N> {
    /// By name: the type declares that its values are the same in every build.
    #[inline]
    pub fn __cachekit_type(&self) -> OfType<T, N::Declared> {
        OfType(PhantomData, PhantomData)
    }
}

#[expect(clippy::unused_self, reason = "found by the type of `self`")]
impl<T: ?Sized, N> OfType<T, N> {
    /// By name and id.
    #[inline]
    pub fn __cachekit_type(&self) -> Self {
        Self(PhantomData, PhantomData)
    }
}

/// The type `T`.
#[inline]
#[must_use]
pub fn of_type<T: ?Sized>() -> TypeOf<T, ById> {
    TypeOf(OfType(PhantomData, PhantomData))
}

/// The type of an impl block.
#[inline]
#[must_use]
pub fn of_self<T: ?Sized>() -> TypeOf<T, ByOwnName> {
    TypeOf(OfType(PhantomData, PhantomData))
}

/// The type of a value whose type has no name (`impl Trait`).
#[inline]
#[must_use]
pub fn of_val<T: ?Sized>(_: &T) -> TypeOf<T, ById> {
    TypeOf(OfType(PhantomData, PhantomData))
}

impl<T: ?Sized, N: Naming> KeyPart for OfType<T, N> {
    const WORDS: usize = N::WORDS;
    #[inline]
    fn feed<W: KeyWriter>(&self, writer: &mut W) {
        if W::SHARED {
            feed_type::<T, N, W>(writer);
        } else if let Some(found) = writer.scout() {
            *found |= names_closure(type_name::<T>());
        } else {
            typeid::of::<T>().hash(writer);
        }
    }
    fn split(&self, parts: &mut Splitter) {
        parts.add(self, Kind::Type(type_name::<T>()));
    }
}

fn feed_type<T: ?Sized, N: Naming, W: KeyWriter>(writer: &mut W) {
    let name = type_name::<T>();
    name.cache_key(writer);
    // The id differs between builds, but not between the processes of one. Its `Debug` shows all of it, its `Hash` half.
    (!N::suffices(name)).then(|| format!("{:?}", typeid::of::<T>())).cache_key(writer);
}
