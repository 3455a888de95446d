//! Deletion by a request's path.

use std::sync::Arc;

use cachekit_backends::Result;

use super::{AsyncCache, Cache};
use crate::call::path::delete_path;
use crate::engine::remote::{AsyncIo, BlockingIo, ready};

impl Cache {
    /// Deletes all that is stored for a request's path: whole responses of every host, query and variant, and the entries
    /// of functions that are cached by the path. One write to the backend, and as final as `delete_memoized!`: what is
    /// being computed meanwhile isn't served later.
    ///
    /// The path is the request's, escaped or not, without the query. A path without a leading slash never matches.
    ///
    /// ```
    /// # fn main() -> cachekit::Result<()> {
    /// cachekit::cache().delete_view("/articles/7")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The backend's.
    pub fn delete_view(&self, path: &str) -> Result<()> {
        ready(delete_path(BlockingIo, Arc::clone(self.engine()), path.to_string()))
    }
}

impl AsyncCache {
    /// Deletes all that is stored for a request's path; see [`Cache::delete_view`].
    ///
    /// # Errors
    /// The backend's.
    pub async fn delete_view(&self, path: &str) -> Result<()> {
        delete_path(AsyncIo, Arc::clone(&self.inner), path.to_string()).await
    }
}
