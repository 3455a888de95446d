//! The store that keeps nothing: every read misses, every write is dropped.
//!
//! For development and for tests, where a memoized function should run on each call.

pub(crate) mod builtin;
#[cfg(test)]
mod tests;

use std::sync::Once;

use crate::{Backend, Capabilities, Cursor, KeyPage, Result, Token, Ttl, Usage};

/// The backend that keeps nothing.
///
/// It behaves like a store from which each value vanishes at once: a write succeeds, an [`add`](Backend::add) finds
/// nothing in its way, a read misses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Null;

impl Backend for Null {
    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
            .discards(true)
            .bounded(true)
            .atomic_add(true)
            .conditional(true)
            .clear_by_prefix(true)
            .list_keys(true)
    }

    fn get(&self, _key: &str) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn set(&self, _key: &str, _value: &[u8], _life: Ttl) -> Result<()> {
        Ok(())
    }

    fn delete(&self, _key: &str) -> Result<bool> {
        Ok(false)
    }

    fn clear(&self, _prefix: &str) -> Result<()> {
        Ok(())
    }

    fn add(&self, _key: &str, _value: &[u8], _life: Ttl) -> Result<bool> {
        Ok(true)
    }

    fn token(&self, _key: &str) -> Result<Token> {
        Ok(Token(0))
    }

    fn keys(&self, _prefix: &str, _at: Option<&Cursor>) -> Result<KeyPage> {
        Ok(KeyPage::default())
    }

    fn usage(&self) -> Usage {
        Usage::new(Some(0), Some(0)).expirations(Some(0))
    }

    /// Always false: with no memory of deletions, true could be wrong.
    fn put_if(&self, _key: &str, _value: &[u8], _life: Ttl, _token: Token) -> Result<bool> {
        Ok(false)
    }
}

/// Logs once a process that nothing is cached, unless `silent` (`CACHE_NO_NULL_WARNING`).
pub fn warn_once(silent: bool) {
    static WARNED: Once = Once::new();
    if !silent {
        WARNED.call_once(|| {
            tracing::warn!(
                target: "cachekit",
                "CACHE_TYPE is null: nothing is cached; `no_null_warning` silences this warning"
            );
        });
    }
}
