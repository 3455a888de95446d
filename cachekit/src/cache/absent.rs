//! Whether a computed value is a `None` or an `Err`, which `get_or_insert_with` returns without storing.
//!
//! A generic method can't choose by the shape of its type as the attributes do, which see the concrete one. Here the type's name
//! tells that it is an `Option` or a `Result`, under whatever alias, and serde which variant the value is.

use std::any::type_name;
use std::fmt;

use serde::ser::{Impossible, Serialize, Serializer};

/// A value that isn't stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    None,
    Err,
}

/// Returns whether a value is the `None` of an `Option` or the `Err` of a `Result`. A type of the user's that is written like one
/// of them is neither.
pub(super) fn absence<T: Serialize>(value: &T) -> Option<Absent> {
    let name = type_name::<T>();
    let has_shape = name.starts_with("core::option::Option<") || name.starts_with("core::result::Result<");
    if has_shape { value.serialize(Variant).unwrap_or(None) } else { None }
}

/// Looks at the outermost variant only.
struct Variant;

type Found = Option<Absent>;
type Other = Impossible<Found, fmt::Error>;

macro_rules! values {
    ($($name:ident($t:ty))*) => {$(
        fn $name(self, _: $t) -> Result<Found, fmt::Error> {
            Ok(None)
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
    type Ok = Found;
    type Error = fmt::Error;
    type SerializeSeq = Other;
    type SerializeTuple = Other;
    type SerializeTupleStruct = Other;
    type SerializeTupleVariant = Other;
    type SerializeMap = Other;
    type SerializeStruct = Other;
    type SerializeStructVariant = Other;

    fn serialize_none(self) -> Result<Found, fmt::Error> {
        Ok(Some(Absent::None))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Found, fmt::Error> {
        Ok(None)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: Name,
        _: u32,
        variant: Name,
        _: &T,
    ) -> Result<Found, fmt::Error> {
        Ok((variant == "Err").then_some(Absent::Err))
    }

    fn serialize_unit(self) -> Result<Found, fmt::Error> {
        Ok(None)
    }

    fn serialize_unit_variant(self, _: Name, _: u32, _: Name) -> Result<Found, fmt::Error> {
        Ok(None)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: Name, _: &T) -> Result<Found, fmt::Error> {
        Ok(None)
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
        assert_eq!(absence(&None::<u8>), Some(Absent::None));
        assert_eq!(absence(&None::<Option<u8>>), Some(Absent::None));
        assert_eq!(absence(&Alias::<u8>::Err("e".into())), Some(Absent::Err));
        let is_stored = |absent: Option<Absent>| absent.is_none();
        assert!(is_stored(absence(&Some(1u8))) && is_stored(absence(&Some(None::<u8>))));
        assert!(is_stored(absence(&Alias::Ok(1u8))) && is_stored(absence(&Alias::Ok(None::<u8>))));
        assert!(is_stored(absence(&Some(Alias::<u8>::Err("e".into())))));
        assert!(is_stored(absence(&Transparent(None))) && is_stored(absence(&Written::Err(1))));
        assert!(is_stored(absence(&vec![1u8])) && is_stored(absence(&())) && is_stored(absence(&"Err")));
        assert!(is_stored(absence(&(1u8, 2u8))));
    }
}
