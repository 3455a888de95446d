//! The deletion of fragments by their name.

use cachekit_backends::Result;

use super::{AsyncCache, Cache};
use crate::call::tags::{Kind, delete_tag};
use crate::engine::remote::{AsyncIo, BlockingIo, ready};

impl Cache {
    /// Deletes every fragment of one name, which is the first part of its key: after `{% cache 60, "products", page %}` all that have
    /// `"products"` there. As final as every deletion: a fragment that was being rendered is not served later. One write, however
    /// many there are.
    ///
    /// ```
    /// cachekit::cache().delete_fragments("products")?;
    /// # Ok::<(), cachekit::Error>(())
    /// ```
    ///
    /// # Errors
    /// The backend's.
    pub fn delete_fragments(&self, name: &str) -> Result<()> {
        ready(delete_tag(BlockingIo, self.engine(), Kind::Fragment, name))
    }
}

impl AsyncCache {
    /// Deletes every fragment of one name; see [`Cache::delete_fragments`].
    ///
    /// # Errors
    /// The backend's.
    pub async fn delete_fragments(&self, name: &str) -> Result<()> {
        delete_tag(AsyncIo, &self.inner, Kind::Fragment, name).await
    }
}
