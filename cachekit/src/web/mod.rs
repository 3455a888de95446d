//! Cached views: whole responses by a `tower` layer, and functions that are cached by the request's path.
//!
//! - [`RequestScopeLayer`] tells `#[cached(view)]` and its like which request is being handled.
//! - [`CacheLayer`] caches whole responses, as a shared HTTP cache with safe defaults.
//! - [`Cache::delete_view`](crate::Cache::delete_view) deletes what either stored for a path.

mod answer;
mod argument;
mod body;
mod cache_status;
mod credentials;
mod exchange;
mod failure;
mod layer;
mod making;
mod page;
mod place;
mod query;
mod rfc9111;
mod scope;
mod service;
mod stale;
mod uncacheable;
mod view;

pub use crate::call::view_argument::ViewArgument;
pub use body::CacheBody;
pub use layer::{CacheFor, CacheLayer};
pub use page::{StoredHead, StoredResponse};
pub use scope::{CurrentRequest, RequestScope, RequestScopeLayer, ScopedFuture};
pub use service::{CacheFuture, CacheService};
pub use view::View;
