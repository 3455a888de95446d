//! Where an entry is: its key in the in-process store or on the backend, and the keys of the versions that it depends on.

use std::cell::Cell;
use std::hash::Hasher as _;
use std::sync::{Arc, OnceLock};

use cachekit_backends::simple::{MOST_KEY_WORDS, Shape};
use cachekit_backends::{
    CacheKey, KeyBytes, KeyHasher, Matcher, Recorder, Scout, StableWriter, Words, version_key,
};

use super::arguments::KeyPart;
use super::path;
use super::tags::TagList;
#[cfg(feature = "minijinja")]
use super::tags::{self, Kind};
use crate::engine::flight::Key;
use crate::engine::near::NearPlace;
use crate::engine::{Engine, InProcess, LocalTable, OBJECT};

/// Where an entry is.
pub(crate) enum Place {
    /// In process.
    Local {
        /// The key of the entry; without bytes for a plain table.
        key: Key,
        /// The keyed digest of the instance; 0 for none.
        instance: u64,
        /// The keyed digests of its tags.
        tags: Box<[u64]>,
        table: LocalTable,
    },
    /// On the backend.
    Remote {
        /// The key of its flights.
        key: Key,
        entry: String,
        /// The keys of the versions of the function, then of the instance, if there is one, then of the tags.
        versions: Vec<String>,
        /// Where it is in the near tier; none without a tier.
        near: Option<Box<NearPlace>>,
    },
}

/// The identity of a function, as it is in keys.
#[derive(Clone, Copy)]
pub(crate) struct Identity<'a> {
    /// The number in this process.
    pub(crate) number: u32,
    /// The name on a backend.
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    /// Values never leave the process.
    pub(crate) local: bool,
    /// Entries in process carry their times, and so are no words.
    pub(crate) stamped: bool,
    /// The digest of what is the same in the keys of all calls, for a function that is called often.
    pub(crate) calls: Option<&'a OnceLock<Box<StableWriter>>>,
}

/// An instance of a method's type.
#[derive(Clone)]
pub(crate) struct Instance {
    /// The keyed digest in the in-process store; 0 for none.
    pub(crate) digest: u64,
    /// The text in keys of a backend. None where it would be valid in this process only.
    pub(crate) text: Option<String>,
}

/// Whether some arguments, or their types, are valid in this process only.
fn stays(arguments: &impl KeyPart) -> bool {
    Scout::finds(|scout| arguments.feed(scout))
}

/// The most memory that a thread keeps for recording keys.
const SCRATCH: usize = 1024;

/// Returns the bytes of a key. Short ones cost no allocation.
pub(crate) fn recorded(feed: impl FnOnce(&mut Recorder<'_>)) -> KeyBytes {
    thread_local!(static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) });
    // Feeding may run user code that records a key itself: it finds an empty buffer.
    let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
    feed(&mut Recorder::new(&mut buffer));
    let bytes = KeyBytes::new(&buffer);
    if buffer.capacity() <= SCRATCH {
        buffer.clear();
        let _ = BUFFER.try_with(|kept| kept.set(buffer));
    }
    bytes
}

/// Begins the keys of the cache object on a backend, and none of a function's.
const OBJECT_MARK: char = '=';
/// Stands before the name of a function that begins with one of the two.
const ESCAPE: char = '\\';

/// The key on a backend of an entry of the cache object; the beginning of several, for that of their keys.
pub(crate) fn object_entry(engine: &Engine, key: &str) -> String {
    format!("{}{OBJECT_MARK}{key}", engine.prefix)
}

/// The key of the cache object whose entry has this key on a backend.
pub(crate) fn object_key_of<'k>(engine: &Engine, entry: &'k str) -> Option<&'k str> {
    entry.strip_prefix(&*engine.prefix)?.strip_prefix(OBJECT_MARK)
}

/// The key of the cache object whose entry in process has these bytes.
pub(crate) fn object_key_in(bytes: &[u8]) -> Option<&str> {
    // The text, and its end.
    let text = bytes.get(..bytes.len().checked_sub(1)?)?;
    let key = std::str::from_utf8(text).ok()?;
    Matcher::matches(bytes, |m| key.cache_key(m)).then_some(key)
}

/// The beginning of the keys of a function, its versions included.
fn stem(engine: &Engine, name: &str) -> String {
    let prefix = &*engine.prefix;
    if name.starts_with([OBJECT_MARK, ESCAPE]) {
        format!("{prefix}{ESCAPE}{name}")
    } else {
        [prefix, name].concat()
    }
}

/// The key of a function's version.
pub(crate) fn version_key_of(engine: &Engine, name: &str) -> String {
    version_key(&stem(engine, name), None)
}

impl Place {
    /// The place of an entry of the cache object.
    pub(crate) fn of_object(engine: &Engine, key: &str) -> Self {
        if engine.remote.is_some() {
            let near = engine.near().map(|near| {
                let table = LocalTable::Values(Arc::clone(near.values(OBJECT, false)));
                Box::new(NearPlace { key: Self::object_key(near, key), table })
            });
            return Self::remote(engine, object_entry(engine, key), Vec::new(), near);
        }
        let table = LocalTable::Values(Arc::clone(engine.objects()));
        Self::Local { key: Self::object_key(engine, key), instance: 0, tags: Box::default(), table }
    }

    /// The place of a fragment, under the key that the cache object has for it. Those of one name are deleted together.
    #[cfg(feature = "minijinja")]
    pub(crate) fn of_fragment(engine: &Engine, key: &str, name: Option<&str>) -> Self {
        let mut place = Self::of_object(engine, key);
        let Some(name) = name else { return place };
        match &mut place {
            Self::Local { tags, .. } => *tags = Box::new([tags::digest(engine, Kind::Fragment, name)]),
            Self::Remote { versions, .. } => {
                versions.push(tags::version_key_of(engine, Kind::Fragment, name));
            }
        }
        place
    }

    /// The key of an entry of the cache object in the in-process store.
    pub(crate) fn object_key(store: &impl InProcess, key: &str) -> Key {
        Key {
            digest: store.digest(|w| key.cache_key(w)),
            bytes: recorded(|w| key.cache_key(w)),
            function: OBJECT,
        }
    }

    fn remote(engine: &Engine, entry: String, versions: Vec<String>, near: Option<Box<NearPlace>>) -> Self {
        Self::Remote { key: engine.flight_key(&entry), entry, versions, near }
    }

    /// The key of the flights.
    pub(crate) fn key(&self) -> &Key {
        match self {
            Self::Local { key, .. } | Self::Remote { key, .. } => key,
        }
    }
}

impl Identity<'_> {
    /// Whether the entries of this function are in process.
    #[inline]
    pub(crate) fn is_local(&self, engine: &Engine) -> bool {
        self.local || engine.remote.is_none()
    }

    /// Whether the entry of a call is in process: as all entries of its function, or because its key means nothing elsewhere.
    #[inline]
    pub(crate) fn keeps_here(&self, engine: &Engine, arguments: &impl KeyPart) -> bool {
        self.is_local(engine) || stays(arguments)
    }

    /// The place of a call's entry, whose stored part is so many words, or [`NO_WORDS`](cachekit_backends::NO_WORDS). `tags` are
    /// none for a function whose entries have no tags.
    pub(crate) fn place<I: KeyPart>(
        &self,
        engine: &Engine,
        value_words: usize,
        arguments: &impl KeyPart,
        instance: &I,
        tags: Option<&TagList>,
    ) -> Place {
        if self.keeps_here(engine, arguments) {
            return self.local_place(engine, value_words, arguments, instance, tags);
        }
        let mut versions = vec![self.version_key(engine)];
        if I::VIEW {
            versions.extend(instance.view_path().map(|path| path::version_key_of(engine, path)));
        } else if has_instances::<I>() {
            versions.push(self.instance_version_key(engine, &self.instance_text(instance)));
        }
        versions.extend(tags.into_iter().flat_map(|tags| tags.version_keys(engine)));
        let entry = [&*self.stem(engine), ":", &*self.text_of_call(arguments)].concat();
        let near = engine.near().map(|near| {
            // A tier keeps values for as long as they need no look at their times.
            let untimed = Self { stamped: false, ..*self };
            let table = untimed.table::<_, I>(near, value_words, arguments);
            let key = untimed.key_in(near, &table, arguments);
            Box::new(NearPlace { key, table })
        });
        Place::remote(engine, entry, versions, near)
    }

    /// The key of a call in a store in process.
    fn key_in(&self, store: &impl InProcess, table: &LocalTable, arguments: &impl KeyPart) -> Key {
        let digest = store.digest(|w| arguments.feed(w));
        // A plain table compares the words.
        let bytes = match table {
            LocalTable::Plain(..) => KeyBytes::new(&[]),
            LocalTable::Values(_) => recorded(|recorder| arguments.feed(recorder)),
        };
        Key { digest, bytes, function: self.number }
    }

    fn local_place<I: KeyPart>(
        &self,
        engine: &Engine,
        value_words: usize,
        arguments: &impl KeyPart,
        instance: &I,
        tags: Option<&TagList>,
    ) -> Place {
        if I::VIEW {
            path::note(self.number);
        }
        let table = match tags {
            None => self.table::<_, I>(engine, value_words, arguments),
            Some(_) => LocalTable::Values(Arc::clone(engine.values(self.number, has_instances::<I>()))),
        };
        let key = self.key_in(engine, &table, arguments);
        let tags = tags.map_or_else(Box::default, |tags| tags.digests(engine));
        let instance = instance_digest(engine, self.number, instance);
        Place::Local { key, instance, tags, table }
    }

    /// The table of a call's entry in a store in process.
    fn table<K: KeyPart, I: KeyPart>(
        &self,
        store: &impl InProcess,
        value_words: usize,
        arguments: &K,
    ) -> LocalTable {
        let methods = has_instances::<I>();
        if !self.stamped
            && const { K::WORDS <= MOST_KEY_WORDS }
            && let Some(shape) = Shape::for_words(K::WORDS, value_words)
            && let Some(words) = Words::<MOST_KEY_WORDS>::of(|words| arguments.feed(words))
            && let Some(table) = store.plain_table(self.number, shape, methods)
        {
            return LocalTable::Plain(table, words);
        }
        LocalTable::Values(Arc::clone(store.values(self.number, methods)))
    }

    /// Returns the text that represents some arguments in keys of a backend.
    fn stable(&self, domain: &str, version: &str, arguments: &impl KeyPart) -> String {
        let mut writer = self.writer(domain, version);
        arguments.feed(&mut writer);
        writer.to_text()
    }

    fn writer(&self, domain: &str, version: &str) -> StableWriter {
        let mut writer = StableWriter::new();
        [domain, self.name, version].cache_key(&mut writer);
        writer
    }

    /// Returns the text that represents the arguments of a call.
    fn text_of_call(&self, arguments: &impl KeyPart) -> String {
        let anew = || self.writer("call", self.version);
        let kept = |begun: &OnceLock<Box<_>>| StableWriter::clone(begun.get_or_init(|| Box::new(anew())));
        let mut writer = self.calls.map_or_else(anew, kept);
        arguments.feed(&mut writer);
        writer.to_text()
    }

    /// `prefix function`, with the version where there is one.
    fn stem(&self, engine: &Engine) -> String {
        let Self { name, version, .. } = self;
        let stem = stem(engine, name);
        if version.is_empty() { stem } else { [&*stem, "@", version].concat() }
    }

    /// The key of the function's version. All values of the option `version` share it: the name is enough to delete the
    /// function, also in processes of an older or newer build.
    pub(crate) fn version_key(&self, engine: &Engine) -> String {
        version_key_of(engine, self.name)
    }

    /// The key of an instance's version.
    pub(crate) fn instance_version_key(&self, engine: &Engine, text: &str) -> String {
        version_key(&stem(engine, self.name), Some(text))
    }

    fn instance_text(&self, instance: &impl KeyPart) -> String {
        self.stable("instance", "", instance)
    }

    /// An instance of the function's type.
    pub(crate) fn instance(&self, engine: &Engine, instance: &impl KeyPart) -> Instance {
        Instance {
            digest: instance_digest(engine, self.number, instance),
            text: (!stays(instance)).then(|| self.instance_text(instance)),
        }
    }
}

/// Whether entries have an instance, or a path.
#[inline]
pub(crate) fn has_instances<I: KeyPart>() -> bool {
    size_of::<I>() != 0
}

/// The keyed digest of an instance; 0 for none.
pub(crate) fn instance_digest<I: KeyPart>(engine: &Engine, function: u32, instance: &I) -> u64 {
    if !has_instances::<I>() {
        return 0;
    }
    let feed = |writer: &mut KeyHasher| {
        writer.write_u32(function);
        instance.feed(writer);
    };
    engine.local.digest(feed).max(1)
}
