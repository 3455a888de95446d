//! The size of a stored part against `max_bytes`, by its type.

use std::any::Any;
use std::sync::Arc;

use cachekit_backends::simple::Weight;

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

/// The weight of a value: all the memory that it takes where its type tells that, else at least its size.
pub(crate) fn weight<T: Any>(value: &T) -> Weight {
    if !std::mem::needs_drop::<T>() {
        return Weight { bytes: size_of::<T>() as u64, exact: true };
    }
    known(value).unwrap_or(Weight { bytes: size_of::<T>() as u64, exact: false })
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
