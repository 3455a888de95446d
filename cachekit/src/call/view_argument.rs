//! The arguments of a view, of which each must be told by the key.

use std::ops::Deref;

/// An extractor that a `#[cached(view)]` handler may take: the value that it gave is part of the key.
///
/// `Path`, `RawPathParams`, `Query`, `RawQuery`, `Uri`, `OriginalUri`, `NestedPath`, `Method` and `State` of axum have it, and
/// `Option`s of them. An application's state is the same for all requests, so nothing of it is in the key.
///
/// Any other extractor may tell clients apart. Name it in `ignore(..)` if the response doesn't depend on it, or use it in
/// the expression of `key = ..`. Implement the trait for an extractor of your own whose value may be shared by
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
    /// The part of the value that goes into the key, by its `CacheKey` or `Hash`.
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

/// An argument of a view. The method of [`ViewNone`] is chosen where the type has no [`ViewArgument`], so that its bound makes
/// the one error.
#[derive(Debug)]
pub struct ViewArg<'a, A>(ViewNone<'a, A>);

/// The choice without a value.
#[derive(Debug)]
pub struct ViewNone<'a, A>(&'a A);

impl<'a, A> Deref for ViewArg<'a, A> {
    type Target = ViewNone<'a, A>;

    fn deref(&self) -> &ViewNone<'a, A> {
        &self.0
    }
}

impl<'a, A: ViewArgument> ViewArg<'a, A> {
    /// Returns what goes into the key.
    #[inline]
    pub fn __cachekit_value(self) -> A::Key<'a> {
        self.0.0.view_key()
    }
}

#[expect(clippy::unused_self, reason = "found by the type of `self`")]
impl<A> ViewNone<'_, A> {
    /// Refuses.
    pub fn __cachekit_value(&self)
    where
        A: ViewArgument,
    {
    }
}

/// An argument of a view, whose value is to go into the key.
#[inline]
pub fn view_argument<A>(argument: &A) -> ViewArg<'_, A> {
    ViewArg(ViewNone(argument))
}
