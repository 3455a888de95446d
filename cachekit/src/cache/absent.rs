//! Whether a computed value is a `None` or an `Err`, which `get_or_insert_with` returns without storing.
//!
//! A generic method can't choose by the shape of its type as the attributes do, which see the concrete one. Here the type's name
//! tells that it is an `Option` or a `Result`, under whatever alias, and serde which variant the value is.

use std::any::type_name;
use std::fmt;

use serde::ser::{Impossible, Serialize, Serializer};

/// Whether a value is the `None` of an `Option` or the `Err` of a `Result`. A type of the user's that is written like one of
/// them isn't.
pub(super) fn is_absent<T: Serialize>(value: &T) -> bool {
    let name = type_name::<T>();
    let has_shape = name.starts_with("core::option::Option<") || name.starts_with("core::result::Result<");
    has_shape && value.serialize(Variant) == Ok(true)
}

/// Looks at the outermost variant only: true if it is `None` or `Err`.
struct Variant;

type Other = Impossible<bool, fmt::Error>;

macro_rules! values {
    ($($name:ident($t:ty))*) => {$(
        fn $name(self, _: $t) -> Result<bool, fmt::Error> {
            Ok(false)
        }
    )*};
}

macro_rules! compounds {
    ($($name:ident($($t:ty),*))*) => {$(
        fn $name(self, $(_: $t),*) -> Result<Other, fmt::Error> {
            Err(fmt::Error)
        }
    )*};
}

type Name = &'static str;

impl Serializer for Variant {
    type Ok = bool;
    type Error = fmt::Error;
    type SerializeSeq = Other;
    type SerializeTuple = Other;
    type SerializeTupleStruct = Other;
    type SerializeTupleVariant = Other;
    type SerializeMap = Other;
    type SerializeStruct = Other;
    type SerializeStructVariant = Other;

    fn serialize_none(self) -> Result<bool, fmt::Error> {
        Ok(true)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<bool, fmt::Error> {
        Ok(false)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: Name,
        _: u32,
        variant: Name,
        _: &T,
    ) -> Result<bool, fmt::Error> {
        Ok(variant == "Err")
    }

    fn serialize_unit(self) -> Result<bool, fmt::Error> {
        Ok(false)
    }

    fn serialize_unit_variant(self, _: Name, _: u32, _: Name) -> Result<bool, fmt::Error> {
        Ok(false)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: Name, _: &T) -> Result<bool, fmt::Error> {
        Ok(false)
    }

    values! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_f32(f32)
        serialize_f64(f64) serialize_char(char) serialize_str(&str) serialize_bytes(&[u8])
        serialize_unit_struct(Name)
    }

    compounds! {
        serialize_seq(Option<usize>)
        serialize_tuple(usize)
        serialize_tuple_struct(Name, usize)
        serialize_tuple_variant(Name, u32, Name, usize)
        serialize_map(Option<usize>)
        serialize_struct(Name, usize)
        serialize_struct_variant(Name, u32, Name, usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Serialize;

    type Alias<T> = std::result::Result<T, String>;

    #[derive(Serialize)]
    #[serde(transparent)]
    struct Transparent(Option<u8>);

    #[derive(Serialize)]
    enum Written {
        Err(u8),
    }

    #[test]
    fn only_none_and_err_of_the_standard_library_are_absent() {
        assert!(
            is_absent(&None::<u8>)
                && is_absent(&None::<Option<u8>>)
                && is_absent(&Alias::<u8>::Err("e".into()))
        );
        assert!(!is_absent(&Some(1u8)) && !is_absent(&Some(None::<u8>)) && !is_absent(&Alias::Ok(1u8)));
        assert!(!is_absent(&Alias::Ok(None::<u8>)) && !is_absent(&Some(Alias::<u8>::Err("e".into()))));
        assert!(!is_absent(&Transparent(None)) && !is_absent(&Written::Err(1)) && !is_absent(&vec![1u8]));
        assert!(!is_absent(&()) && !is_absent(&"Err") && !is_absent(&(1u8, 2u8)));
    }
}
