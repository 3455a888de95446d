use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::delegate::for_each_operation;
use crate::many::Many;
use crate::{Error, ErrorKind, Result, Ttl};

/// A boxed future, the return type of [`AsyncBackend`]'s methods.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The abilities of a backend beyond the least, as data.
///
/// The default claims nothing, which is right for a backend that implements only the required methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "each is a claim of its own")]
pub struct Capabilities {
    /// Values outlive this process, and other processes may see them.
    pub shared: bool,
    /// [`Backend::add`] is atomic among all clients of the store. Without it, cachekit makes it atomic in this process
    /// only.
    pub atomic_add: bool,
    /// [`Backend::token`] and [`Backend::put_if`] work among all clients of the store. Without it, a deletion by
    /// arguments beats a computation that is under way in this process, but not one in another process.
    pub conditional: bool,
    /// [`Backend::clear`] can find keys by their prefix. A store that can't leaves this out, and its `clear` says that it is
    /// unsupported.
    pub clear_by_prefix: bool,
    /// [`Backend::keys`] lists the keys that begin with a prefix. A store that can't leaves this out.
    pub list_keys: bool,
    /// Every operation returns within the configured operation timeout by itself. Without it, cachekit runs the
    /// operations on a pool of threads and stops waiting for them at the timeout.
    pub bounded: bool,
    /// [`Backend::mark`] tells at once, without a round trip, whether any process has called [`Backend::renew_mark`]. Without it,
    /// near tiers keep in step by an entry of the store that they read now and then.
    pub marks: bool,
    /// Nothing is ever kept: every read misses and every write is dropped (`null`).
    pub discards: bool,
    /// The largest value that is accepted, in bytes.
    pub max_value_len: Option<usize>,
}

impl Capabilities {
    /// No capability.
    pub const fn none() -> Self {
        Self {
            shared: false,
            atomic_add: false,
            conditional: false,
            clear_by_prefix: false,
            list_keys: false,
            bounded: false,
            marks: false,
            discards: false,
            max_value_len: None,
        }
    }

    /// Sets [`shared`](Self::shared).
    #[must_use]
    pub const fn shared(mut self, yes: bool) -> Self {
        self.shared = yes;
        self
    }

    /// Sets [`atomic_add`](Self::atomic_add).
    #[must_use]
    pub const fn atomic_add(mut self, yes: bool) -> Self {
        self.atomic_add = yes;
        self
    }

    /// Sets [`conditional`](Self::conditional).
    #[must_use]
    pub const fn conditional(mut self, yes: bool) -> Self {
        self.conditional = yes;
        self
    }

    /// Sets [`clear_by_prefix`](Self::clear_by_prefix).
    #[must_use]
    pub const fn clear_by_prefix(mut self, yes: bool) -> Self {
        self.clear_by_prefix = yes;
        self
    }

    /// Sets [`list_keys`](Self::list_keys).
    #[must_use]
    pub const fn list_keys(mut self, yes: bool) -> Self {
        self.list_keys = yes;
        self
    }

    /// Sets [`bounded`](Self::bounded).
    #[must_use]
    pub const fn bounded(mut self, yes: bool) -> Self {
        self.bounded = yes;
        self
    }

    /// Sets [`marks`](Self::marks).
    #[must_use]
    pub const fn marks(mut self, yes: bool) -> Self {
        self.marks = yes;
        self
    }

    /// Sets [`discards`](Self::discards).
    #[must_use]
    pub const fn discards(mut self, yes: bool) -> Self {
        self.discards = yes;
        self
    }

    /// Sets [`max_value_len`](Self::max_value_len).
    #[must_use]
    pub const fn max_value_len(mut self, bytes: usize) -> Self {
        self.max_value_len = Some(bytes);
        self
    }
}

/// The state of one key as [`Backend::token`] saw it.
///
/// Two tokens of one key are equal only if the key was neither written nor deleted between the two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub u128);

/// The version of a function, of an instance or of a prefix: 128 random bits. A fresh one makes every entry that was
/// stored under another one unreachable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version(pub u128);

impl Version {
    /// Returns a version that was never used.
    pub fn fresh() -> Self {
        Self(crate::random::random_u128())
    }

    /// The bytes as they are stored under a version's key.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// Reads the bytes of [`to_bytes`](Self::to_bytes). Anything but sixteen bytes is no version.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(u128::from_le_bytes(bytes.try_into().ok()?)))
    }
}

/// The answer of [`Backend::fetch`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetched {
    /// The bytes under the entry's key.
    pub entry: Option<Vec<u8>>,
    /// One version for each key that was asked for, in order; a missing one was made.
    pub versions: Vec<Version>,
    /// The state of the entry's key, where the backend learned it in the same round trip.
    pub token: Option<Token>,
}

impl Fetched {
    /// An answer of these parts.
    pub fn new(entry: Option<Vec<u8>>, versions: Vec<Version>, token: Option<Token>) -> Self {
        Self { entry, versions, token }
    }
}

/// A value for [`Backend::put_under_many`].
#[derive(Clone, Copy, Debug)]
pub struct Put<'a> {
    /// Its key.
    pub key: &'a str,
    /// Its bytes.
    pub value: &'a [u8],
    /// Its TTL.
    pub life: Ttl,
    /// The state that its key must be in.
    pub token: Token,
    /// The keys of the versions that it depends on.
    pub versions: &'a [&'a str],
}

/// Where a listing of keys goes on. The bytes mean something to the backend that made them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor(pub Vec<u8>);

/// The answer of [`Backend::keys`]: a part of the keys that begin with a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyPage {
    /// Keys, in no order; none is possible before the end as well.
    pub keys: Vec<String>,
    /// Where the next part begins; none after the last one.
    pub next: Option<Cursor>,
}

impl KeyPage {
    /// A part of a listing, and where the next one begins.
    pub fn new(keys: Vec<String>, next: Option<Cursor>) -> Self {
        Self { keys, next }
    }
}

/// The answer of [`Backend::usage`]. None where it isn't known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// The entries that the store has now, of all processes; versions don't count.
    pub entries: Option<u64>,
    /// The live entries that this process has evicted to make room for others.
    pub evictions: Option<u64>,
    /// The entries that this process has removed after their time.
    pub expirations: Option<u64>,
    /// The bytes that its entries count against a bound of bytes, of all processes.
    pub bytes: Option<u64>,
}

impl Usage {
    /// These numbers.
    pub fn new(entries: Option<u64>, evictions: Option<u64>) -> Self {
        Self { entries, evictions, expirations: None, bytes: None }
    }

    /// Sets the entries that were removed after their time.
    #[must_use]
    pub fn expirations(mut self, expirations: Option<u64>) -> Self {
        self.expirations = expirations;
        self
    }

    /// Sets the bytes.
    #[must_use]
    pub fn bytes(mut self, bytes: Option<u64>) -> Self {
        self.bytes = bytes;
        self
    }
}

fn unsupported(what: &str, claim: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("this backend has no {what}: its `capabilities()` must not claim `{claim}`"),
    )
}

fn no_keys() -> Error {
    Error::new(ErrorKind::Unsupported, "this backend can't list its keys")
}

/// [`Backend::add_and_check`] by two operations, the second one begun after the end of the first.
pub(crate) async fn add_then_check<F: Future<Output = Result<Token>>>(
    add: impl Future<Output = Result<bool>>,
    state: impl FnOnce() -> F,
    token: Token,
) -> Result<Option<bool>> {
    Ok(if add.await? { Some(state().await? == token) } else { None })
}

/// A store of bytes under keys.
///
/// Implement the four required methods and cachekit does the rest; claim in [`capabilities`](Self::capabilities) the
/// properties that hold besides, and override the provided methods where the store does better than their defaults.
///
/// # Behavior
///
/// - Keys are UTF-8 without NUL, of any length and with any other character; a store with narrower keys hashes them. Two
///   different keys never share a value.
/// - A value comes back byte for byte, also an empty one.
/// - Methods are called from many threads at once.
/// - After an error the operation may or may not have happened. Reads and writes of memoized functions go on without
///   the cache then; deletions return the error to their caller.
///
/// The suite in `cachekit_backends::conformance` tries all of it.
pub trait Backend: Send + Sync + 'static {
    /// Returns the abilities of this backend. Asked once, when a cache is bound.
    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
    }

    /// Returns the value under a key, unless it is absent or expired.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// Stores a value, replacing the present one with its TTL.
    ///
    /// # Behavior
    /// `life` is the TTL, at least a millisecond; it may be rounded up. `None` is for ever. The value is stored whole or
    /// not at all.
    fn set(&self, key: &str, value: &[u8], life: Ttl) -> Result<()>;

    /// Removes a key and returns whether a live value was there. Once it has returned, no
    /// [`put_if`](Self::put_if) with an older token succeeds.
    fn delete(&self, key: &str) -> Result<bool>;

    /// Removes every key that starts with `prefix`, literally, and nothing else.
    fn clear(&self, prefix: &str) -> Result<()>;

    /// Returns the values under several keys, in their order.
    fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    /// Stores several values with one TTL.
    fn set_many(&self, items: &[(&str, &[u8])], life: Ttl) -> Result<()> {
        items.iter().try_for_each(|(key, value)| self.set(key, value, life))
    }

    /// Removes several keys and returns how many live values were there.
    fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        keys.iter().try_fold(0, |n, key| Ok(n + u64::from(self.delete(key)?)))
    }

    /// Stores a value unless a live one is there; returns whether it was stored.
    fn add(&self, key: &str, value: &[u8], life: Ttl) -> Result<bool> {
        if self.get(key)?.is_some() {
            return Ok(false);
        }
        self.set(key, value, life)?;
        Ok(true)
    }

    /// Returns the state of a key, absent keys included, for [`put_if`](Self::put_if).
    fn token(&self, _key: &str) -> Result<Token> {
        Err(unsupported("`token`", "conditional"))
    }

    /// Stores a value if the key is in the state that the token saw; false otherwise.
    ///
    /// # Behavior
    /// It may also be false without a reason (a lease was lost, a neighbour in the same stripe changed), but it is never
    /// true when the key was written or deleted since.
    fn put_if(&self, _key: &str, _value: &[u8], _life: Ttl, _token: Token) -> Result<bool> {
        Err(unsupported("`put_if`", "conditional"))
    }

    /// Stores a value as [`put_if`](Self::put_if) does, and sees to it that the versions that it was computed under are there as
    /// long as it is.
    ///
    /// # Behavior
    /// For a store whose versions expire: the TTL of each version becomes the value's where it is shorter, and none where the
    /// value has none. A version that is absent stays absent. The default is for stores whose versions live for ever.
    fn put_under(
        &self,
        key: &str,
        value: &[u8],
        life: Ttl,
        token: Token,
        _versions: &[&str],
    ) -> Result<bool> {
        self.put_if(key, value, life, token)
    }

    /// Removes a key if it is in the state that the token saw; false otherwise, as [`put_if`](Self::put_if).
    ///
    /// The default stores an empty value for a millisecond, which is no entry to cachekit.
    fn delete_if(&self, key: &str, token: Token) -> Result<bool> {
        self.put_if(key, &[], Some(Duration::from_millis(1)), token)
    }

    /// Stores a value as [`add`](Self::add) does, and returns whether another key was in the state of `token` after that; `None` if
    /// nothing was stored. A store that can do both in one round trip does.
    ///
    /// # Behavior
    /// It may say that the other key has changed where it has not, as [`put_if`](Self::put_if), and never the other way round.
    fn add_and_check(
        &self,
        key: &str,
        value: &[u8],
        life: Ttl,
        other: &str,
        token: Token,
    ) -> Result<Option<bool>> {
        if !self.add(key, value, life)? {
            return Ok(None);
        }
        Ok(Some(self.token(other)? == token))
    }

    /// Returns a part of the keys that start with `prefix`, literally: the first one, or the one at a cursor of the part before.
    ///
    /// # Behavior
    /// A part takes a bounded amount of memory, however many keys there are, and may be empty. A key that is there during all of
    /// the listing comes at least once, one that comes or goes meanwhile may or may not.
    fn keys(&self, _prefix: &str, _at: Option<&Cursor>) -> Result<KeyPage> {
        Err(no_keys())
    }

    /// Returns how much the store holds, as far as it is known without asking a server. Must not wait.
    fn usage(&self) -> Usage {
        Usage::default()
    }

    /// Returns the mark of the store: another one after each [`renew_mark`](Self::renew_mark) by any process that has returned
    /// before this call. None while the store is not there.
    ///
    /// # Behavior
    /// Each hit of a near tier calls it, on the caller's thread: it must not wait. A mark never comes again.
    fn mark(&self) -> Result<Option<u64>> {
        Err(unsupported("`mark`", "marks"))
    }

    /// Gives the store another mark. Called after each deletion and overwrite.
    fn renew_mark(&self) -> Result<()> {
        Err(unsupported("`renew_mark`", "marks"))
    }

    /// Reads an entry and the versions that it depends on, in one round trip where the store can; makes the versions
    /// that are missing. They live for ever, or as long as [`put_under`](Self::put_under) says.
    fn fetch(&self, entry: &str, versions: &[&str]) -> Result<Fetched> {
        let keys: Vec<&str> = std::iter::once(entry).chain(versions.iter().copied()).collect();
        let mut found = self.get_many(&keys)?.into_iter();
        let bytes = found.next().flatten();
        let versions = versions
            .iter()
            .zip(found)
            .map(|(key, found)| match found.as_deref().and_then(Version::from_bytes) {
                Some(version) => Ok(version),
                None => self.make_version(key, found.is_some()),
            })
            .collect::<Result<_>>()?;
        Ok(Fetched::new(bytes, versions, None))
    }

    /// Reads several entries, each with the keys of the versions that it depends on, in one round trip where the store can.
    /// The answers are those of [`fetch`](Self::fetch), in order; a version that several entries depend on is read once.
    fn fetch_many(&self, entries: &[(&str, &[&str])]) -> Result<Vec<Fetched>> {
        let mut many = Many::new(entries);
        let found = self.get_many(many.keys())?;
        many.read(found);
        while let Some(lacking) = many.lacking() {
            many.learn(lacking, &self.fetch(lacking.0, lacking.1)?);
        }
        Ok(many.answers())
    }

    /// Stores several values, each as [`put_under`](Self::put_under) does; returns for each whether it was stored.
    fn put_under_many(&self, items: &[Put<'_>]) -> Result<Vec<bool>> {
        items
            .iter()
            .map(|put| self.put_under(put.key, put.value, put.life, put.token, put.versions))
            .collect()
    }

    /// Makes a version that is missing, or, if `replace`, one whose bytes are no version.
    #[doc(hidden)]
    fn make_version(&self, key: &str, replace: bool) -> Result<Version> {
        let fresh = Version::fresh();
        if replace {
            self.set(key, &fresh.to_bytes(), None)?;
            return Ok(fresh);
        }
        if self.add(key, &fresh.to_bytes(), None)? {
            return Ok(fresh);
        }
        // Another caller made it first. If it is gone again, this one is as good, and costs a miss at most.
        Ok(self.get(key)?.as_deref().and_then(Version::from_bytes).unwrap_or(fresh))
    }

    /// Returns the same store with asynchronous methods, if it has them. Without, async functions use a pool of threads.
    fn asynchronous(&self) -> Option<&dyn AsyncBackend> {
        None
    }

    /// Sets the longest time of one operation, for a backend that keeps it by itself; called when the cache is bound.
    fn set_operation_timeout(&self, _limit: Duration) {}
}

macro_rules! declare {
    ($($name:ident($($arg:ident: $t:ty),*) -> $out:ty;)*) => {
        /// [`Backend`] with futures; the same behavior, method for method.
        pub trait AsyncBackend: Send + Sync {$(
            #[doc = concat!("See [`Backend::", stringify!($name), "`].")]
            fn $name<'a>(&'a self, $($arg: $t),*) -> BoxFuture<'a, Result<$out>>;
        )*

            /// See [`Backend::put_under`].
            fn put_under<'a>(
                &'a self,
                key: &'a str,
                value: &'a [u8],
                life: Ttl,
                token: Token,
                _versions: &'a [&'a str],
            ) -> BoxFuture<'a, Result<bool>> {
                self.put_if(key, value, life, token)
            }

            /// See [`Backend::delete_if`].
            fn delete_if<'a>(&'a self, key: &'a str, token: Token) -> BoxFuture<'a, Result<bool>> {
                self.put_if(key, &[], Some(Duration::from_millis(1)), token)
            }

            /// See [`Backend::add_and_check`].
            fn add_and_check<'a>(
                &'a self,
                key: &'a str,
                value: &'a [u8],
                life: Ttl,
                other: &'a str,
                token: Token,
            ) -> BoxFuture<'a, Result<Option<bool>>> {
                Box::pin(add_then_check(self.add(key, value, life), || self.token(other), token))
            }

            /// See [`Backend::keys`].
            fn keys<'a>(&'a self, _prefix: &'a str, _at: Option<&'a Cursor>) -> BoxFuture<'a, Result<KeyPage>> {
                Box::pin(std::future::ready(Err(no_keys())))
            }

            /// See [`Backend::fetch_many`].
            fn fetch_many<'a>(&'a self, entries: &'a [(&'a str, &'a [&'a str])]) -> BoxFuture<'a, Result<Vec<Fetched>>> {
                Box::pin(async move {
                    let mut many = Many::new(entries);
                    let found = self.get_many(many.keys()).await?;
                    many.read(found);
                    while let Some(lacking) = many.lacking() {
                        let fetched = self.fetch(lacking.0, lacking.1).await?;
                        many.learn(lacking, &fetched);
                    }
                    Ok(many.answers())
                })
            }

            /// See [`Backend::put_under_many`].
            fn put_under_many<'a>(&'a self, items: &'a [Put<'a>]) -> BoxFuture<'a, Result<Vec<bool>>> {
                Box::pin(async move {
                    let mut stored = Vec::with_capacity(items.len());
                    for put in items {
                        let Put { key, value, life, token, versions } = *put;
                        stored.push(self.put_under(key, value, life, token, versions).await?);
                    }
                    Ok(stored)
                })
            }
        }
    };
}
for_each_operation!(declare!);
