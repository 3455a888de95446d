//! The request that the running code belongs to.

#[cfg(feature = "tower")]
use std::cell::RefCell;
use std::sync::Arc;

use super::kept::Kept;

/// The parts of a request that are in keys.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// Other parts of its URI that a handler may see; mostly empty.
    pub(crate) further: String,
    /// Whether values computed for it may be kept by its path: it only reads, its URI says everything, and it doesn't show
    /// the sender.
    pub(crate) keeps: bool,
    /// The values that functions keep for it.
    pub(crate) kept: Kept,
}

/// Deletes the values that a function, or one instance of it, has kept for the request that is being handled.
pub(crate) fn forget(function: u32, instance: Option<u64>) {
    if let Some(request) = current() {
        request.kept.delete_all(function, instance);
    }
}

#[cfg(feature = "tower")]
thread_local!(static CURRENT: RefCell<Option<Arc<Request>>> = const { RefCell::new(None) });

/// The request that the running code belongs to.
#[inline]
pub(crate) fn current() -> Option<Arc<Request>> {
    #[cfg(feature = "tower")]
    return CURRENT.try_with(|current| current.borrow().clone()).unwrap_or(None);
    #[cfg(not(feature = "tower"))]
    None
}

/// Until it is dropped, the code of this thread belongs to a request.
#[cfg(feature = "tower")]
pub(crate) struct Entered(Option<Arc<Request>>);

#[cfg(feature = "tower")]
pub(crate) fn enter(request: Arc<Request>) -> Entered {
    enter_state(Some(request))
}

/// Enters the request that [`current`] returned, or leaves all of them.
#[cfg(feature = "tower")]
pub(crate) fn enter_state(request: Option<Arc<Request>>) -> Entered {
    Entered(CURRENT.try_with(|current| current.replace(request)).unwrap_or(None))
}

#[cfg(feature = "tower")]
impl Drop for Entered {
    fn drop(&mut self) {
        let outer = self.0.take();
        let _ = CURRENT.try_with(|current| current.replace(outer));
    }
}
