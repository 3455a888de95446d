//! [`CacheKey`] for the types of the standard library.
//!
//! Two values feed the same bytes only if no function can tell them apart, even where `==` is coarser. The exceptions are
//! documented: all NaN are one, and neither the order of a collection that has none counts, nor how a value is held (`Cow`,
//! `Box`, a deque in one piece or two). What a type feeds is pinned by `golden.txt`: a change here makes every shared cache
//! cold. Equal values feed the same sequence of writes, not only the same bytes, because a digest may depend on where a
//! write ends.

use std::borrow::Cow;
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::convert::Infallible;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::{NonZero, Saturating, Wrapping};
use std::ops::{Bound, Range, RangeBounds, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::words::TEXT_WORDS;
use super::{CacheKey, KeyWriter};

const fn larger(one: usize, other: usize) -> usize {
    if one > other { one } else { other }
}

/// A type whose parts are leaves: no code of a user runs when it is fed.
macro_rules! leaves {
    ($($t:ty $([$words:expr])?: |$value:ident, $writer:ident| $feed:expr;)*) => {$(
        impl $crate::CacheKey for $t {
            $(const WORDS: usize = $words;)?
            #[inline]
            fn cache_key<W: $crate::KeyWriter>(&self, $writer: &mut W) {
                let $value = self;
                $feed
            }
        }
    )*};
}

/// A type that is trusted as far as its parameters are.
macro_rules! wrappers {
    ($([$($p:ident),+ $(; $extra:ident)?] $t:ty $([$words:expr])?: |$value:ident, $writer:ident| $feed:expr;)*) => {$(
        impl<$($p: $crate::CacheKey,)+ $($extra)?> $crate::CacheKey for $t {
            $(const WORDS: usize = $words;)?
            #[inline]
            fn cache_key<W: $crate::KeyWriter>(&self, $writer: &mut W) {
                let $value = self;
                $feed
            }
        }
    )*};
}

#[allow(unused_imports, reason = "each feature of a crate uses one")]
pub(super) use {leaves, wrappers};

macro_rules! integers {
    ($($t:ident $write:ident,)*) => {$(
        leaves! {
            $t [size_of::<$t>().div_ceil(8)]: |x, w| w.$write(*x);
            NonZero<$t> [size_of::<$t>().div_ceil(8)]: |x, w| w.$write(x.get());
        }
    )*};
}
integers! {
    u16 write_u16, u32 write_u32, u64 write_u64, u128 write_u128, usize write_usize,
    i8 write_i8, i16 write_i16, i32 write_i32, i64 write_i64, i128 write_i128, isize write_isize,
}

impl CacheKey for u8 {
    const WORDS: usize = 1;
    #[inline]
    fn cache_key<W: KeyWriter>(&self, writer: &mut W) {
        writer.write_u8(*self);
    }
    #[inline]
    fn cache_key_slice<W: KeyWriter>(items: &[Self], writer: &mut W) {
        writer.write_delimited(items);
    }
}

/// The quiet NaN that stands for all of them.
const NAN_32: u32 = 0x7fc0_0000;
const NAN_64: u64 = 0x7ff8_0000_0000_0000;

leaves! {
    NonZero<u8> [1]: |x, w| w.write_u8(x.get());
    bool [1]: |x, w| w.write_u8(u8::from(*x));
    char [1]: |x, w| w.write_u32(u32::from(*x));
    f32 [1]: |x, w| w.write_u32(if x.is_nan() { NAN_32 } else { x.to_bits() });
    f64 [1]: |x, w| w.write_u64(if x.is_nan() { NAN_64 } else { x.to_bits() });
    () [0]: |_x, _w| {};
    Infallible: |x, _w| match *x {};
    str [TEXT_WORDS]: |x, w| w.write_text(x);
    String [TEXT_WORDS]: |x, w| x.as_str().cache_key(w);
    CStr: |x, w| w.write_delimited(x.to_bytes_with_nul());
    CString: |x, w| x.as_c_str().cache_key(w);
    OsStr: |x, w| x.as_encoded_bytes().cache_key(w);
    OsString: |x, w| x.as_os_str().cache_key(w);
    PathBuf: |x, w| x.as_path().cache_key(w);
    Ordering [1]: |x, w| w.write_i8(*x as i8);
    RangeFull [0]: |_x, _w| {};
    Duration [2]: |x, w| { w.write_u64(x.as_secs()); w.write_u32(x.subsec_nanos()) };
    SystemTime [3]: |x, w| match x.duration_since(UNIX_EPOCH) {
        Ok(after) => { w.write_u8(0); after.cache_key(w) }
        Err(before) => { w.write_u8(1); before.duration().cache_key(w) }
    };
    Ipv4Addr [TEXT_WORDS]: |x, w| w.write_delimited(&x.octets());
    Ipv6Addr [TEXT_WORDS]: |x, w| w.write_delimited(&x.octets());
    IpAddr: |x, w| match x {
        IpAddr::V4(ip) => { w.write_u8(4); ip.cache_key(w) }
        IpAddr::V6(ip) => { w.write_u8(6); ip.cache_key(w) }
    };
    SocketAddrV4: |x, w| { x.ip().cache_key(w); w.write_u16(x.port()) };
    SocketAddrV6: |x, w| {
        x.ip().cache_key(w);
        w.write_u16(x.port());
        w.write_u32(x.flowinfo());
        w.write_u32(x.scope_id());
    };
    SocketAddr: |x, w| match x {
        SocketAddr::V4(addr) => { w.write_u8(4); addr.cache_key(w) }
        SocketAddr::V6(addr) => { w.write_u8(6); addr.cache_key(w) }
    };
    // `a//b` equals `a/b`, and the body can tell them apart.
    Path: |x, w| x.as_os_str().cache_key(w);
}

wrappers! {
    [T] Option<T> [T::WORDS.saturating_add(1)]: |x, w| match x {
        None => w.write_u8(0),
        Some(x) => { w.write_u8(1); x.cache_key(w) }
    };
    [T, E] Result<T, E> [larger(T::WORDS, E::WORDS).saturating_add(1)]: |x, w| match x {
        Ok(x) => { w.write_u8(0); x.cache_key(w) }
        Err(x) => { w.write_u8(1); x.cache_key(w) }
    };
    [T] Bound<T> [T::WORDS.saturating_add(1)]: |x, w| match x {
        Bound::Included(x) => { w.write_u8(0); x.cache_key(w) }
        Bound::Excluded(x) => { w.write_u8(1); x.cache_key(w) }
        Bound::Unbounded => w.write_u8(2),
    };
    [T] Wrapping<T> [T::WORDS]: |x, w| x.0.cache_key(w);
    [T] Saturating<T> [T::WORDS]: |x, w| x.0.cache_key(w);
    [T] Reverse<T> [T::WORDS]: |x, w| x.0.cache_key(w);
    [T] Range<T> [T::WORDS.saturating_mul(2)]: |x, w| { x.start.cache_key(w); x.end.cache_key(w) };
    [T] RangeFrom<T> [T::WORDS]: |x, w| x.start.cache_key(w);
    [T] RangeTo<T> [T::WORDS]: |x, w| x.end.cache_key(w);
    [T] RangeToInclusive<T> [T::WORDS]: |x, w| x.end.cache_key(w);
    // One that was iterated to its end differs from one that was not, and only its bound shows it.
    [T] RangeInclusive<T>: |x, w| { x.start().cache_key(w); x.end_bound().cache_key(w) };

    // Sequences: their length, then their items.
    [T] [T]: |x, w| { w.write_usize(x.len()); T::cache_key_slice(x, w) };
    [T] Vec<T>: |x, w| x.as_slice().cache_key(w);
    [T] VecDeque<T>: |x, w| feed_items(x.len(), x.iter(), w);
    [T] LinkedList<T>: |x, w| feed_items(x.len(), x.iter(), w);
    [T] BTreeSet<T>: |x, w| feed_items(x.len(), x.iter(), w);
    [K, V] BTreeMap<K, V>: |x, w| feed_items(x.len(), x.iter(), w);
    [T] BinaryHeap<T>: |x, w| w.write_unordered(x.iter());
    [T; S] HashSet<T, S>: |x, w| w.write_unordered(x.iter());
    [K, V; S] HashMap<K, V, S>: |x, w| w.write_unordered(x.iter());
}

// Item by item, because two equal deques may be split differently into slices.
#[inline]
pub(super) fn feed_items<W: KeyWriter>(len: usize, items: impl Iterator<Item: CacheKey>, w: &mut W) {
    w.write_usize(len);
    items.for_each(|item| item.cache_key(w));
}

impl<T: CacheKey, const N: usize> CacheKey for [T; N] {
    #[inline]
    fn cache_key<W: KeyWriter>(&self, writer: &mut W) {
        self.as_slice().cache_key(writer);
    }
}

impl<T: ?Sized> CacheKey for PhantomData<T> {
    const WORDS: usize = 0;
    #[inline]
    fn cache_key<W: KeyWriter>(&self, _writer: &mut W) {}
}

macro_rules! pointers {
    ($($t:ty,)*) => {$(
        impl<T: CacheKey + ?Sized> CacheKey for $t {
            const WORDS: usize = T::WORDS;
            #[inline]
            fn cache_key<W: KeyWriter>(&self, writer: &mut W) {
                (**self).cache_key(writer);
            }
        }
    )*};
}
pointers! { &T, Box<T>, Rc<T>, Arc<T>, }

impl<B: CacheKey + ToOwned + ?Sized> CacheKey for Cow<'_, B> {
    const WORDS: usize = B::WORDS;
    #[inline]
    fn cache_key<W: KeyWriter>(&self, writer: &mut W) {
        (**self).cache_key(writer);
    }
}

macro_rules! tuples {
    ($($head:ident $($tail:ident)*)?) => {$(
        impl<$head: CacheKey, $($tail: CacheKey),*> CacheKey for ($head, $($tail,)*) {
            const WORDS: usize = $head::WORDS$(.saturating_add($tail::WORDS))*;
            #[inline]
            #[expect(non_snake_case, reason = "a field is named like its type")]
            fn cache_key<Writer: KeyWriter>(&self, writer: &mut Writer) {
                let ($head, $($tail,)*) = self;
                $head.cache_key(writer);
                $($tail.cache_key(writer);)*
            }
        }
        tuples!($($tail)*);
    )?};
}
tuples!(A B C D E F G H I J K L M N O P);
