//! The keys of the cache object, one part after another.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use cachekit_backends::{Cursor, Result};
use futures_core::Stream;

use super::{AsyncCache, Cache};
use crate::call::{object_entry, object_key_in, object_key_of};
use crate::engine::Engine;
use crate::engine::remote::{AsyncIo, BlockingIo, Io, Keys as ListKeys, ready};

/// The rest of a list.
enum Rest {
    /// The next part of the in-process store.
    Here(u64),
    /// The next part of the backend's.
    There(Option<Cursor>),
    /// There is none.
    End,
}

/// A list under way: the keys that were read, and where the next ones are.
struct Listing {
    engine: Arc<Engine>,
    prefix: String,
    read: VecDeque<String>,
    rest: Rest,
}

impl Listing {
    fn new(engine: &Arc<Engine>, prefix: &str) -> Self {
        let rest = if engine.remote.is_some() { Rest::There(None) } else { Rest::Here(0) };
        Self { engine: Arc::clone(engine), prefix: prefix.to_owned(), read: VecDeque::new(), rest }
    }

    fn is_over(&self) -> bool {
        matches!(self.rest, Rest::End)
    }

    /// Reads parts until there is a key, or the end. After an error there is no more.
    async fn fill<D: Io>(&mut self, io: D) -> Result<()> {
        while self.read.is_empty() && !self.is_over() {
            match std::mem::replace(&mut self.rest, Rest::End) {
                Rest::End => {}
                Rest::Here(part) => self.read_here(part),
                Rest::There(at) => self.read_there(io, at).await?,
            }
        }
        Ok(())
    }

    fn read_here(&mut self, part: u64) {
        let Self { engine, prefix, read, .. } = self;
        let next = engine.objects().visit(part, |bytes| {
            let key = object_key_in(bytes).filter(|key| key.starts_with(&**prefix));
            read.extend(key.map(str::to_owned));
        });
        if let Some(next) = next {
            self.rest = Rest::Here(next);
        }
    }

    async fn read_there<D: Io>(&mut self, io: D, at: Option<Cursor>) -> Result<()> {
        let Some(remote) = &self.engine.remote else { return Ok(()) };
        let prefix = object_entry(&self.engine, &self.prefix);
        let page = self.engine.answer(io.call(remote, ListKeys { prefix, at }).await)?;
        let keys = page.keys.iter().filter_map(|entry| object_key_of(&self.engine, entry));
        self.read.extend(keys.map(str::to_owned));
        if let Some(next) = page.next {
            self.rest = Rest::There(Some(next));
        }
        Ok(())
    }
}

/// The keys of a cache that begin with a text, in no order; made by [`Cache::keys`].
///
/// They are read from the backend in parts, as the iterator goes on: each has a bounded size and takes at most
/// `operation_timeout`. An error ends the list.
pub struct Keys(Listing);

impl Iterator for Keys {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Result<String>> {
        match ready(self.0.fill(BlockingIo)) {
            Ok(()) => self.0.read.pop_front().map(Ok),
            Err(error) => Some(Err(error)),
        }
    }
}

impl std::iter::FusedIterator for Keys {}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("prefix", &self.0.prefix).finish_non_exhaustive()
    }
}

/// A part under way, which gives the list back.
type Filling = Pin<Box<dyn Future<Output = (Listing, Result<()>)> + Send>>;

/// The keys of a cache that begin with a text, as a [`Stream`]; made by [`AsyncCache::keys`]. Otherwise as [`Keys`].
pub struct KeyStream {
    state: State,
    prefix: String,
}

enum State {
    Read(Listing),
    Filling(Filling),
    /// For a moment only.
    Moved,
}

impl KeyStream {
    /// The next key; none after the last one. The method of the same name that traits of other crates have for streams, for
    /// programs without them.
    pub async fn next(&mut self) -> Option<Result<String>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for KeyStream {
    type Item = Result<String>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<String>>> {
        loop {
            match std::mem::replace(&mut self.state, State::Moved) {
                State::Read(mut listing) => {
                    let key = listing.read.pop_front();
                    if key.is_some() || listing.is_over() {
                        self.state = State::Read(listing);
                        return Poll::Ready(key.map(Ok));
                    }
                    self.state = State::Filling(Box::pin(async move {
                        let filled = listing.fill(AsyncIo).await;
                        (listing, filled)
                    }));
                }
                State::Filling(mut filling) => match filling.as_mut().poll(context) {
                    Poll::Pending => {
                        self.state = State::Filling(filling);
                        return Poll::Pending;
                    }
                    Poll::Ready((listing, filled)) => {
                        self.state = State::Read(listing);
                        if let Err(error) = filled {
                            return Poll::Ready(Some(Err(error)));
                        }
                    }
                },
                // A part whose poll panicked.
                State::Moved => return Poll::Ready(None),
            }
        }
    }
}

impl std::fmt::Debug for KeyStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyStream").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Cache {
    /// The keys of this cache's values that begin with a text, literally; all, for an empty one. Without the cache's prefix, in no
    /// order.
    ///
    /// They are those that the methods of this object take, fragments of templates included. Entries of memoized functions and
    /// stored responses have keys of another kind and are not listed, nor is anything of another cache; but in a shared store an
    /// empty `key_prefix` can't be told from the prefix of another cache.
    ///
    /// A key that is there during all of the list comes at least once (on Redis it may come twice), one that comes or goes
    /// meanwhile may or may not come. The first part is read at once, the others as the iterator goes on. All keys of the store are
    /// looked at on Redis (`SCAN`, on each server of a cluster) and `filesystem`, so this is for maintenance, not for requests.
    ///
    /// ```
    /// # use cachekit::{Cache, Config};
    /// # fn main() -> cachekit::Result<()> {
    /// let cache = Cache::open(Config::simple())?;
    /// cache.set_many(&[("user:1", 1u8), ("user:2", 2), ("other", 3)], 60)?;
    /// let mut users = cache.keys("user:")?.collect::<cachekit::Result<Vec<String>>>()?;
    /// users.sort();
    /// assert_eq!(users, ["user:1", "user:2"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The backend's; [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) on memcached, which can't list its keys, and on a backend of
    /// your own that doesn't claim [`list_keys`](crate::Capabilities::list_keys).
    pub fn keys(&self, prefix: &str) -> Result<Keys> {
        let mut listing = Listing::new(self.engine(), prefix);
        ready(listing.fill(BlockingIo))?;
        Ok(Keys(listing))
    }
}

impl AsyncCache {
    /// The keys of this cache's values that begin with a text, as a stream; see [`Cache::keys`].
    ///
    /// ```
    /// # use cachekit::{Cache, Config};
    /// # async fn f() -> cachekit::Result<()> {
    /// let cache = Cache::open(Config::simple())?.aio();
    /// let mut keys = cache.keys("user:").await?;
    /// while let Some(key) = keys.next().await {
    ///     println!("{}", key?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Cache::keys`].
    pub async fn keys(&self, prefix: &str) -> Result<KeyStream> {
        let mut listing = Listing::new(&self.inner, prefix);
        listing.fill(AsyncIo).await?;
        Ok(KeyStream { state: State::Read(listing), prefix: prefix.to_owned() })
    }
}
