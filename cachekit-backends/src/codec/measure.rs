//! The memory that a value takes, as far as its `Serialize` shows it. Nothing is written.

use serde::ser::{self, Serialize};

use super::{Depth, Fault, MAX_DEPTH};

type Result<T = (), E = Fault> = std::result::Result<T, E>;
type Name = &'static str;

/// The record of a text, a list or a map, beside its content: a pointer, a length and a capacity.
const RECORD: u64 = 24;
/// A value without content that stands among others: `None`, a variant.
const EMPTY: u64 = 8;

/// Adds up what the values are that it is given. The names of fields and variants take no memory.
pub(super) struct Meter {
    pub(super) bytes: u64,
    depth: Depth,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self { bytes: 0, depth: Depth(MAX_DEPTH) }
    }

    #[inline]
    #[expect(clippy::unnecessary_wraps, reason = "the last statement of most methods")]
    fn add(&mut self, bytes: u64) -> Result {
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    #[inline]
    fn nested<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.depth.enter()?;
        value.serialize(&mut *self)?;
        self.depth.leave();
        Ok(())
    }

    /// Begins a container with so many bytes beside its content.
    #[inline]
    fn container(&mut self, bytes: u64) -> Result<Content<'_>> {
        self.depth.enter()?;
        self.add(bytes)?;
        Ok(Content(self))
    }
}

/// A container that is being measured.
pub(super) struct Content<'m>(&'m mut Meter);

macro_rules! numbers {
    ($($name:ident($t:ty);)*) => {$(
        #[inline]
        fn $name(self, _: $t) -> Result {
            self.add(size_of::<$t>() as u64)
        }
    )*};
}

impl<'m> ser::Serializer for &'m mut Meter {
    type Ok = ();
    type Error = Fault;
    type SerializeSeq = Content<'m>;
    type SerializeTuple = Content<'m>;
    type SerializeTupleStruct = Content<'m>;
    type SerializeTupleVariant = Content<'m>;
    type SerializeMap = Content<'m>;
    type SerializeStruct = Content<'m>;
    type SerializeStructVariant = Content<'m>;

    numbers! {
        serialize_bool(bool);
        serialize_char(char);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_f32(f32);
        serialize_f64(f64);
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result {
        self.add(RECORD + text.len() as u64)
    }

    #[inline]
    fn serialize_bytes(self, bytes: &[u8]) -> Result {
        self.add(RECORD + bytes.len() as u64)
    }

    #[inline]
    fn serialize_none(self) -> Result {
        self.add(EMPTY)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        self.nested(value)
    }

    #[inline]
    fn serialize_unit(self) -> Result {
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: Name) -> Result {
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(self, _: Name, _: u32, _: Name) -> Result {
        self.add(EMPTY)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: Name, value: &T) -> Result {
        self.nested(value)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(self, _: Name, _: u32, _: Name, value: &T) -> Result {
        self.add(EMPTY)?;
        self.nested(value)
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Content<'m>> {
        self.container(RECORD)
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Content<'m>> {
        self.container(0)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: Name, _: usize) -> Result<Content<'m>> {
        self.container(0)
    }

    #[inline]
    fn serialize_tuple_variant(self, _: Name, _: u32, _: Name, _: usize) -> Result<Content<'m>> {
        self.container(EMPTY)
    }

    #[inline]
    fn serialize_map(self, _: Option<usize>) -> Result<Content<'m>> {
        self.container(RECORD)
    }

    #[inline]
    fn serialize_struct(self, _: Name, _: usize) -> Result<Content<'m>> {
        self.container(0)
    }

    #[inline]
    fn serialize_struct_variant(self, _: Name, _: u32, _: Name, _: usize) -> Result<Content<'m>> {
        self.container(EMPTY)
    }
}

macro_rules! content {
    ($($trait:ident { $($method:ident($($name:ident: $t:ty)?);)* })*) => {$(
        impl ser::$trait for Content<'_> {
            type Ok = ();
            type Error = Fault;

            $(#[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, $($name: $t,)? value: &T) -> Result {
                value.serialize(&mut *self.0)
            })*

            #[inline]
            fn end(self) -> Result {
                self.0.depth.leave();
                Ok(())
            }
        }
    )*};
}

content! {
    SerializeSeq { serialize_element(); }
    SerializeTuple { serialize_element(); }
    SerializeTupleStruct { serialize_field(); }
    SerializeTupleVariant { serialize_field(); }
    SerializeMap { serialize_key(); serialize_value(); }
    SerializeStruct { serialize_field(_name: Name); }
    SerializeStructVariant { serialize_field(_name: Name); }
}
