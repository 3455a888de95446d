use super::{Null, warn_once};
use crate::{Backend, captured};

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

#[test]
fn the_warning_comes_once_and_not_when_silenced() {
    for (silenced, lines) in [(true, 0), (false, 1), (false, 0)] {
        let ((), logged) = captured::during(|| warn_once(silenced));
        assert_eq!(logged.len(), lines, "{logged:?}");
    }
}
