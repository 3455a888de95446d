//! Events in the middle of an operation. The rest is in the suite, which `tests/tests/conformance.rs` runs on this layer.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::ProcessConditional;
use crate::simple::SimpleBackend;
use crate::{Backend, Clock, ErrorKind, Result, Ttl};

type Hook = Box<dyn FnOnce(&ProcessConditional) + Send>;

/// The five methods, and a hook in the middle of the next `set` or `clear`.
struct Hooked {
    store: SimpleBackend,
    layer: OnceLock<std::sync::Weak<ProcessConditional>>,
    hook: Mutex<Option<Hook>>,
}

impl Hooked {
    fn run_hook(&self) {
        let hook = self.hook.lock().take();
        if let (Some(hook), Some(layer)) = (hook, self.layer.get().and_then(std::sync::Weak::upgrade)) {
            hook(&layer);
        }
    }
}

impl Backend for Hooked {
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.store.get(key)
    }
    fn set(&self, key: &str, value: &[u8], life: Ttl) -> Result<()> {
        self.run_hook();
        self.store.set(key, value, life)
    }
    fn delete(&self, key: &str) -> Result<bool> {
        self.store.delete(key)
    }
    fn clear(&self, prefix: &str) -> Result<()> {
        self.store.clear(prefix)?;
        self.run_hook();
        Ok(())
    }
}

fn layer() -> (Arc<Hooked>, Arc<ProcessConditional>) {
    let store = SimpleBackend::new(0, Clock::system());
    let inner = Arc::new(Hooked { store, layer: OnceLock::new(), hook: Mutex::default() });
    // The hook runs on the thread that holds the stripe, so that a wait for it would end with the limit only.
    let layer = Arc::new(ProcessConditional::new(inner.clone(), Duration::from_millis(1)));
    inner.layer.set(Arc::downgrade(&layer)).unwrap();
    (inner, layer)
}

/// Nothing comes between the look at a token and the write, or the write would undo it.
#[test]
fn no_write_and_no_deletion_slips_under_a_conditional_write() {
    let changes: [fn(&ProcessConditional) -> Result<()>; 7] = [
        |layer| layer.clear(""),
        |layer| layer.delete("k").map(drop),
        |layer| layer.delete_many(&["other", "k"]).map(drop),
        |layer| layer.set("k", b"new", None),
        |layer| layer.set_many(&[("other", b"new"), ("k", b"new")], None),
        |layer| layer.add("k", b"new", None).map(drop),
        |layer| layer.token("k").and_then(|token| layer.put_if("k", b"new", None, token)).map(drop),
    ];
    for change in changes {
        let (inner, layer) = layer();
        let token = layer.token("k").unwrap();
        let seen = Arc::new(Mutex::new(None));
        let note = Arc::clone(&seen);
        *inner.hook.lock() =
            Some(Box::new(move |layer| *note.lock() = change(layer).err().map(|e| e.kind())));
        assert!(layer.put_if("k", b"value", None, token).unwrap());
        assert_eq!(*seen.lock(), Some(ErrorKind::Timeout));
    }
}

/// Such a token has not seen what the write left.
#[test]
fn a_token_of_the_middle_of_a_write_is_void() {
    for conditional in [false, true] {
        let (inner, layer) = layer();
        let token = layer.token("k").unwrap();
        let seen = Arc::new(Mutex::new(None));
        let note = Arc::clone(&seen);
        *inner.hook.lock() = Some(Box::new(move |layer| *note.lock() = layer.token("k").ok()));
        if conditional {
            assert!(layer.put_if("k", b"value", None, token).unwrap());
        } else {
            layer.set("k", b"value", None).unwrap();
        }
        let middle = seen.lock().unwrap();
        assert!(!layer.put_if("k", b"late", None, middle).unwrap());
    }
}

/// A `clear` may take long: conditional writes are refused for so long, deletions go on.
#[test]
fn during_a_clear_conditional_writes_are_refused_and_deletions_work() {
    let (inner, layer) = layer();
    *inner.hook.lock() = Some(Box::new(|layer| {
        let token = layer.token("k").unwrap();
        assert!(!layer.put_if("k", b"late", None, token).unwrap());
        layer.set("k", b"value", None).unwrap();
        assert!(layer.delete("k").unwrap());
    }));
    layer.clear("").unwrap();
    assert!(inner.hook.lock().is_none(), "the hook ran");
    let token = layer.token("k").unwrap();
    assert!(layer.put_if("k", b"value", None, token).unwrap(), "afterwards they are accepted again");
}

/// Versions are made under the stripe too, though the backend's own `add` is two steps.
#[test]
fn a_version_is_made_by_one() {
    let (inner, layer) = layer();
    *inner.hook.lock() = Some(Box::new(|layer| {
        assert_eq!(layer.fetch("other", &["version"]).unwrap_err().kind(), ErrorKind::Timeout);
    }));
    let first = layer.fetch("entry", &["version"]).unwrap().versions;
    assert!(inner.hook.lock().is_none(), "the hook ran");
    assert_eq!(layer.fetch("entry", &["version"]).unwrap().versions, first);
}
