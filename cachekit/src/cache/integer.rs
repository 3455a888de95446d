//! Integers of any width are one kind of value: what one type stored and `incr` raised, another may read if it fits.

use std::any::Any;

/// An integer as the in-process store keeps it.
#[derive(Clone, Copy)]
pub(super) struct Integer(pub(super) i128);

macro_rules! widths {
    ($($t:ty)*) => {
        /// The value, if `T` is an integer type of at most 64 bits.
        pub(super) fn to_integer<T: 'static>(value: &T) -> Option<Integer> {
            let value = value as &dyn Any;
            $(if let Some(n) = value.downcast_ref::<$t>() {
                return i128::try_from(*n).ok().map(Integer);
            })*
            None
        }

        /// An integer as `T`, if `T` is an integer type and it fits.
        pub(super) fn from_integer<T: 'static>(integer: Integer) -> Option<T> {
            let mut out: Option<T> = None;
            let slot = &mut out as &mut dyn Any;
            $(if let Some(slot) = slot.downcast_mut::<Option<$t>>() {
                *slot = <$t>::try_from(integer.0).ok();
                return out;
            })*
            out
        }
    };
}
widths!(i64 u64 i32 u32 i16 u16 i8 u8 isize usize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_width_reads_what_fits() {
        let seven = to_integer(&7u8).unwrap();
        assert_eq!(from_integer::<i64>(seven), Some(7));
        assert_eq!(from_integer::<u8>(Integer(256)), None);
        assert_eq!(from_integer::<u64>(Integer(-1)), None);
        assert_eq!(from_integer::<String>(seven), None);
        assert!(to_integer(&"7").is_none() && to_integer(&7.0f64).is_none());
    }
}
