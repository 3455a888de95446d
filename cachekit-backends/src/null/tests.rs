use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::{Null, warn_once};
use crate::Backend;

#[test]
fn writes_succeed_and_reads_miss() {
    let null = Null;
    null.set("k", b"v", None).unwrap();
    assert_eq!(null.get("k").unwrap(), None);
    assert!(null.add("k", b"v", None).unwrap());
    assert!(null.add("k", b"v", None).unwrap());
    assert!(!null.delete("k").unwrap());
    null.clear("").unwrap();
    assert!(null.capabilities().discards);
}

#[test]
fn a_conditional_write_never_claims_to_have_stored() {
    let token = Null.token("k").unwrap();
    Null.delete("k").unwrap();
    assert!(!Null.put_if("k", b"v", None, token).unwrap());
}

#[test]
fn versions_are_made_for_each_fetch() {
    let fetched = Null.fetch("entry", &["a", "b"]).unwrap();
    assert_eq!(fetched.entry, None);
    assert_eq!(fetched.versions.len(), 2);
    assert_ne!(fetched.versions[0], fetched.versions[1]);
}

/// Counts events.
struct Counter(Arc<AtomicUsize>);

impl Subscriber for Counter {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn the_warning_comes_once_and_not_when_silenced() {
    let seen = Arc::new(AtomicUsize::new(0));
    tracing::subscriber::with_default(Counter(Arc::clone(&seen)), || {
        warn_once(true);
        assert_eq!(seen.load(Ordering::SeqCst), 0);
        warn_once(false);
        warn_once(false);
        assert_eq!(seen.load(Ordering::SeqCst), 1);
    });
}
