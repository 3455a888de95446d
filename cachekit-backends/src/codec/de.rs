//! The deserializer.

use rmp::Marker;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, DeserializeSeed, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::bytes::Bytes;
use super::{Depth, EXT_BYTES, EXT_I128, EXT_SOME, EXT_U128, Fault, MAX_DEPTH, NIL, SOME};

type Result<T, E = Fault> = std::result::Result<T, E>;
type Name = &'static str;

/// Reads `MessagePack` from a slice.
pub(super) struct Deserializer<'de> {
    input: &'de [u8],
    /// The `Some`s still to come around a nil, while a nested option is being read.
    nested: Option<u8>,
    depth: Depth,
}

/// One thing that was read; of a container only its head.
#[derive(Clone, Copy)]
enum Token<'de> {
    Nil,
    /// A nil in at least one `Some`.
    Some(u8),
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    U128(u128),
    I128(i128),
    F32(f32),
    F64(f64),
    Str(&'de str),
    /// A byte string.
    Bin(&'de [u8]),
    /// A sequence of `u8`.
    Bytes(&'de [u8]),
    Array(usize),
    Map(usize),
}

impl<'de> Deserializer<'de> {
    pub(super) fn new(input: &'de [u8]) -> Self {
        Self { input, nested: None, depth: Depth(MAX_DEPTH) }
    }

    /// Fails unless everything was read.
    pub(super) fn end(&self) -> Result<()> {
        match (self.nested, self.input) {
            (None, []) => Ok(()),
            _ => Err(Fault::new("bytes are left over")),
        }
    }

    /// The next thing, if it is a sequence of `u8` or a byte string.
    pub(super) fn bytes(&mut self) -> Option<&'de [u8]> {
        match self.next() {
            Ok(Token::Bytes(bytes) | Token::Bin(bytes)) => Some(bytes),
            _ => None,
        }
    }

    #[inline]
    fn take(&mut self, len: usize) -> Result<&'de [u8]> {
        let (taken, rest) = self.input.split_at_checked(len).ok_or_else(truncated)?;
        self.input = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.input.split_first_chunk().ok_or_else(truncated)?;
        self.input = rest;
        Ok(*taken)
    }

    /// A length of `N` bytes.
    fn len<const N: usize>(&mut self) -> Result<usize> {
        let bytes: [u8; N] = self.array()?;
        Ok(bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)))
    }

    /// A container's length, if the input has at least `least` bytes for each of its parts.
    #[inline]
    fn fits(&self, len: usize, least: usize) -> Result<usize> {
        if len > self.input.len() / least { Err(truncated()) } else { Ok(len) }
    }

    fn str(&mut self, len: usize) -> Result<Token<'de>> {
        std::str::from_utf8(self.take(len)?).map(Token::Str).map_err(Fault::new)
    }

    fn ext(&mut self, len: usize) -> Result<Token<'de>> {
        let kind = i8::from_be_bytes(self.array()?);
        let data = self.take(len)?;
        let wide =
            || data.try_into().map_err(|_| Fault::new("a wide integer has another size than 128 bits"));
        match (kind, data) {
            (EXT_SOME, &[count @ 1..=255]) => Ok(Token::Some(count)),
            (EXT_BYTES, _) => Ok(Token::Bytes(data)),
            (EXT_I128, _) => wide().map(|bytes| Token::I128(i128::from_be_bytes(bytes))),
            (EXT_U128, _) => wide().map(|bytes| Token::U128(u128::from_be_bytes(bytes))),
            _ => Err(Fault::new(format_args!("an extension of type {kind} means nothing here"))),
        }
    }

    #[inline]
    fn next(&mut self) -> Result<Token<'de>> {
        match self.nested.take() {
            None => self.read(),
            Some(0) => Ok(Token::Nil),
            Some(count) => Ok(Token::Some(count)),
        }
    }

    fn read(&mut self) -> Result<Token<'de>> {
        let [byte] = self.array()?;
        Ok(match Marker::from_u8(byte) {
            Marker::Null => Token::Nil,
            Marker::True => Token::Bool(true),
            Marker::False => Token::Bool(false),
            Marker::FixPos(v) => Token::Unsigned(v.into()),
            Marker::FixNeg(v) => Token::Signed(v.into()),
            Marker::U8 => Token::Unsigned(u8::from_be_bytes(self.array()?).into()),
            Marker::U16 => Token::Unsigned(u16::from_be_bytes(self.array()?).into()),
            Marker::U32 => Token::Unsigned(u32::from_be_bytes(self.array()?).into()),
            Marker::U64 => Token::Unsigned(u64::from_be_bytes(self.array()?)),
            Marker::I8 => Token::Signed(i8::from_be_bytes(self.array()?).into()),
            Marker::I16 => Token::Signed(i16::from_be_bytes(self.array()?).into()),
            Marker::I32 => Token::Signed(i32::from_be_bytes(self.array()?).into()),
            Marker::I64 => Token::Signed(i64::from_be_bytes(self.array()?)),
            Marker::F32 => Token::F32(f32::from_be_bytes(self.array()?)),
            Marker::F64 => Token::F64(f64::from_be_bytes(self.array()?)),
            Marker::FixStr(len) => self.str(len.into())?,
            Marker::Str8 => self.len::<1>().and_then(|len| self.str(len))?,
            Marker::Str16 => self.len::<2>().and_then(|len| self.str(len))?,
            Marker::Str32 => self.len::<4>().and_then(|len| self.str(len))?,
            Marker::Bin8 => Token::Bin(self.len::<1>().and_then(|len| self.take(len))?),
            Marker::Bin16 => Token::Bin(self.len::<2>().and_then(|len| self.take(len))?),
            Marker::Bin32 => Token::Bin(self.len::<4>().and_then(|len| self.take(len))?),
            Marker::FixArray(len) => Token::Array(self.fits(len.into(), 1)?),
            Marker::Array16 => Token::Array(self.len::<2>().and_then(|len| self.fits(len, 1))?),
            Marker::Array32 => Token::Array(self.len::<4>().and_then(|len| self.fits(len, 1))?),
            Marker::FixMap(len) => Token::Map(self.fits(len.into(), 2)?),
            Marker::Map16 => Token::Map(self.len::<2>().and_then(|len| self.fits(len, 2))?),
            Marker::Map32 => Token::Map(self.len::<4>().and_then(|len| self.fits(len, 2))?),
            Marker::FixExt1 => self.ext(1)?,
            Marker::FixExt2 => self.ext(2)?,
            Marker::FixExt4 => self.ext(4)?,
            Marker::FixExt8 => self.ext(8)?,
            Marker::FixExt16 => self.ext(16)?,
            Marker::Ext8 => self.len::<1>().and_then(|len| self.ext(len))?,
            Marker::Ext16 => self.len::<2>().and_then(|len| self.ext(len))?,
            Marker::Ext32 => self.len::<4>().and_then(|len| self.ext(len))?,
            Marker::Reserved => return Err(Fault::new("the byte 0xc1 is no MessagePack")),
        })
    }

    fn visit<V: Visitor<'de>>(&mut self, token: Token<'de>, visitor: V) -> Result<V::Value> {
        match token {
            Token::Nil => visitor.visit_unit(),
            Token::Some(count) => {
                self.nested = Some(count - 1);
                self.visit_some(visitor)
            }
            Token::Bool(v) => visitor.visit_bool(v),
            Token::Unsigned(v) => visitor.visit_u64(v),
            Token::Signed(v) => visitor.visit_i64(v),
            Token::U128(v) => visitor.visit_u128(v),
            Token::I128(v) => visitor.visit_i128(v),
            Token::F32(v) => visitor.visit_f32(v),
            Token::F64(v) => visitor.visit_f64(v),
            Token::Str(v) => visitor.visit_borrowed_str(v),
            Token::Bin(v) => visitor.visit_borrowed_bytes(v),
            Token::Bytes(v) => visit_byte_seq(v, visitor),
            Token::Array(len) => self.visit_array(len, visitor),
            Token::Map(len) => self.visit_map(len, false, visitor),
        }
    }

    /// Counted, because a `Some` takes no bytes: a type like `struct List(Option<Box<List>>)` would be read for ever.
    #[inline]
    fn visit_some<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value> {
        self.depth.enter()?;
        let value = visitor.visit_some(&mut *self)?;
        self.depth.leave();
        Ok(value)
    }

    #[inline]
    fn visit_array<V: Visitor<'de>>(&mut self, left: usize, visitor: V) -> Result<V::Value> {
        self.depth.enter()?;
        let mut items = Items { de: self, left, named: false };
        let value = visitor.visit_seq(&mut items)?;
        items.end()?;
        Ok(value)
    }

    #[inline]
    fn visit_map<V: Visitor<'de>>(&mut self, left: usize, named: bool, visitor: V) -> Result<V::Value> {
        self.depth.enter()?;
        let mut items = Items { de: self, left, named };
        let value = visitor.visit_map(&mut items)?;
        items.end()?;
        Ok(value)
    }

    /// Fails unless a string comes next. serde's derived code would take a number for an index.
    #[inline]
    fn expect_name(&self) -> Result<()> {
        match self.input {
            [0xa0..=0xbf | 0xd9..=0xdb, ..] if self.nested.is_none() => Ok(()),
            _ => Err(Fault::new("the name of a field or variant is no string")),
        }
    }
}

#[cold]
fn truncated() -> Fault {
    Fault::new("the bytes end too early")
}

fn visit_byte_seq<'de, V: Visitor<'de>>(bytes: &'de [u8], visitor: V) -> Result<V::Value> {
    let mut bytes = Bytes(bytes);
    let value = visitor.visit_seq(&mut bytes)?;
    if bytes.0.is_empty() { Ok(value) } else { Err(Fault::new("a sequence is too long")) }
}

impl<'de> de::Deserializer<'de> for &mut Deserializer<'de> {
    type Error = Fault;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let token = self.next()?;
        self.visit(token, visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let nested = match (self.nested.take(), self.input) {
            (None, [NIL, rest @ ..]) => {
                self.input = rest;
                0
            }
            (None, [a, b, count @ 1..=255, rest @ ..]) if [*a, *b] == SOME => {
                self.input = rest;
                *count
            }
            (Some(count), _) => count,
            (None, _) => return self.visit_some(visitor),
        };
        match nested.checked_sub(1) {
            None => visitor.visit_none(),
            some => {
                self.nested = some;
                self.visit_some(visitor)
            }
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: Name, visitor: V) -> Result<V::Value> {
        self.deserialize_any(visitor)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: Name, visitor: V) -> Result<V::Value> {
        self.depth.enter()?;
        let value = visitor.visit_newtype_struct(&mut *self)?;
        self.depth.leave();
        Ok(value)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.next()? {
            Token::Bin(bytes) => visit_byte_seq(bytes, visitor),
            token => self.visit(token, visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: Name, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.next()? {
            Token::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            token => self.visit(token, visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: Name,
        _: &'static [Name],
        visitor: V,
    ) -> Result<V::Value> {
        match self.next()? {
            Token::Map(len) => self.visit_map(len, true, visitor),
            // By position is how fields get mixed up.
            Token::Array(_) | Token::Bytes(_) => Err(de::Error::invalid_type(Unexpected::Seq, &visitor)),
            token => self.visit(token, visitor),
        }
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(self, _: Name, _: &'static [Name], visitor: V) -> Result<V::Value> {
        match self.next()? {
            Token::Str(variant) => visitor.visit_enum(BorrowedStrDeserializer::new(variant)),
            Token::Map(1) => {
                self.expect_name()?;
                self.depth.enter()?;
                let value = visitor.visit_enum(Variant { de: &mut *self })?;
                self.depth.leave();
                Ok(value)
            }
            _ => Err(Fault::new("an enum is neither a name nor a map of one")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string unit map identifier ignored_any
    }
}

/// The parts of an array or a map that are still to be read.
struct Items<'a, 'de> {
    de: &'a mut Deserializer<'de>,
    left: usize,
    /// Whether the keys are names of fields.
    named: bool,
}

impl Items<'_, '_> {
    #[inline]
    fn end(self) -> Result<()> {
        if self.left > 0 {
            return Err(Fault::new("a sequence or map is too long"));
        }
        self.de.depth.leave();
        Ok(())
    }

    /// Every part takes at least a byte, so this never exceeds what the input holds.
    #[inline]
    fn hint(&self) -> usize {
        self.left.min(self.de.input.len())
    }
}

impl<'de> de::SeqAccess<'de> for Items<'_, 'de> {
    type Error = Fault;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.de).map(Some)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

impl<'de> de::MapAccess<'de> for Items<'_, 'de> {
    type Error = Fault;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        if self.named {
            self.de.expect_name()?;
        }
        seed.deserialize(&mut *self.de).map(Some)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        seed.deserialize(&mut *self.de)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.hint())
    }
}

/// A variant with content: a map of its name to the content.
struct Variant<'a, 'de> {
    de: &'a mut Deserializer<'de>,
}

impl<'de> de::EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self)> {
        Ok((seed.deserialize(&mut *self.de)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Fault;

    fn unit_variant(self) -> Result<()> {
        de::Deserialize::deserialize(self.de)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(self.de)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        de::Deserializer::deserialize_tuple(self.de, len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [Name], visitor: V) -> Result<V::Value> {
        de::Deserializer::deserialize_struct(self.de, "", fields, visitor)
    }
}
