//! Stored parts that are a few words, by their types.

use std::any::{Any, TypeId};
use std::time::Duration;

use cachekit_backends::NO_WORDS;
use cachekit_backends::simple::ValueWords;

/// Declares the types, each with its words and the way back.
macro_rules! plain {
    ($($t:ty [$words:literal]: |$value:ident| $to:expr, |$from:ident| $back:expr;)*) => {
        /// How many words a value of a type is, or [`NO_WORDS`].
        #[inline]
        pub(super) fn of_type<T: 'static>() -> usize {
            $(if TypeId::of::<T>() == TypeId::of::<$t>() { return $words; })*
            NO_WORDS
        }

        /// The words of a value, if it is of such a type.
        #[inline]
        pub(super) fn of_value<T: Any>(value: &T) -> Option<ValueWords> {
            let value = value as &dyn Any;
            $(if let Some(&$value) = value.downcast_ref::<$t>() { return Some($to); })*
            None
        }

        /// The value of words, if it is of such a type.
        #[inline]
        pub(super) fn to_value<T: Any>(words: ValueWords) -> Option<T> {
            let mut value: Option<T> = None;
            let slot = &mut value as &mut dyn Any;
            $(if let Some(slot) = slot.downcast_mut::<Option<$t>>() {
                let $from = words;
                *slot = $back;
                return value;
            })*
            value
        }
    };
}

plain! {
    () [1]: |_x| [0, 0], |_w| Some(());
    bool [1]: |x| [x.into(), 0], |w| Some(w[0] != 0);
    char [1]: |x| [u32::from(x).into(), 0], |w| u32::try_from(w[0]).ok().and_then(char::from_u32);
    u64 [1]: |x| [x, 0], |w| Some(w[0]);
    u32 [1]: |x| [x.into(), 0], |w| u32::try_from(w[0]).ok();
    u16 [1]: |x| [x.into(), 0], |w| u16::try_from(w[0]).ok();
    u8 [1]: |x| [x.into(), 0], |w| u8::try_from(w[0]).ok();
    usize [1]: |x| [x as u64, 0], |w| usize::try_from(w[0]).ok();
    i32 [1]: |x| [i64::from(x).cast_unsigned(), 0], |w| i32::try_from(w[0].cast_signed()).ok();
    i16 [1]: |x| [i64::from(x).cast_unsigned(), 0], |w| i16::try_from(w[0].cast_signed()).ok();
    i8 [1]: |x| [i64::from(x).cast_unsigned(), 0], |w| i8::try_from(w[0].cast_signed()).ok();
    i64 [1]: |x| [x.cast_unsigned(), 0], |w| Some(w[0].cast_signed());
    isize [1]: |x| [(x as i64).cast_unsigned(), 0], |w| isize::try_from(w[0].cast_signed()).ok();
    u128 [2]: |x| halves(x), |w| Some(u128::from(w[1]) << 64 | u128::from(w[0]));
    i128 [2]: |x| halves(x.cast_unsigned()), |w| Some((u128::from(w[1]) << 64 | u128::from(w[0])).cast_signed());
    f32 [1]: |x| [x.to_bits().into(), 0], |w| u32::try_from(w[0]).ok().map(f32::from_bits);
    f64 [1]: |x| [x.to_bits(), 0], |w| Some(f64::from_bits(w[0]));
    Duration [2]: |x| [x.as_secs(), x.subsec_nanos().into()], |w| u32::try_from(w[1]).ok().map(|nanos| Duration::new(w[0], nanos));
    Option<u64> [2]: |x| option(x), |w| from_option(w, Some);
    Option<u32> [2]: |x| option(x.map(Into::into)), |w| from_option(w, |x| u32::try_from(x).ok());
    Option<i64> [2]: |x| option(x.map(i64::cast_unsigned)), |w| from_option(w, |x| Some(x.cast_signed()));
    Option<i32> [2]: |x| option(x.map(|x| i64::from(x).cast_unsigned())), |w| from_option(w, |x| i32::try_from(x.cast_signed()).ok());
    Option<f64> [2]: |x| option(x.map(f64::to_bits)), |w| from_option(w, |x| Some(f64::from_bits(x)));
    Option<bool> [2]: |x| option(x.map(Into::into)), |w| from_option(w, |x| Some(x != 0));
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
fn halves(number: u128) -> ValueWords {
    [number as u64, (number >> 64) as u64]
}

#[inline]
fn option(value: Option<u64>) -> ValueWords {
    [value.is_some().into(), value.unwrap_or(0)]
}

#[inline]
#[expect(clippy::option_option, reason = "an optional value that may not be one")]
fn from_option<T>([is_some, word]: ValueWords, value: impl FnOnce(u64) -> Option<T>) -> Option<Option<T>> {
    if is_some == 0 { Some(None) } else { value(word).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returns<T: Any + PartialEq + std::fmt::Debug>(values: impl IntoIterator<Item = T>) {
        for value in values {
            let words = of_value(&value).expect("it is words");
            assert!(of_type::<T>() == 2 || words[1] == 0, "{value:?} takes more than its words");
            assert_eq!(to_value(words), Some(value));
        }
    }

    #[test]
    fn every_value_comes_back_from_its_words() {
        returns([()]);
        returns([true, false]);
        returns(['a', char::MAX]);
        returns([0, u64::MAX]);
        returns([0, u32::MAX]);
        returns([0, u16::MAX]);
        returns([0, u8::MAX]);
        returns([0, usize::MAX]);
        returns([i64::MIN, -1, i64::MAX]);
        returns([i32::MIN, -1, i32::MAX]);
        returns([i16::MIN, -1, i16::MAX]);
        returns([i8::MIN, -1, i8::MAX]);
        returns([isize::MIN, -1, isize::MAX]);
        returns([0, u128::MAX, 1 << 64]);
        returns([i128::MIN, -1, i128::MAX]);
        returns([0.0, -1.5, f32::MAX]);
        returns([0.0, -1.5, f64::MAX]);
        returns([Duration::ZERO, Duration::MAX]);
        returns([None, Some(0), Some(u64::MAX)]);
        returns([None, Some(0), Some(u32::MAX)]);
        returns([None, Some(i64::MIN)]);
        returns([None, Some(i32::MIN)]);
        returns([None, Some(0.5)]);
        returns([None, Some(true), Some(false)]);
        let (nan, zero) = (f64::from_bits(0x7ff8_0000_0000_1234), -0.0f64);
        for float in [nan, zero] {
            let back: f64 = of_value(&float).and_then(to_value).expect("it is words");
            assert_eq!(back.to_bits(), float.to_bits());
        }
        assert_eq!((of_value(&"text"), of_type::<String>()), (None, NO_WORDS));
    }
}
