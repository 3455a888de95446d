//! The attribute and derive macros of cachekit. Use them through `cachekit`, which re-exports them together with what
//! their expansions call.
//!
//! An attribute goes through four stages: `attr` (its text), `model` (the function as one of the legal forms), `check`
//! (what can't be cached) and `expand`. Later stages never look at the attribute.

#![forbid(unsafe_code)]

mod attr;
mod call;
mod check;
mod context;
mod derive;
mod digest;
mod duration;
mod errors;
mod expand;
mod input;
mod invalidates;
mod mentions;
mod model;
mod options;
mod owned;
mod suggest;

use call::Operation;
use options::Flavor;
use proc_macro::TokenStream;

#[doc = include_str!("docs/memoize.md")]
#[proc_macro_attribute]
pub fn memoize(attr: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Flavor::Memoize, attr.into(), &item.into()).into()
}

#[doc = include_str!("docs/cached.md")]
#[proc_macro_attribute]
pub fn cached(attr: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Flavor::Cached, attr.into(), &item.into()).into()
}

#[doc = include_str!("docs/invalidates.md")]
#[proc_macro_attribute]
pub fn invalidates(attr: TokenStream, item: TokenStream) -> TokenStream {
    invalidates::expand(attr.into(), &item.into()).into()
}

#[doc = include_str!("docs/delete_memoized.md")]
#[proc_macro]
pub fn delete_memoized(input: TokenStream) -> TokenStream {
    call::expand(Operation::Delete, input.into()).into()
}

/// Deletes what a [`macro@cached`] function stored: the same as [`delete_memoized!`].
///
/// ```ignore
/// delete_cached!(get_all_comments)?;
/// ```
#[proc_macro]
pub fn delete_cached(input: TokenStream) -> TokenStream {
    call::expand(Operation::Delete, input.into()).into()
}

/// Drops the version of a memoized function, or of one instance: everything stored under it is gone, and the next call
/// makes a new one. `Result<()>`, or a future of it for an `async fn`.
///
/// ```ignore
/// delete_memoized_verhash!(has_membership)?;
/// delete_memoized_verhash!(Person::has_role)?;
/// delete_memoized_verhash!(person.has_role)?;
/// ```
#[proc_macro]
pub fn delete_memoized_verhash(input: TokenStream) -> TokenStream {
    call::expand(Operation::DeleteVersion, input.into()).into()
}

/// Looks for the stored value of a call, and never computes it: `Result<Option<T>>`, or a future of it for an
/// `async fn`.
///
/// ```ignore
/// let known = peek!(has_membership, "demo", "user")?;
/// ```
#[proc_macro]
pub fn peek(input: TokenStream) -> TokenStream {
    call::expand(Operation::Peek, input.into()).into()
}

/// The statistics of a memoized function in this process, as a `FunctionStats`.
///
/// ```ignore
/// let hits = stats!(has_membership).hits;
/// ```
#[proc_macro]
pub fn stats(input: TokenStream) -> TokenStream {
    call::expand(Operation::Stats, input.into()).into()
}

/// Computes the value of a call, stores it in place of what is there, and returns it.
///
/// ```ignore
/// let fresh = refresh!(has_membership, "demo", "user");
/// ```
#[proc_macro]
pub fn refresh(input: TokenStream) -> TokenStream {
    call::expand(Operation::Refresh, input.into()).into()
}

/// Runs the body of a memoized function, and leaves the cache alone.
///
/// ```ignore
/// let fresh = uncached!(has_membership, "demo", "user");
/// ```
#[proc_macro]
pub fn uncached(input: TokenStream) -> TokenStream {
    call::expand(Operation::Uncached, input.into()).into()
}

#[doc = include_str!("docs/prime.md")]
#[proc_macro]
pub fn prime(input: TokenStream) -> TokenStream {
    call::expand(Operation::Prime, input.into()).into()
}

#[doc = include_str!("docs/traced.md")]
#[proc_macro]
pub fn traced(input: TokenStream) -> TokenStream {
    call::expand(Operation::Traced, input.into()).into()
}

#[doc = include_str!("docs/explain.md")]
#[proc_macro]
pub fn explain(input: TokenStream) -> TokenStream {
    call::expand(Operation::Explain, input.into()).into()
}

#[doc = include_str!("docs/derive.md")]
#[proc_macro_derive(CacheKey, attributes(cache_key))]
pub fn derive_cache_key(input: TokenStream) -> TokenStream {
    derive::expand(syn::parse_macro_input!(input as syn::DeriveInput)).into()
}
