//! Tags: names, made of a call's arguments, under which entries of several functions are deleted together.

use std::borrow::Cow;
use std::sync::Arc;

use cachekit_backends::{CacheKey, Result, StableWriter, version_key};

use super::delete::remove_version;
use crate::engine::Engine;
use crate::engine::remote::Io;
use crate::engine::stats::Event;

/// A value that is a tag, or several: a text, an `Option` of one, a list of them.
#[diagnostic::on_unimplemented(
    message = "a tag is a text, and `{Self}` is none",
    label = "not a text",
    note = "write `format!(\"user:{{id}}\")`; an `Option`, an array, a slice or a `Vec` of texts is several tags, or none"
)]
pub trait TagTexts {
    /// Calls `add` with each of them.
    fn each(&self, add: &mut dyn FnMut(&str));
}

macro_rules! texts {
    ($($t:ty),*) => {$(
        impl TagTexts for $t {
            fn each(&self, add: &mut dyn FnMut(&str)) {
                add(self);
            }
        }
    )*};
}
texts!(str, String, Cow<'_, str>, Box<str>, Arc<str>);

impl<T: TagTexts + ?Sized> TagTexts for &T {
    fn each(&self, add: &mut dyn FnMut(&str)) {
        (**self).each(add);
    }
}

impl<T: TagTexts> TagTexts for [T] {
    fn each(&self, add: &mut dyn FnMut(&str)) {
        for text in self {
            text.each(add);
        }
    }
}

impl<T: TagTexts, const N: usize> TagTexts for [T; N] {
    fn each(&self, add: &mut dyn FnMut(&str)) {
        self.as_slice().each(add);
    }
}

impl<T: TagTexts> TagTexts for Vec<T> {
    fn each(&self, add: &mut dyn FnMut(&str)) {
        self.as_slice().each(add);
    }
}

impl<T: TagTexts> TagTexts for Option<T> {
    fn each(&self, add: &mut dyn FnMut(&str)) {
        self.as_slice().each(add);
    }
}

/// The tags of a call, evaluated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagList(Vec<String>);

impl TagList {
    /// The tags of all values, each once, in an order that doesn't depend on theirs.
    #[must_use]
    pub fn of(texts: &[&dyn TagTexts]) -> Self {
        let mut all = Vec::new();
        for text in texts {
            text.each(&mut |text| all.push(text.to_owned()));
        }
        all.sort_unstable();
        all.dedup();
        Self(all)
    }

    /// The keys of the tags' versions.
    pub(super) fn version_keys(&self, engine: &Engine) -> impl Iterator<Item = String> {
        self.0.iter().map(|tag| version_key_of(engine, Kind::Tag, tag))
    }

    /// The keyed digests in the in-process store.
    pub(super) fn digests(&self, engine: &Engine) -> Box<[u64]> {
        self.0.iter().map(|tag| digest(engine, Kind::Tag, tag)).collect()
    }
}

/// The origin of a tag. Equal texts of two kinds are two tags.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The option `tags`.
    Tag,
    /// The first part of a fragment's key.
    Fragment,
}

/// The keyed digest of a tag in the in-process store.
pub(crate) fn digest(engine: &Engine, kind: Kind, tag: &str) -> u64 {
    engine.local.digest(|w| match kind {
        Kind::Tag => tag.cache_key(w),
        Kind::Fragment => ("fragment", tag).cache_key(w),
    })
}

/// The key of a tag's version. All functions share it, so that one write deletes the entries of each.
pub(crate) fn version_key_of(engine: &Engine, kind: Kind, tag: &str) -> String {
    let word = match kind {
        Kind::Tag => "tag",
        Kind::Fragment => "fragment",
    };
    let mut writer = StableWriter::new();
    [word, tag].cache_key(&mut writer);
    version_key(&format!("{}{word}", engine.prefix), Some(&writer.to_text()))
}

/// Deletes all entries that carry a tag: one write.
///
/// # Errors
/// The backend's.
pub(crate) async fn delete_tag<D: Io>(io: D, engine: &Engine, kind: Kind, tag: &str) -> Result<()> {
    engine.count_deletion(match kind {
        Kind::Tag => "tag",
        Kind::Fragment => "fragment",
    });
    engine.local.delete_tag(digest(engine, kind, tag));
    let Some(remote) = &engine.remote else { return Ok(()) };
    let removed = remove_version(io, remote, version_key_of(engine, kind, tag)).await;
    removed.inspect_err(|_| engine.count(Event::Error))
}

/// Deletes all entries that carry one of some tags: one write for each.
///
/// # Errors
/// The backend's first; the other tags are deleted all the same.
pub(crate) async fn delete_tags<D: Io>(io: D, engine: Arc<Engine>, tags: TagList) -> Result<()> {
    let mut result = Ok(());
    for tag in &tags.0 {
        result = result.and(delete_tag(io, &engine, Kind::Tag, tag).await);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::TagList;

    #[test]
    fn equal_sets_of_texts_are_one_list() {
        let list = TagList::of(&[&"b", &vec!["a", "b"], &Some("c"), &None::<String>]);
        assert_eq!(list, TagList::of(&[&["c", "b"], &String::from("a")]));
        assert_eq!(list.0, ["a", "b", "c"]);
        assert_eq!(TagList::of(&[&Vec::<&str>::new()]), TagList::default());
    }
}
