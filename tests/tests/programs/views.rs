//! The forms of views, without warnings.
#![deny(warnings, missing_docs)]

use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, Uri};
use cachekit::{CacheKey, cached};

/// A user.
#[derive(Clone, Debug)]
pub struct User {
    id: u32,
}

/// A search.
#[derive(Clone, Debug, CacheKey)]
pub struct Search {
    text: String,
}

/// Extractors that are in the key.
#[cached(view)]
pub async fn plain(Path((id, name)): Path<(u32, String)>, Query(search): Query<Search>, uri: Uri) -> String {
    format!("{id} {name} {} {uri}", search.text)
}

/// An extractor of any type.
#[cached(view)]
pub async fn generic<T: CacheKey + Send + Sync + 'static>(Path(id): Path<T>) -> String {
    drop(id);
    String::new()
}

/// State without a form.
#[cached(view)]
pub async fn state<T: Send + Sync + 'static>(State(_): State<std::sync::Arc<std::sync::Mutex<T>>>) -> String {
    String::new()
}

/// All forms of naming.
#[cached(view, key = (user.id, headers.len()), ignore(_more), unless = user.id == 0)]
pub async fn named(Extension(user): Extension<User>, headers: HeaderMap, _more: HeaderMap) -> String {
    format!("{} {}", user.id, headers.len())
}

/// Of a pattern.
#[cached(view, ignore(id))]
pub async fn part(Extension(User { id }): Extension<User>) -> String {
    id.to_string()
}

/// A page of an app.
#[derive(Debug)]
pub struct Page {
    id: u32,
}

impl Page {
    /// Of any page.
    #[cached(view, ignore(self))]
    pub async fn any(&self, Path(id): Path<u32>) -> String {
        format!("{id} {}", std::mem::size_of_val(self))
    }

    /// Of each page.
    #[cached(view, key = self.id)]
    pub async fn each(&self) -> String {
        self.id.to_string()
    }
}
