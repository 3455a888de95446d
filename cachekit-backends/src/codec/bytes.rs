//! Sequences of `u8`: how they are recognised, and how they are read.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde::ser::{Impossible, Serialize, Serializer};

use super::Fault;

/// A serializer that takes a `u8`, also one in a newtype, and refuses everything else.
///
/// For an element type that can't be a `u8` all of it is a constant after inlining.
pub(super) struct OnlyByte;

/// The refusal; it has no message because no caller sees it.
#[derive(Debug)]
pub(super) struct NotByte;

impl fmt::Display for NotByte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a byte")
    }
}

impl std::error::Error for NotByte {}

impl serde::ser::Error for NotByte {
    fn custom<T: fmt::Display>(_: T) -> Self {
        NotByte
    }
}

macro_rules! refuse {
    ($($name:ident($($arg:ty),*) $(-> $compound:ty)?;)*) => {$(
        #[inline]
        fn $name(self, $(_: $arg),*) -> Result<refuse!(@out $($compound)?), NotByte> {
            Err(NotByte)
        }
    )*};
    (@out) => { u8 };
    (@out $compound:ty) => { $compound };
}

type Never = Impossible<u8, NotByte>;
type Name = &'static str;

impl Serializer for OnlyByte {
    type Ok = u8;
    type Error = NotByte;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    #[inline]
    fn serialize_u8(self, v: u8) -> Result<u8, NotByte> {
        Ok(v)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: Name, value: &T) -> Result<u8, NotByte> {
        value.serialize(self)
    }

    refuse! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(Name);
        serialize_unit_variant(Name, u32, Name);
        serialize_seq(Option<usize>) -> Never;
        serialize_tuple(usize) -> Never;
        serialize_tuple_struct(Name, usize) -> Never;
        serialize_tuple_variant(Name, u32, Name, usize) -> Never;
        serialize_map(Option<usize>) -> Never;
        serialize_struct(Name, usize) -> Never;
        serialize_struct_variant(Name, u32, Name, usize) -> Never;
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<u8, NotByte> {
        Err(NotByte)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: Name,
        _: u32,
        _: Name,
        _: &T,
    ) -> Result<u8, NotByte> {
        Err(NotByte)
    }

    // The provided ones run the iterator or the formatter before they give up.
    #[inline]
    fn collect_seq<I: IntoIterator<Item: Serialize>>(self, _: I) -> Result<u8, NotByte> {
        Err(NotByte)
    }

    #[inline]
    fn collect_map<K: Serialize, V: Serialize, I: IntoIterator<Item = (K, V)>>(
        self,
        _: I,
    ) -> Result<u8, NotByte> {
        Err(NotByte)
    }

    #[inline]
    fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> Result<u8, NotByte> {
        Err(NotByte)
    }
}

/// The elements of a sequence of `u8`.
pub(super) struct Bytes<'de>(pub(super) &'de [u8]);

impl<'de> SeqAccess<'de> for Bytes<'de> {
    type Error = Fault;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some((&byte, rest)) = self.0.split_first() else { return Ok(None) };
        self.0 = rest;
        seed.deserialize(Byte(byte, PhantomData)).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// One element. Unlike serde's own deserializer of a `u8` it also reads newtypes and options.
struct Byte<'de>(u8, PhantomData<&'de ()>);

impl<'de> Deserializer<'de> for Byte<'de> {
    type Error = Fault;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_u8(self.0)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: Name, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _: Name, _: &'static [Name], _: V) -> Result<V::Value, Fault> {
        Err(de::Error::custom("a byte is no enum"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}
