//! What a deletion, a look or a computation is aimed at: a call's key on the in-process store and on a shared backend.

use std::cell::Cell;

use cachekit_backends::simple::SimpleStore;
use cachekit_backends::{KeyBytes, KeyWriter, Recorder, StableWriter, version_key};

use super::parts::KeyPart;
use super::site::Function;
use super::view;
use crate::cache::Inner;
use crate::flight::Key;

/// An instance of a method's type, as it is known here and elsewhere.
#[derive(Clone)]
pub(crate) struct Instance {
    pub(crate) digest: u64,
    pub(crate) text: String,
}

/// A call's key in the in-process store.
pub(crate) struct LocalKey {
    pub(crate) key: Key,
    /// The keyed digest of the instance; 0 for none.
    pub(crate) instance: u64,
}

/// A call's keys on a shared backend.
pub(crate) struct SharedKey {
    pub(crate) entry: String,
    /// The version of the function, then that of the instance, if there is one.
    pub(crate) versions: Vec<String>,
}

/// Feeds what the in-process store keys a call by: the function's number, then the parts.
#[inline]
pub(crate) fn feed_local<W: KeyWriter>(function: &Function, parts: &impl KeyPart, writer: &mut W) {
    writer.write_u32(function.number);
    parts.feed(writer);
}

/// The most memory that a thread keeps for recording keys.
const SCRATCH: usize = 1024;

/// The bytes of what is fed. Short ones cost no allocation.
pub(crate) fn recorded(feed: impl FnOnce(&mut Recorder<'_>)) -> KeyBytes {
    thread_local!(static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) });
    // Feeding may run code of the user's that comes here again: it finds an empty buffer.
    let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
    feed(&mut Recorder::new(&mut buffer));
    let bytes = KeyBytes::new(&buffer);
    if buffer.capacity() <= SCRATCH {
        buffer.clear();
        let _ = BUFFER.try_with(|kept| kept.set(buffer));
    }
    bytes
}

impl Function {
    /// The keyed digest of an instance; 0 for none.
    pub(crate) fn instance_digest<I: KeyPart>(&self, inner: &Inner, instance: &I) -> u64 {
        if std::mem::size_of::<I>() == 0 {
            return 0;
        }
        inner.local.digest(|w| feed_local(self, instance, w)).max(1)
    }

    pub(crate) fn local_key<I: KeyPart>(
        &'static self,
        inner: &Inner,
        digest: u64,
        parts: &impl KeyPart,
        instance: &I,
    ) -> LocalKey {
        if I::VIEW {
            view::note(self);
        }
        let bytes = recorded(|recorder| feed_local(self, parts, recorder));
        LocalKey { key: Key { digest, bytes }, instance: self.instance_digest(inner, instance) }
    }

    /// The digest of a call's key in the in-process store.
    #[inline]
    pub(crate) fn digest(&self, store: &SimpleStore, parts: &impl KeyPart) -> u64 {
        store.digest(|w| feed_local(self, parts, w))
    }

    fn stable(&self, domain: &str, parts: &impl KeyPart) -> String {
        use std::hash::Hasher;
        let mut writer = StableWriter::new();
        for text in [domain, &self.name, self.version] {
            writer.write_usize(text.len());
            writer.write(text.as_bytes());
        }
        parts.feed(&mut writer);
        writer.to_text()
    }

    /// `prefix function`, with the version where there is one.
    fn stem(&self, inner: &Inner) -> String {
        let Self { name, version, .. } = self;
        let prefix = &inner.prefix;
        if version.is_empty() { format!("{prefix}{name}") } else { format!("{prefix}{name}@{version}") }
    }

    /// The key under which the function's version stands.
    pub(crate) fn version_key(&self, inner: &Inner) -> String {
        version_key(&self.stem(inner), None)
    }

    /// The key under which an instance's version stands.
    pub(crate) fn instance_version_key(&self, inner: &Inner, text: &str) -> String {
        version_key(&self.stem(inner), Some(text))
    }

    pub(crate) fn instance_text(&self, instance: &impl KeyPart) -> String {
        self.stable("instance", instance)
    }

    pub(crate) fn shared_key<I: KeyPart>(
        &self,
        inner: &Inner,
        parts: &impl KeyPart,
        instance: &I,
    ) -> SharedKey {
        let mut versions = vec![self.version_key(inner)];
        if I::VIEW {
            versions.extend(instance.view_path().map(|path| view::path_version_key(inner, path)));
        } else if std::mem::size_of::<I>() != 0 {
            versions.push(self.instance_version_key(inner, &self.instance_text(instance)));
        }
        SharedKey { entry: format!("{}:{}", self.stem(inner), self.stable("call", parts)), versions }
    }

    pub(crate) fn instance(&self, inner: &Inner, instance: &impl KeyPart) -> Instance {
        Instance { digest: self.instance_digest(inner, instance), text: self.instance_text(instance) }
    }
}
