use super::spread::Manifest;
use super::{Ops, Task, flags};
use crate::memcached::transport::Transport;
use crate::memcached::wire::{Action, Found, Reply};
use crate::{Cursor, Error, ErrorKind, KeyPage, Result};

/// The content of an item.
pub(super) enum Content {
    Nothing,
    Value(Vec<u8>),
    Split(Manifest),
}

impl<T: Transport> Ops<'_, T> {
    pub(in crate::memcached) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.get_many(&[key]).await?.pop().flatten())
    }

    pub(in crate::memcached) async fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>> {
        let tasks: Vec<Task<'_>> = keys.iter().map(|&key| Task { key, action: Action::Get }).collect();
        let contents = self.run(&tasks).await?.into_iter().map(|answer| self.content(answer.reply)).collect();
        self.values(contents).await
    }

    /// Fails: the server has no reliable way to list its keys.
    #[expect(clippy::unused_async, reason = "one of the operations, all of which are asynchronous")]
    pub(in crate::memcached) async fn keys(&self, _prefix: &str, _at: Option<&Cursor>) -> Result<KeyPage> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "memcached can't list its keys: keep an index of your own under a known key, with `update`, or use Redis",
        ))
    }

    pub(super) fn content(&self, reply: Reply) -> Content {
        match reply {
            Reply::Item(found) => self.content_of(found),
            _ => Content::Nothing,
        }
    }

    pub(super) fn content_of(&self, found: Found) -> Content {
        if !self.is_value(&found) {
            return Content::Nothing;
        }
        match found.flags {
            flags::EMPTY => Content::Value(Vec::new()),
            flags::MANIFEST => {
                Manifest::parse(&found.value, self.max_value()).map_or(Content::Nothing, Content::Split)
            }
            _ => Content::Value(found.value),
        }
    }

    /// Puts the values together that are split, all servers at once.
    pub(super) async fn values(&self, contents: Vec<Content>) -> Result<Vec<Option<Vec<u8>>>> {
        let split: Vec<Manifest> = contents
            .iter()
            .filter_map(|content| if let Content::Split(manifest) = content { Some(*manifest) } else { None })
            .collect();
        let whole = if split.is_empty() { Vec::new() } else { Box::pin(self.read_chunks(&split)).await? };
        let mut whole = whole.into_iter();
        let value = |content| match content {
            Content::Nothing => None,
            Content::Value(value) => Some(value),
            Content::Split(_) => whole.next().flatten(),
        };
        Ok(contents.into_iter().map(value).collect())
    }
}
