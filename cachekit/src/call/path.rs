//! Entries that belong to the path of a request: the key of a path, and the deletion of everything under one.

use std::sync::Arc;

use cachekit_backends::{CacheKey, KeyWriter, Result, StableWriter, version_key};
use parking_lot::RwLock;

use super::arguments::KeyPart;
use super::delete::remove_version;
use super::place::instance_digest;
use crate::engine::Engine;
use crate::engine::remote::Io;
use crate::engine::stats::Event;

/// A path, in the place where methods have their instance.
pub(crate) struct Path<'a>(pub(crate) &'a str);

impl KeyPart for Path<'_> {
    const VIEW: bool = true;

    fn feed<W: KeyWriter>(&self, writer: &mut W) {
        canonical(self.0).as_str().cache_key(writer);
    }

    fn view_path(&self) -> Option<&str> {
        Some(self.0)
    }
}

/// The functions that have entries by path, by their numbers.
static BY_PATH: RwLock<Vec<u32>> = RwLock::new(Vec::new());

/// Notes that a function has entries by path, before its first one is computed: a deletion that misses it came before.
pub(crate) fn note(function: u32) {
    if !BY_PATH.read().contains(&function) {
        let mut all = BY_PATH.write();
        if !all.contains(&function) {
            all.push(function);
        }
    }
}

/// The key of a path's version. All functions share it, so that one write deletes the entries of each.
pub(crate) fn version_key_of(engine: &Engine, path: &str) -> String {
    let mut writer = StableWriter::new();
    Path(path).feed(&mut writer);
    version_key(&format!("{}view", engine.prefix), Some(&writer.to_text()))
}

/// Deletes the entries of functions and the responses that belong to a path. A query in `path` is ignored.
pub(crate) async fn delete_path<D: Io>(io: D, engine: Arc<Engine>, path: String) -> Result<()> {
    engine.count_deletion("path");
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let functions = BY_PATH.read().clone();
    for function in functions {
        let digest = instance_digest(&engine, function, &(Path(path),));
        engine.local.delete_instance(function, digest);
    }
    let Some(remote) = &engine.remote else { return Ok(()) };
    let key = version_key_of(&engine, path);
    remove_version(io, remote, key).await.inspect_err(|_| engine.count(Event::Error))
}

/// Returns a path in one spelling: needless escapes are resolved, the others are in upper case, and characters that a
/// request can't carry are escaped (RFC 3986, 6.2.2).
fn canonical(path: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(path.len());
    let bytes = path.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        let escaped = match (byte, digit(at), digit(at + 1)) {
            (b'%', Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        match escaped {
            Some(byte) => {
                at += 2;
                if plain(byte) {
                    out.push(byte.into());
                } else {
                    let _ = write!(out, "%{byte:02X}");
                }
            }
            None if plain(byte) || b"/%!$&'()*+,;=:@".contains(&byte) => out.push(byte.into()),
            None => _ = write!(out, "%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn a_path_has_one_spelling() {
        assert_eq!(canonical("/users/%61nn"), "/users/ann");
        assert_eq!(canonical("/a%2fb"), "/a%2Fb");
        assert_ne!(canonical("/a%2Fb"), canonical("/a/b"));
        assert_eq!(canonical("/é x"), "/%C3%A9%20x");
        assert_eq!(canonical("/100%"), "/100%");
        assert_eq!(canonical("/%zz%4"), "/%zz%4");
    }
}
