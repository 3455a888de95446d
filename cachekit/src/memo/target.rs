//! What a deletion, a look or a computation is aimed at: a call's key on the in-process store and on a shared backend.

use cachekit_backends::{KeyBytes, KeyWriter, Recorder, StableWriter, version_key};

use super::parts::KeyPart;
use super::site::Function;
use crate::cache::Inner;

/// An instance of a method's type, as it is known here and elsewhere.
#[derive(Clone)]
pub(crate) struct Instance {
    pub(crate) digest: u64,
    pub(crate) text: String,
}

/// A call's key in the in-process store.
pub(crate) struct LocalKey {
    pub(crate) digest: u64,
    pub(crate) bytes: KeyBytes,
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

impl Function {
    /// The keyed digest of an instance; 0 for none.
    pub(crate) fn instance_digest<I: KeyPart>(&self, inner: &Inner, instance: &I) -> u64 {
        if std::mem::size_of::<I>() == 0 {
            return 0;
        }
        inner.local.digest(|w| feed_local(self, instance, w)).max(1)
    }

    pub(crate) fn local_key(&self, inner: &Inner, parts: &impl KeyPart, instance: &impl KeyPart) -> LocalKey {
        let mut bytes = Vec::with_capacity(64);
        feed_local(self, parts, &mut Recorder::new(&mut bytes));
        LocalKey {
            digest: inner.local.digest(|w| feed_local(self, parts, w)),
            bytes: KeyBytes::new(&bytes),
            instance: self.instance_digest(inner, instance),
        }
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
        if std::mem::size_of::<I>() != 0 {
            versions.push(self.instance_version_key(inner, &self.instance_text(instance)));
        }
        SharedKey { entry: format!("{}:{}", self.stem(inner), self.stable("call", parts)), versions }
    }

    pub(crate) fn instance(&self, inner: &Inner, instance: &impl KeyPart) -> Instance {
        Instance { digest: self.instance_digest(inner, instance), text: self.instance_text(instance) }
    }
}
