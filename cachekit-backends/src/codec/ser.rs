//! The serializer.

use rmp::encode;
use serde::ser::{self, Serialize};

use super::bytes::OnlyByte;
use super::{Depth, EXT_BYTES, EXT_I128, EXT_SOME, EXT_U128, Fault, MAX_DEPTH, NIL, SOME};

type Result<T = (), E = Fault> = std::result::Result<T, E>;
type Name = &'static str;

/// Appends `MessagePack` to a buffer.
pub(super) struct Serializer<'o> {
    out: &'o mut Vec<u8>,
    depth: Depth,
}

impl<'o> Serializer<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, depth: Depth(MAX_DEPTH) }
    }

    /// Writes a value one level down.
    fn nested<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.depth.enter()?;
        value.serialize(&mut *self)?;
        self.depth.leave();
        Ok(())
    }

    /// Begins `{variant: content}`.
    fn variant(&mut self, name: &str) -> Result {
        encode::write_map_len(self.out, 1)?;
        encode::write_str(self.out, name)?;
        Ok(())
    }

    /// Makes room for large content, once and hardly more than it needs: a buffer that doubles would take three times the value. What
    /// little follows has room too.
    #[inline]
    fn make_room(&mut self, len: usize) {
        if len >= LARGE {
            self.out.reserve_exact(len + len / 32 + 64);
        }
    }

    fn ext(&mut self, kind: i8, data: &[u8]) -> Result {
        encode::write_ext_meta(self.out, len32(data.len())?, kind)?;
        self.out.extend_from_slice(data);
        Ok(())
    }
}

/// Content of so many bytes gets room of its own.
const LARGE: usize = 64 * 1024;

/// A length as `MessagePack` writes it.
fn len32(len: usize) -> Result<u32> {
    u32::try_from(len).map_err(|_| Fault::new("a string or a container is longer than 2^32 - 1"))
}

macro_rules! integers {
    ($($name:ident($t:ty) => $write:ident;)*) => {$(
        #[inline]
        fn $name(self, v: $t) -> Result {
            encode::$write(self.out, v.into())?;
            Ok(())
        }
    )*};
}

impl<'a, 'o> ser::Serializer for &'a mut Serializer<'o> {
    type Ok = ();
    type Error = Fault;
    type SerializeSeq = Compound<'a, 'o>;
    type SerializeTuple = Compound<'a, 'o>;
    type SerializeTupleStruct = Compound<'a, 'o>;
    type SerializeTupleVariant = Compound<'a, 'o>;
    type SerializeMap = Compound<'a, 'o>;
    type SerializeStruct = Compound<'a, 'o>;
    type SerializeStructVariant = Compound<'a, 'o>;

    integers! {
        serialize_i8(i8) => write_sint;
        serialize_i16(i16) => write_sint;
        serialize_i32(i32) => write_sint;
        serialize_i64(i64) => write_sint;
        serialize_u8(u8) => write_uint;
        serialize_u16(u16) => write_uint;
        serialize_u32(u32) => write_uint;
        serialize_u64(u64) => write_uint;
        serialize_f32(f32) => write_f32;
        serialize_f64(f64) => write_f64;
    }

    fn serialize_i128(self, v: i128) -> Result {
        match (i64::try_from(v), u64::try_from(v)) {
            (Ok(v), _) => self.serialize_i64(v),
            (_, Ok(v)) => self.serialize_u64(v),
            _ => self.ext(EXT_I128, &v.to_be_bytes()),
        }
    }

    fn serialize_u128(self, v: u128) -> Result {
        match u64::try_from(v) {
            Ok(v) => self.serialize_u64(v),
            Err(_) => self.ext(EXT_U128, &v.to_be_bytes()),
        }
    }

    #[inline]
    fn serialize_bool(self, v: bool) -> Result {
        self.out.push(if v { rmp::Marker::True } else { rmp::Marker::False }.to_u8());
        Ok(())
    }

    fn serialize_char(self, v: char) -> Result {
        self.serialize_str(v.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, v: &str) -> Result {
        self.make_room(v.len());
        encode::write_str_len(self.out, len32(v.len())?)?;
        self.out.extend_from_slice(v.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, v: &[u8]) -> Result {
        self.make_room(v.len());
        encode::write_bin_len(self.out, len32(v.len())?)?;
        self.out.extend_from_slice(v);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        let start = self.out.len();
        self.nested(value)?;
        // The written bytes tell whether this `Some` would be lost.
        match self.out.get_mut(start..) {
            Some([NIL]) => {
                self.out.truncate(start);
                self.ext(EXT_SOME, &[1])
            }
            Some([a, b, count]) if [*a, *b] == SOME => {
                *count = count.checked_add(1).ok_or_else(Fault::too_deep)?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    #[inline]
    fn serialize_unit(self) -> Result {
        self.out.push(NIL);
        Ok(())
    }

    fn serialize_unit_struct(self, _: Name) -> Result {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(self, _: Name, _: u32, variant: Name) -> Result {
        self.serialize_str(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: Name, value: &T) -> Result {
        self.nested(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: Name,
        _: u32,
        variant: Name,
        value: &T,
    ) -> Result {
        self.variant(variant)?;
        self.nested(value)
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Compound<'a, 'o>> {
        Compound::begin(self, Form::Undecided, len.unwrap_or(0))
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Compound<'a, 'o>> {
        Compound::begin(self, Form::Undecided, len)
    }

    fn serialize_tuple_struct(self, _: Name, len: usize) -> Result<Compound<'a, 'o>> {
        Compound::begin(self, Form::Array, len)
    }

    fn serialize_tuple_variant(self, _: Name, _: u32, variant: Name, len: usize) -> Result<Compound<'a, 'o>> {
        self.variant(variant)?;
        Compound::begin(self, Form::Array, len)
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Compound<'a, 'o>> {
        Compound::begin(self, Form::Map, len.unwrap_or(0))
    }

    #[inline]
    fn serialize_struct(self, _: Name, len: usize) -> Result<Compound<'a, 'o>> {
        Compound::begin(self, Form::Map, len)
    }

    fn serialize_struct_variant(
        self,
        _: Name,
        _: u32,
        variant: Name,
        len: usize,
    ) -> Result<Compound<'a, 'o>> {
        self.variant(variant)?;
        Compound::begin(self, Form::Map, len)
    }
}

/// The kind of a container's head.
#[derive(Clone, Copy)]
enum Form {
    /// A sequence whose first element will tell whether it is one of bytes.
    Undecided,
    /// A sequence of `u8`, as far as it has come.
    Bytes,
    Array,
    Map,
}

/// A container that is being written.
///
/// Its head says the announced length at first and is corrected at the end, so that flattened structs, which don't know
/// their length, need no second buffer, and a wrong announcement does no harm.
pub(super) struct Compound<'a, 'o> {
    ser: &'a mut Serializer<'o>,
    form: Form,
    /// Where the head begins.
    start: usize,
    /// Where the head ends.
    body: usize,
    announced: u32,
    count: usize,
}

impl<'a, 'o> Compound<'a, 'o> {
    #[inline]
    fn begin(ser: &'a mut Serializer<'o>, form: Form, announced: usize) -> Result<Self> {
        ser.depth.enter()?;
        let start = ser.out.len();
        let mut compound = Self { ser, form, start, body: start, announced: len32(announced)?, count: 0 };
        compound.head()?;
        Ok(compound)
    }

    /// Writes the head at the end of the buffer.
    #[inline]
    fn head(&mut self) -> Result {
        write_head(self.ser.out, self.form, self.announced)?;
        self.body = self.ser.out.len();
        Ok(())
    }

    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.count += 1;
        match self.form {
            Form::Undecided | Form::Bytes => self.byte_or_element(value),
            Form::Array | Form::Map => value.serialize(&mut *self.ser),
        }
    }

    #[inline]
    fn byte_or_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        let Ok(byte) = value.serialize(OnlyByte) else {
            self.become_array()?;
            return value.serialize(&mut *self.ser);
        };
        if matches!(self.form, Form::Undecided) {
            self.form = Form::Bytes;
            self.head()?;
            self.ser.make_room(self.announced as usize);
        }
        self.ser.out.push(byte);
        Ok(())
    }

    /// Writes the bytes so far as numbers, because the sequence isn't one of bytes after all.
    fn become_array(&mut self) -> Result {
        let bytes = self.ser.out.split_off(self.body);
        self.ser.out.truncate(self.start);
        self.form = Form::Array;
        self.head()?;
        for byte in bytes {
            encode::write_uint(self.ser.out, byte.into())?;
        }
        Ok(())
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, name: Name, value: &T) -> Result {
        self.count += 1;
        encode::write_str(self.ser.out, name)?;
        value.serialize(&mut *self.ser)
    }

    #[inline]
    fn finish(mut self) -> Result {
        if matches!(self.form, Form::Undecided) {
            // No element came.
            (self.form, self.announced) = (Form::Array, 0);
            self.head()?;
        }
        if usize::try_from(self.announced) != Ok(self.count) {
            self.correct_head()?;
        }
        self.ser.depth.leave();
        Ok(())
    }

    fn correct_head(&mut self) -> Result {
        let mut head = Vec::with_capacity(8);
        write_head(&mut head, self.form, len32(self.count)?)?;
        self.ser.out.splice(self.start..self.body, head);
        Ok(())
    }
}

#[inline]
fn write_head(out: &mut Vec<u8>, form: Form, len: u32) -> Result {
    match form {
        Form::Undecided => {}
        Form::Bytes => {
            encode::write_ext_meta(out, len, EXT_BYTES)?;
        }
        Form::Array => {
            encode::write_array_len(out, len)?;
        }
        Form::Map => {
            encode::write_map_len(out, len)?;
        }
    }
    Ok(())
}

macro_rules! compound {
    ($($trait:ident { $($method:ident($($name:ident: $t:ty)?) => $to:ident;)* })*) => {$(
        impl ser::$trait for Compound<'_, '_> {
            type Ok = ();
            type Error = Fault;

            $(#[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, $($name: $t,)? value: &T) -> Result {
                self.$to($($name,)? value)
            })*

            #[inline]
            fn end(self) -> Result {
                self.finish()
            }
        }
    )*};
}

compound! {
    SerializeSeq { serialize_element() => element; }
    SerializeTuple { serialize_element() => element; }
    SerializeTupleStruct { serialize_field() => element; }
    SerializeTupleVariant { serialize_field() => element; }
    SerializeMap { serialize_key() => element; serialize_value() => value; }
    SerializeStruct { serialize_field(name: Name) => field; }
    SerializeStructVariant { serialize_field(name: Name) => field; }
}

impl Compound<'_, '_> {
    /// The value of the key that came before; the pair is counted already.
    #[inline]
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        value.serialize(&mut *self.ser)
    }
}
