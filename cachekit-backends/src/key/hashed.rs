//! A value that has `Hash` only, as a part of a key.

use std::any::type_name;
use std::hash::{Hash, Hasher};

use super::{KeyWriter, holds_address};

/// Feeds what the `Hash` of a value feeds, write by write, so that it can't run into what comes after it.
///
/// A `Hash` may leave out what `Eq` compares: without a form of the value beside it, two different values may be one key.
/// It is the same on all platforms only where the `Hash` is: slices of integers are hashed in the platform's byte order.
pub fn feed_hash<T: Hash + ?Sized, W: KeyWriter>(value: &T, writer: &mut W) {
    if let Some(found) = writer.scout() {
        *found |= holds_address(type_name::<T>());
        return;
    }
    value.hash(&mut Marked(writer));
    writer.write_u8(END);
}

/// Stands where another mark would, if there were more.
const END: u8 = 0;
const BYTES: u8 = 1;

/// Puts a mark before each write, which tells its kind.
struct Marked<'w, W>(&'w mut W);

macro_rules! integers {
    ($($mark:literal $name:ident($t:ty);)*) => {$(
        #[inline]
        fn $name(&mut self, i: $t) {
            self.0.write_u8($mark);
            self.0.$name(i);
        }
    )*};
}

impl<W: KeyWriter> Hasher for Marked<'_, W> {
    fn finish(&self) -> u64 {
        self.0.finish()
    }
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0.write_u8(BYTES);
        self.0.write(bytes);
    }
    integers! {
        2 write_u8(u8);
        3 write_u16(u16);
        4 write_u32(u32);
        5 write_u64(u64);
        6 write_u128(u128);
        7 write_usize(usize);
        8 write_i8(i8);
        9 write_i16(i16);
        10 write_i32(i32);
        11 write_i64(i64);
        12 write_i128(i128);
        13 write_isize(isize);
    }
}
