//! Keys made of the request that is being handled.

use std::sync::Arc;

use cachekit_backends::{CacheKey, KeyWriter};

use crate::call::arguments::KeyPart;
use crate::call::path::Path;
use crate::call::request::{Request, current};
use crate::call::shape::ReturnsOkArc;

/// How much of the request is in a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// Its host, path and query, and whether it is a HEAD.
    Whole,
    /// Its path.
    Path,
}

/// The request as a part of a key. Outside of a request it feeds nothing.
#[derive(Debug)]
pub struct ViewKey {
    text: &'static str,
    extent: Extent,
    request: Option<Arc<Request>>,
}

impl ViewKey {
    /// For `view` and for `%s` in a text.
    pub(crate) fn whole(text: &'static str) -> Self {
        Self { text, extent: Extent::Whole, request: current() }
    }

    /// For functions whose key is constant otherwise.
    pub(crate) fn path() -> Self {
        Self { text: "", extent: Extent::Path, request: current() }
    }
}

impl CacheKey for ViewKey {
    #[inline]
    fn cache_key<W: KeyWriter>(&self, writer: &mut W) {
        let Some(request) = &self.request else { return };
        self.text.cache_key(writer);
        request.path.cache_key(writer);
        if self.extent == Extent::Whole {
            request.host.cache_key(writer);
            request.query.cache_key(writer);
            request.further.cache_key(writer);
            (request.method == "HEAD").cache_key(writer);
        }
    }
}

/// The path that an entry belongs to, in the place where methods have their instance.
#[derive(Debug)]
pub struct ViewPath(Option<Arc<Request>>);

impl ViewPath {
    /// The path of the request that is being handled, if there is one.
    pub(crate) fn current() -> Self {
        Self(current())
    }
}

impl KeyPart for ViewPath {
    const VIEW: bool = true;

    #[inline]
    fn feed<W: KeyWriter>(&self, writer: &mut W) {
        if let Some(path) = self.view_path() {
            Path(path).feed(writer);
        }
    }

    #[inline]
    fn view_path(&self) -> Option<&str> {
        self.0.as_ref().map(|request| request.path.as_str())
    }
}

// The last choice of preparation before a value is stored: none. The first choice is `web::View::ready`. Found by the type
// of `self`.
#[expect(clippy::unused_self, reason = "found by the type of `self`")]
impl<R> ReturnsOkArc<R> {
    /// Returns the value as it is.
    #[inline]
    pub fn __cachekit_ready(&self, value: R) -> R {
        value
    }
}
