//! Entries that belong to a request's path: what carries the request to the functions called under it, what of it is in
//! a key, and the deletion of all that belongs to one path.

#[cfg(feature = "tower")]
use std::cell::RefCell;
use std::sync::Arc;

use cachekit_backends::{CacheKey, KeyWriter, Result, StableWriter, Version, version_key};
use parking_lot::RwLock;

use super::parts::KeyPart;
use super::policy::ReturnsOkArc;
use super::site::Function;
use crate::cache::Inner;
use crate::link::{Io, Set};
use crate::stats::Event;

/// The request that is being handled, as far as keys are concerned.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: String,
    /// What else of its URI counts; mostly empty.
    pub(crate) further: String,
    /// Whether what is computed for it may be kept by its path: it only reads, is told by its URI alone, and doesn't show
    /// who sent it.
    pub(crate) keeps: bool,
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

/// Until it is dropped, what this thread runs belongs to a request.
#[cfg(feature = "tower")]
pub(crate) struct Entered(Option<Arc<Request>>);

#[cfg(feature = "tower")]
pub(crate) fn enter(request: Arc<Request>) -> Entered {
    Entered(CURRENT.try_with(|current| current.replace(Some(request))).unwrap_or(None))
}

#[cfg(feature = "tower")]
impl Drop for Entered {
    fn drop(&mut self) {
        let outer = self.0.take();
        let _ = CURRENT.try_with(|current| current.replace(outer));
    }
}

/// How much of the request is in a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// Its host, path and query, and whether it is a HEAD.
    Whole,
    /// Its path.
    Path,
}

/// The request as a part of a key. Outside of one it feeds nothing.
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
    const TRUSTED: bool = true;

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
    /// That of the request being handled, if there is one.
    pub(crate) fn current() -> Self {
        Self(current())
    }
}

impl KeyPart for ViewPath {
    const TRUSTED: bool = true;
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

/// A path, by which entries are deleted.
pub(crate) struct Path<'a>(pub(crate) &'a str);

impl KeyPart for Path<'_> {
    const TRUSTED: bool = true;
    const VIEW: bool = true;

    fn feed<W: KeyWriter>(&self, writer: &mut W) {
        canonical(self.0).as_str().cache_key(writer);
    }

    fn view_path(&self) -> Option<&str> {
        Some(self.0)
    }
}

// Last choice of what happens to a value before it is stored: nothing. The first one is `web::View::ready`.
// Found by the type of `self`.
#[allow(clippy::unused_self)]
impl<R> ReturnsOkArc<R> {
    /// Gives it back.
    #[inline]
    pub fn __cachekit_ready(&self, value: R) -> R {
        value
    }
}

/// The functions that have entries by path.
static VIEWS: RwLock<Vec<&'static Function>> = RwLock::new(Vec::new());

/// Notes that a function has entries by path, before it computes the first one: a deletion that misses it came before.
pub(crate) fn note(function: &'static Function) {
    let known = |all: &[&'static Function]| all.iter().any(|one| one.number == function.number);
    if !known(&VIEWS.read()) {
        let mut all = VIEWS.write();
        if !known(&all) {
            all.push(function);
        }
    }
}

/// The key under which a path's version stands: one for all functions, so that one write deletes the entries of each.
pub(crate) fn path_version_key(inner: &Inner, path: &str) -> String {
    let mut writer = StableWriter::new();
    Path(path).feed(&mut writer);
    version_key(&format!("{}view", inner.prefix), Some(&writer.to_text()))
}

/// Deletes all that belongs to a path: entries of functions, and responses. A query in `path` is left out.
pub(crate) async fn delete_view<D: Io>(io: D, inner: Arc<Inner>, path: String) -> Result<()> {
    inner.count(Event::Deletion);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let functions = VIEWS.read().clone();
    for function in functions {
        let digest = function.instance_digest(&inner, &(Path(path),));
        inner.local.delete_instance(function.number, digest);
    }
    let Some(link) = &inner.link else { return Ok(()) };
    let key = path_version_key(&inner, path);
    let set = Set { key, value: Version::fresh().to_bytes().to_vec(), life: None };
    io.call(link, set).await.inspect_err(|_| inner.count(Event::Error))
}

/// A path in one spelling: escapes of what needs none are resolved, the others are in upper case, and what a request can't
/// carry is escaped (RFC 3986, 6.2.2).
fn canonical(path: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(path.len());
    let bytes = path.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        let escaped = match (byte, digit(at), digit(at + 1)) {
            (b'%', Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        match escaped {
            Some(byte) => {
                at += 2;
                if plain(byte) {
                    out.push(byte.into());
                } else {
                    let _ = write!(out, "%{byte:02X}");
                }
            }
            None if plain(byte) || b"/%!$&'()*+,;=:@".contains(&byte) => out.push(byte.into()),
            None => _ = write!(out, "%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn a_path_has_one_spelling() {
        assert_eq!(canonical("/users/%61nn"), "/users/ann");
        assert_eq!(canonical("/a%2fb"), "/a%2Fb");
        assert_ne!(canonical("/a%2Fb"), canonical("/a/b"));
        assert_eq!(canonical("/é x"), "/%C3%A9%20x");
        assert_eq!(canonical("/100%"), "/100%");
        assert_eq!(canonical("/%zz%4"), "/%zz%4");
    }
}
