//! The form of a value, by `Serialize` or by `Debug`, as a part of a key.
//!
//! A form is a sequence of tokens, each with its kind in front, so that no form is the beginning of another. Nothing is
//! allocated for a key that stays in the process. The entries of a map are fed without their order, as those of a
//! `HashMap` come in any.

use std::any::type_name;
use std::fmt::{self, Debug, Display, Write as _};

use serde::ser::{self, Serialize};

use super::{CacheKey, KeyWriter, Unordered, holds_address};

/// Feeds the `Debug` text of a value.
///
/// The text of a `HashMap` or `HashSet` has a random order, so that equal values are different keys.
pub fn feed_debug<T: Debug + ?Sized, W: KeyWriter>(value: &T, writer: &mut W) {
    if let Some(found) = writer.scout() {
        *found |= holds_address(type_name::<T>());
        return;
    }
    Text(writer).write(format_args!("{value:?}"));
}

/// Feeds the serde form of a value. Returns whether its `Serialize` came to its end: if not, what it fed until then is part
/// of the key, with a mark.
pub fn feed_serialize<T: Serialize + ?Sized, W: KeyWriter>(value: &T, writer: &mut W) -> bool {
    if let Some(found) = writer.scout() {
        *found |= holds_address(type_name::<T>());
        return true;
    }
    let whole = value.serialize(Form(&mut *writer)).is_ok();
    if !whole {
        writer.write_u8(FAILED);
    }
    whole
}

/// Text that comes in pieces.
struct Text<'w, W>(&'w mut W);

impl<W: KeyWriter> Text<'_, W> {
    /// Feeds all pieces. The text of a failing `Display` or `Debug` ends where it failed.
    fn write(mut self, text: fmt::Arguments<'_>) {
        let _ = self.write_fmt(text);
        // No byte of UTF-8 is 0xff, so it ends the text.
        self.0.write_u8(0xff);
    }
}

impl<W: KeyWriter> fmt::Write for Text<'_, W> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.0.write_delimited(piece.as_bytes());
        Ok(())
    }
}

/// The `Serialize` of a type gave up.
#[derive(Debug)]
struct Failed;

impl Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value can't be serialized")
    }
}

impl std::error::Error for Failed {}

impl ser::Error for Failed {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

type Result<T = (), E = Failed> = std::result::Result<T, E>;
type Name = &'static str;

// The kinds of tokens. They are part of shared keys.
const END: u8 = 0;
const FAILED: u8 = 1;
const UNIT: u8 = 2;
const NONE: u8 = 3;
const SOME: u8 = 4;
const BOOL: u8 = 5;
const CHAR: u8 = 6;
const TEXT: u8 = 7;
const BYTES: u8 = 8;
const SEQUENCE: u8 = 9;
const MAP: u8 = 10;
const STRUCT: u8 = 11;
const VARIANT: u8 = 12;

/// Feeds the tokens of one value.
struct Form<'w, W>(&'w mut W);

impl<'w, W: KeyWriter> Form<'w, W> {
    fn scalar<T: CacheKey>(self, kind: u8, value: T) {
        self.0.write_u8(kind);
        value.cache_key(self.0);
    }

    fn open(self, kind: u8) -> Items<'w, W> {
        self.0.write_u8(kind);
        Items(self.0)
    }

    /// By its name, so that the position of a variant doesn't count.
    fn variant(&mut self, name: Name) {
        self.0.write_u8(VARIANT);
        name.cache_key(self.0);
    }
}

macro_rules! scalars {
    ($($kind:expr, $name:ident($t:ty);)*) => {$(
        #[inline]
        fn $name(self, v: $t) -> Result {
            self.scalar($kind, v);
            Ok(())
        }
    )*};
}

impl<'w, W: KeyWriter> ser::Serializer for Form<'w, W> {
    type Ok = ();
    type Error = Failed;
    type SerializeSeq = Items<'w, W>;
    type SerializeTuple = Items<'w, W>;
    type SerializeTupleStruct = Items<'w, W>;
    type SerializeTupleVariant = Items<'w, W>;
    type SerializeMap = Entries<'w, W>;
    type SerializeStruct = Items<'w, W>;
    type SerializeStructVariant = Items<'w, W>;

    scalars! {
        BOOL, serialize_bool(bool);
        CHAR, serialize_char(char);
        20, serialize_i8(i8);
        21, serialize_i16(i16);
        22, serialize_i32(i32);
        23, serialize_i64(i64);
        24, serialize_i128(i128);
        25, serialize_u8(u8);
        26, serialize_u16(u16);
        27, serialize_u32(u32);
        28, serialize_u64(u64);
        29, serialize_u128(u128);
        30, serialize_f32(f32);
        31, serialize_f64(f64);
        TEXT, serialize_str(&str);
        BYTES, serialize_bytes(&[u8]);
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result {
        self.0.write_u8(TEXT);
        Text(self.0).write(format_args!("{value}"));
        Ok(())
    }

    fn serialize_none(self) -> Result {
        self.scalar(NONE, ());
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        self.0.write_u8(SOME);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result {
        self.scalar(UNIT, ());
        Ok(())
    }

    fn serialize_unit_struct(self, _: Name) -> Result {
        self.serialize_unit()
    }

    fn serialize_unit_variant(mut self, _: Name, _: u32, variant: Name) -> Result {
        self.variant(variant);
        self.serialize_unit()
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: Name, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: Name,
        _: u32,
        variant: Name,
        value: &T,
    ) -> Result {
        self.variant(variant);
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'w, W>> {
        Ok(self.open(SEQUENCE))
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'w, W>> {
        Ok(self.open(SEQUENCE))
    }

    fn serialize_tuple_struct(self, _: Name, _: usize) -> Result<Items<'w, W>> {
        Ok(self.open(SEQUENCE))
    }

    fn serialize_tuple_variant(mut self, _: Name, _: u32, variant: Name, _: usize) -> Result<Items<'w, W>> {
        self.variant(variant);
        Ok(self.open(SEQUENCE))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries<'w, W>> {
        Ok(Entries { writer: self.0, collected: W::Unordered::default(), entry: None })
    }

    fn serialize_struct(self, _: Name, _: usize) -> Result<Items<'w, W>> {
        Ok(self.open(STRUCT))
    }

    fn serialize_struct_variant(mut self, _: Name, _: u32, variant: Name, _: usize) -> Result<Items<'w, W>> {
        self.variant(variant);
        Ok(self.open(STRUCT))
    }
}

/// The items of a sequence or the fields of a struct, up to an end: a type may announce another number than it serializes.
struct Items<'w, W>(&'w mut W);

impl<W: KeyWriter> Items<'_, W> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        value.serialize(Form(&mut *self.0))
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: Name, value: &T) -> Result {
        // The mark of a name, where the mark of the end may stand.
        self.0.write_u8(TEXT);
        name.cache_key(self.0);
        self.item(value)
    }

    fn finish(self) {
        self.0.write_u8(END);
    }
}

macro_rules! items {
    ($($trait:ident $method:ident($($name:ident: $t:ty)?) => $to:ident;)*) => {$(
        impl<W: KeyWriter> ser::$trait for Items<'_, W> {
            type Ok = ();
            type Error = Failed;

            fn $method<T: Serialize + ?Sized>(&mut self, $($name: $t,)? value: &T) -> Result {
                self.$to($($name,)? value)
            }

            fn end(self) -> Result {
                self.finish();
                Ok(())
            }
        }
    )*};
}

items! {
    SerializeSeq serialize_element() => item;
    SerializeTuple serialize_element() => item;
    SerializeTupleStruct serialize_field() => item;
    SerializeTupleVariant serialize_field() => item;
    SerializeStruct serialize_field(name: Name) => field;
    SerializeStructVariant serialize_field(name: Name) => field;
}

/// The entries of a map.
struct Entries<'w, W: KeyWriter> {
    writer: &'w mut W,
    collected: W::Unordered,
    /// The entry whose key has been fed, and whose value has not.
    entry: Option<<W::Unordered as Unordered>::Entry>,
}

impl<W: KeyWriter> Entries<'_, W> {
    fn close(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.collected.add(entry);
        }
    }
}

impl<W: KeyWriter> ser::SerializeMap for Entries<'_, W> {
    type Ok = ();
    type Error = Failed;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        self.close();
        let entry = self.entry.insert(self.collected.entry());
        key.serialize(Form(entry))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        let entry = self.entry.get_or_insert_with(|| self.collected.entry());
        value.serialize(Form(entry))?;
        self.close();
        Ok(())
    }

    fn end(mut self) -> Result {
        self.close();
        // Not before, because nothing but an end may follow where an entry failed.
        self.writer.write_u8(MAP);
        self.writer.write_collected(self.collected);
        Ok(())
    }
}
