//! A backend whose errors are failures of a case.

use std::sync::Arc;

use super::case::Said;
use crate::{Backend, Lifetime, Result, Token, Version};

/// A handle of the store that is tested.
#[derive(Clone)]
pub(super) struct Handle(pub(super) Arc<dyn Backend>);

fn said<T>(method: &str, result: Result<T>) -> Said<T> {
    result.map_err(|e| format!("`{method}`, expected success, got the error {:?}: {e}", e.kind()))
}

impl Handle {
    pub(super) fn get(&self, key: &str) -> Said<Option<Vec<u8>>> {
        said("get", self.0.get(key))
    }
    pub(super) fn set(&self, key: &str, value: &[u8], life: Lifetime) -> Said {
        said("set", self.0.set(key, value, life))
    }
    pub(super) fn delete(&self, key: &str) -> Said<bool> {
        said("delete", self.0.delete(key))
    }
    pub(super) fn clear(&self, prefix: &str) -> Said {
        said("clear", self.0.clear(prefix))
    }
    pub(super) fn get_many(&self, keys: &[&str]) -> Said<Vec<Option<Vec<u8>>>> {
        said("get_many", self.0.get_many(keys))
    }
    pub(super) fn set_many(&self, items: &[(&str, &[u8])], life: Lifetime) -> Said {
        said("set_many", self.0.set_many(items, life))
    }
    pub(super) fn delete_many(&self, keys: &[&str]) -> Said<u64> {
        said("delete_many", self.0.delete_many(keys))
    }
    pub(super) fn add(&self, key: &str, value: &[u8], life: Lifetime) -> Said<bool> {
        said("add", self.0.add(key, value, life))
    }
    pub(super) fn token(&self, key: &str) -> Said<Token> {
        said("token", self.0.token(key))
    }
    pub(super) fn put_if(&self, key: &str, value: &[u8], life: Lifetime, token: Token) -> Said<bool> {
        said("put_if", self.0.put_if(key, value, life, token))
    }

    /// The entry and the versions, after a look at how many versions there are.
    pub(super) fn fetch(&self, entry: &str, keys: &[&str]) -> Said<(Option<Vec<u8>>, Vec<Version>)> {
        let fetched = said("fetch", self.0.fetch(entry, keys))?;
        if fetched.versions.len() != keys.len() {
            let got = fetched.versions.len();
            return Err(format!("the versions of `fetch`, expected {} of them, got {got}", keys.len()));
        }
        Ok((fetched.entry, fetched.versions))
    }
}
