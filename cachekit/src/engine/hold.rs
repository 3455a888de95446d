//! A borrowed or shared reference.

use std::ops::Deref;
use std::sync::Arc;

/// A reference to something that outlives the holder, or a share in it.
///
/// Most calls borrow, which costs no counting. A fragment or a response is stored by code that can't borrow.
pub(crate) enum Hold<'a, T> {
    Borrowed(&'a T),
    // Constructed by templates and the web, which are features.
    #[cfg_attr(not(any(feature = "minijinja", feature = "tower")), allow(dead_code, reason = "for features"))]
    Shared(Arc<T>),
}

impl<T> Clone for Hold<'_, T> {
    fn clone(&self) -> Self {
        match self {
            Self::Borrowed(value) => Self::Borrowed(value),
            Self::Shared(value) => Self::Shared(Arc::clone(value)),
        }
    }
}

impl<T> Deref for Hold<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match self {
            Self::Borrowed(value) => value,
            Self::Shared(value) => value,
        }
    }
}
