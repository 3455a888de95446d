//! The function's own attributes, its visibility and its documentation are kept.
#![deny(warnings, missing_docs, clippy::pedantic, unreachable_pub, missing_debug_implementations)]

/// A library's surface.
pub mod surface {
    use cachekit::memoize;

    /// Documented.
    #[must_use]
    #[memoize]
    pub fn documented(id: u64) -> u64 {
        id
    }

    /// # Errors
    /// Never.
    #[memoize]
    pub fn fallible(id: u64) -> Result<u64, String> {
        Ok(id)
    }

    /// A type.
    #[derive(Debug, Hash)]
    pub struct Thing;

    impl Thing {
        /// A method.
        #[memoize]
        #[must_use]
        #[inline]
        pub fn method(&self, id: u64) -> u64 {
            id
        }

        /// # Errors
        /// Never.
        #[memoize]
        pub async fn later(&self, id: u64) -> Result<u64, String> {
            std::future::ready(()).await;
            Ok(id)
        }
    }

    #[memoize]
    pub(super) fn for_parent(id: u64) -> u64 {
        id
    }
}

pub use surface::documented as renamed;

use cachekit::{delete_memoized, memoize};

#[cfg(false)]
#[memoize]
fn switched(_: Missing) {}

#[memoize]
#[cfg(not(false))]
fn switched(id: u64) -> u64 {
    id
}

#[memoize]
#[allow(unused_variables)]
fn unused(id: u64) {
    let never_read = 1;
}

#[memoize]
#[expect(unused_variables)]
fn expected(id: u64) {
    let never_read = 1;
}

#[memoize]
#[deprecated(note = "still cached")]
fn old(id: u64) -> u64 {
    id
}

macro_rules! declare {
    ($name:ident, $ty:ty, $timeout:expr) => {
        #[memoize(timeout = $timeout)]
        fn $name(id: $ty) -> $ty {
            id
        }
    };
}

declare!(declared, u64, 50);

fn local_scope() -> u8 {
    #[memoize]
    fn inner(id: u8) -> u8 {
        id
    }
    delete_memoized!(inner, 1).expect("deleted");
    inner(1)
}

#[test]
fn runs() {
    assert_eq!(renamed(1), 1);
    delete_memoized!(renamed, 1).expect("deleted");
    delete_memoized!(surface::documented).expect("deleted");
    assert_eq!(surface::fallible(1), Ok(1));
    assert_eq!(surface::Thing.method(1), 1);
    assert_eq!(surface::for_parent(1), 1);
    drop(surface::Thing.later(1));
    assert_eq!(switched(1), 1);
    unused(1);
    expected(1);
    #[allow(deprecated)]
    let _ = old(1);
    assert_eq!(declared(1), 1);
    assert_eq!(local_scope(), 1);
}
