//! The arguments of a view, of which each must be told by the key.

/// An extractor that a `#[cached(view)]` handler may take: the value that it gave is part of the key.
///
/// `Path`, `RawPathParams`, `Query`, `RawQuery`, `Uri`, `OriginalUri`, `NestedPath`, `Method` and `State` of axum have it, and
/// `Option`s of them. An application's state is the same for all requests, so nothing of it is in the key.
///
/// What else a handler takes tells clients apart, and must be named in `ignore(..)`, if the response doesn't depend on it, or
/// be used in the expression of `key = ..`. Implement the trait for an extractor of your own whose value may be shared by
/// all that get the same one:
///
#[cfg_attr(feature = "tower", doc = "```")]
#[cfg_attr(not(feature = "tower"), doc = "```ignore")]
/// use cachekit::web::ViewArgument;
///
/// struct Language(String);
///
/// impl ViewArgument for Language {
///     type Key<'a> = &'a str;
///
///     fn view_key(&self) -> &str {
///         &self.0
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "an argument of type `{Self}` is not part of the request's key, so that one client would get the response to \
               another: name it in `ignore(..)` if the response doesn't depend on it, or put what it depends on into the key \
               with `key = expr`",
    label = "not part of the key of this view"
)]
pub trait ViewArgument {
    /// What of the value goes into the key, by its `CacheKey` or `Hash`.
    type Key<'a>
    where
        Self: 'a;

    /// Returns what goes into the key.
    fn view_key(&self) -> Self::Key<'_>;
}

impl<A: ViewArgument> ViewArgument for Option<A> {
    type Key<'a>
        = Option<A::Key<'a>>
    where
        A: 'a;

    fn view_key(&self) -> Self::Key<'_> {
        self.as_ref().map(A::view_key)
    }
}

/// Returns what of an argument goes into the key.
#[inline]
pub fn view_argument<A: ViewArgument>(argument: &A) -> A::Key<'_> {
    argument.view_key()
}
