//! The bytes that a stored part counts against `max_bytes`.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cachekit_backends::content_size;
use cachekit_backends::simple::Weight;
use serde::Serialize;

/// Declares the types whose values own memory that is seen from outside, each with the bytes of it.
macro_rules! known {
    ($($t:ty: |$value:ident| $heap:expr;)*) => {
        /// The weight of a value, if all the memory that it takes is known by its type.
        fn known<T: Any>(value: &T) -> Option<Weight> {
            let any = value as &dyn Any;
            $(if let Some($value) = any.downcast_ref::<$t>() {
                return Some(Weight { bytes: (size_of::<$t>() + $heap) as u64, exact: true });
            })*
            None
        }
    };
}

/// The weight of a value: all the memory that it takes where its type tells that, else its size without what it owns.
pub(crate) fn by_type<T: Any>(value: &T) -> Weight {
    of_type(value).unwrap_or(Weight { bytes: size_of::<T>() as u64, exact: false })
}

/// The weight of a value: all the memory that it takes where its type tells that, else as much of it as its `Serialize` shows.
pub(crate) fn measured<T: Any + Serialize>(value: &T) -> Weight {
    of_type(value).unwrap_or_else(|| Weight { bytes: shown(value).max(size_of::<T>() as u64), exact: false })
}

/// The weight of a value that is said to count so many bytes, and counts others by its type. A thread may hold it for as long as
/// it takes no more than that.
pub(crate) fn said(bytes: u64, by_type: Weight) -> Weight {
    Weight { bytes, exact: by_type.exact && by_type.bytes <= bytes }
}

fn of_type<T: Any>(value: &T) -> Option<Weight> {
    if std::mem::needs_drop::<T>() {
        return known(value);
    }
    Some(Weight { bytes: size_of::<T>() as u64, exact: true })
}

/// A value whose `Serialize` panics is kept all the same: in process, nothing else needs it.
fn shown<T: Serialize>(value: &T) -> u64 {
    catch_unwind(AssertUnwindSafe(|| content_size(value))).unwrap_or(0)
}

known! {
    String: |x| x.capacity();
    Box<str>: |x| x.len();
    Arc<str>: |x| x.len();
    Vec<u8>: |x| x.capacity();
    Vec<u32>: |x| x.capacity() * size_of::<u32>();
    Vec<u64>: |x| x.capacity() * size_of::<u64>();
    Vec<i32>: |x| x.capacity() * size_of::<i32>();
    Vec<i64>: |x| x.capacity() * size_of::<i64>();
    Vec<f64>: |x| x.capacity() * size_of::<f64>();
    Vec<String>: |x| x.capacity() * size_of::<String>() + x.iter().map(String::capacity).sum::<usize>();
    Box<[u8]>: |x| x.len();
    Arc<[u8]>: |x| x.len();
    Arc<String>: |x| size_of::<String>() + x.capacity();
    Arc<Vec<u8>>: |x| size_of::<Vec<u8>>() + x.capacity();
    Option<String>: |x| x.as_ref().map_or(0, String::capacity);
}
