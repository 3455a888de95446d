//! The stored form of a handler's return value.

use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Waker};

use axum::body::Body;
use axum::response::{Html, Json, Response};
use http::header::{CONTENT_LENGTH, HeaderValue, SET_COOKIE};
use http::{HeaderMap, StatusCode, header};

use super::body::{CacheBody, ReadAhead};
use super::layer::CacheFor;
use super::page::{StoredHead, StoredResponse};
use super::rfc9111::{ResponseControl, is_storable, kept};
use crate::call::shape::{Returns, Shape, Storable};

/// The most bytes of a response's content that a cached function keeps.
const MOST: usize = 1_000_000;

/// A return type of handlers under `#[cached]` whose stored form is another type.
///
/// `Response`, `Html`, `Json`, tuples with a `StatusCode` and a `HeaderMap`, and `Result`s of them have it; `String` and
/// other values that are stored as they are need it in tuples only. Implement it for a response type of your own.
///
/// Stored are successful responses (2xx) only, unless a `Response` carries a [`CacheFor`]. Responses that may not be shared
/// aren't stored: with `Set-Cookie`, `Vary`, or the `Cache-Control` of `private`, `no-store`, `no-cache` or a lifetime of 0.
///
/// ```
/// use axum::{Json, http::StatusCode};
/// use cachekit::cached;
///
/// #[cached(view, timeout = 50)]
/// async fn article() -> Result<(StatusCode, Json<Vec<u32>>), StatusCode> {
///     Ok((StatusCode::OK, Json(vec![1, 2])))
/// }
/// # drop(article());
/// ```
pub trait View: Sized {
    /// The stored form.
    type Stored: Storable;

    /// Makes the value ready to be stored, before anything else is done with it.
    #[must_use]
    fn ready(self) -> Self {
        self
    }

    /// Returns the stored form of the value, or `None` if the value isn't stored.
    fn stored(&self) -> Option<Self::Stored>;

    /// Reads the stored form, if the value is stored. A type that has it as a part of itself reads it there, so that nothing is copied.
    fn read_stored<T>(&self, read: impl FnOnce(&Self::Stored) -> T) -> Option<T> {
        self.stored().map(|stored| read(&stored))
    }

    /// Whether the value is the failure of a function, which takes no stored value's place.
    fn fails(&self) -> bool {
        false
    }

    /// The value for a stored one.
    fn from_stored(stored: Self::Stored) -> Self;
}

macro_rules! plain {
    ($($type:ty),*) => {$(
        impl View for $type {
            type Stored = Self;
            fn stored(&self) -> Option<Self> {
                Some(self.clone())
            }
            fn read_stored<T>(&self, read: impl FnOnce(&Self) -> T) -> Option<T> {
                Some(read(self))
            }
            fn from_stored(stored: Self) -> Self {
                stored
            }
        }
    )*};
}
plain!(String, Vec<u8>, bytes::Bytes);

impl<T: Storable> View for Html<T> {
    type Stored = T;

    fn stored(&self) -> Option<T> {
        Some(self.0.clone())
    }

    fn read_stored<R>(&self, read: impl FnOnce(&T) -> R) -> Option<R> {
        Some(read(&self.0))
    }

    fn from_stored(stored: T) -> Self {
        Self(stored)
    }
}

impl<T: Storable> View for Json<T> {
    type Stored = T;

    fn stored(&self) -> Option<T> {
        Some(self.0.clone())
    }

    fn read_stored<R>(&self, read: impl FnOnce(&T) -> R) -> Option<R> {
        Some(read(&self.0))
    }

    fn from_stored(stored: T) -> Self {
        Self(stored)
    }
}

/// Of a `Result` only `Ok`.
impl<T: View, E> View for Result<T, E> {
    type Stored = T::Stored;

    fn ready(self) -> Self {
        self.map(View::ready)
    }

    fn stored(&self) -> Option<T::Stored> {
        self.as_ref().ok()?.stored()
    }

    fn fails(&self) -> bool {
        self.is_err()
    }

    fn from_stored(stored: T::Stored) -> Self {
        Ok(T::from_stored(stored))
    }
}

impl<T: View> View for (StatusCode, T) {
    type Stored = (StoredHead, T::Stored);

    fn ready(self) -> Self {
        (self.0, self.1.ready())
    }

    fn stored(&self) -> Option<Self::Stored> {
        let head = head(self.0, &HeaderMap::new())?;
        Some((head, self.1.stored()?))
    }

    fn from_stored((head, stored): Self::Stored) -> Self {
        (head.status, T::from_stored(stored))
    }
}

impl<T: View> View for (HeaderMap, T) {
    type Stored = (StoredHead, T::Stored);

    fn ready(self) -> Self {
        (self.0, self.1.ready())
    }

    fn stored(&self) -> Option<Self::Stored> {
        let head = head(StatusCode::OK, &self.0)?;
        Some((head, self.1.stored()?))
    }

    fn from_stored((head, stored): Self::Stored) -> Self {
        (head.headers, T::from_stored(stored))
    }
}

impl<T: View> View for (StatusCode, HeaderMap, T) {
    type Stored = (StoredHead, T::Stored);

    fn ready(self) -> Self {
        (self.0, self.1, self.2.ready())
    }

    fn stored(&self) -> Option<Self::Stored> {
        let head = head(self.0, &self.1)?;
        Some((head, self.2.stored()?))
    }

    fn from_stored((head, stored): Self::Stored) -> Self {
        (head.status, head.headers, T::from_stored(stored))
    }
}

/// A response's stored form, which [`View::ready`] leaves in it.
#[derive(Clone)]
struct Kept(Arc<StoredResponse>);

impl View for Response {
    type Stored = StoredResponse;

    /// Reads the body, if it is all there; a stream is passed on, and the response isn't stored.
    fn ready(self) -> Self {
        let (mut parts, body) = self.into_parts();
        let asked = parts.extensions.get::<CacheFor>().is_some();
        let status = if asked && is_storable(parts.status) { StatusCode::OK } else { parts.status };
        if !is_for_all(status, &parts.headers) {
            return Self::from_parts(parts, body);
        }
        // A body that isn't ready at once is polled again by the server that sends it, with a waker of its own.
        match CacheBody::read_ahead(body, MOST, &mut Context::from_waker(Waker::noop())) {
            ReadAhead::Complete(body) => {
                let mut headers = kept(&parts.headers);
                if headers.contains_key(CONTENT_LENGTH) {
                    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
                }
                let stored = StoredResponse { status: parts.status, headers, body: body.clone() };
                parts.extensions.insert(Kept(Arc::new(stored)));
                Self::from_parts(parts, Body::from(body))
            }
            ReadAhead::Partly(body) => Self::from_parts(parts, Body::new(body)),
        }
    }

    fn stored(&self) -> Option<StoredResponse> {
        self.extensions().get::<Kept>().map(|kept| StoredResponse::clone(&kept.0))
    }

    fn from_stored(stored: StoredResponse) -> Self {
        let StoredResponse { status, headers, body } = stored;
        let mut response = Self::new(Body::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// Returns status and fields, if they may be stored. The length goes: the content is encoded anew.
fn head(status: StatusCode, headers: &HeaderMap) -> Option<StoredHead> {
    is_for_all(status, headers).then(|| {
        let mut headers = kept(headers);
        headers.remove(CONTENT_LENGTH);
        StoredHead { status, headers }
    })
}

/// Whether a response may be stored under a key without the client's identity.
fn is_for_all(status: StatusCode, headers: &HeaderMap) -> bool {
    let control = ResponseControl::new(headers);
    status.is_success()
        && is_storable(status)
        && !headers.contains_key(SET_COOKIE)
        && !headers.contains_key(header::VARY)
        && !(control.private || control.no_store || control.no_cache)
        && control.s_maxage.or(control.max_age) != Some(0)
}

/// Stores what a [`View`] says.
#[derive(Debug)]
pub struct ViewShape<V>(PhantomData<fn() -> V>);

impl<V> Clone for ViewShape<V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<V> Copy for ViewShape<V> {}

impl<V: View> Shape for ViewShape<V> {
    type Output = V;
    type Stored = V::Stored;

    fn stores(output: &V) -> bool {
        output.read_stored(|_| ()).is_some()
    }

    fn fails(output: &V) -> bool {
        output.fails()
    }

    fn stored(output: &V) -> Option<V::Stored> {
        output.stored()
    }

    fn read_stored<T>(output: &V, read: impl FnOnce(&V::Stored) -> T) -> Option<T> {
        output.read_stored(read)
    }

    fn output(stored: V::Stored) -> V {
        V::from_stored(stored)
    }
}

impl<V: View> Returns<V> {
    /// Chooses: first of all policies.
    pub fn __cachekit_policy(&self) -> ViewShape<V> {
        ViewShape(PhantomData)
    }

    /// Chooses, when `None` is stored too.
    pub fn __cachekit_policy_all(&self) -> ViewShape<V> {
        ViewShape(PhantomData)
    }

    /// Makes a value ready to be stored.
    pub fn __cachekit_ready(&self, value: V) -> V {
        value.ready()
    }
}
