//! Computations of entries in process, which their table knows by claims.

use cachekit_backends::simple::{
    ClaimId, Claims, Entry, Hook, Left, Look, Right, Tables, ValueCall, Values, Weight,
};
use cachekit_backends::{Clock, KeyBytes};

use super::super::claimed::Candidate;
use super::super::lead::Table;
use super::*;

struct Memo {
    _tables: Arc<Tables>,
    values: Arc<Values>,
}

impl Memo {
    fn new() -> Self {
        let tables = Tables::new(0, 0, Clock::system());
        Self { values: tables.values(1, false), _tables: tables }
    }

    fn key(&self, key: u64) -> ValueCall {
        let digest = self.values.digest(|hasher| std::hash::Hasher::write_u64(hasher, key));
        ValueCall { digest, bytes: KeyBytes::new(&key.to_le_bytes()), instance: 0 }
    }

    fn claim(&self, key: u64) -> (Candidate, Look<()>) {
        let mut candidate = Candidate::new(1);
        let may_join = |hook: &Hook| Candidate::may_join(hook, |birth| birth == 1);
        let look =
            self.values.claim(&self.key(key), None, may_join, || candidate.begin(), &mut Left::default());
        (candidate, look)
    }

    #[track_caller]
    fn lead(&self, key: u64) -> (Lead<'static, u64, u32>, ClaimId) {
        let (candidate, look) = self.claim(key);
        let Look::Claimed(claim) = look else { panic!("the computation is not this caller's") };
        (candidate.lead(Table::Held(Arc::clone(&self.values) as _), claim, 0, true), claim)
    }

    #[track_caller]
    fn wait(&self, key: u64) -> Wait {
        let (candidate, look) = self.claim(key);
        let Look::Busy(hook) = look else { panic!("no other caller computes") };
        candidate.wait(hook).expect("the leader does not wait for this caller")
    }

    /// Stores and ends a computation.
    fn store(&self, key: u64, lead: &mut Lead<'_, u64, u32>, claim: ClaimId) -> bool {
        let call = self.key(key);
        let entry = Entry::new(call.bytes.clone(), Weight { bytes: 8, exact: true }, key);
        let ended =
            self.values.fill(&call, Right::Claim(claim), entry, u64::MAX, || true, &mut Left::default());
        lead.claim_ended(ended.hook);
        lead.end(|| Some(shared(key)));
        ended.stored
    }
}

#[test]
fn a_threads_misses_share_a_flight_and_do_not_count_references() {
    let memo = Memo::new();
    let mut known = None;
    for key in 1..4 {
        let (mut lead, claim) = memo.lead(key);
        let flight = Arc::as_ptr(lead.flight());
        assert_eq!(*known.get_or_insert(flight), flight, "a new flight");
        drop(lead.enter());
        assert_eq!(Arc::strong_count(lead.flight()), 3, "of the claim, the leader and the body");
        assert!(memo.store(key, &mut lead, claim));
    }
}

#[test]
fn callers_wait_for_the_one_that_has_the_claim_and_get_its_value() {
    let memo = Memo::new();
    let (mut lead, claim) = memo.lead(1);
    let waiter = memo.wait(1);
    assert!(memo.store(1, &mut lead, claim));
    assert_eq!(value(waiter.wait()), 1);
    assert!(matches!(memo.claim(1).1, Look::Found(())));
}

#[test]
fn a_leader_that_fails_hands_over() {
    let memo = Memo::new();
    let (lead, _) = memo.lead(1);
    let waiter = memo.wait(1);
    drop(lead);
    assert!(matches!(waiter.wait(), Waited::Again));
    drop(memo.lead(1));
}

#[test]
fn a_deleted_computation_stores_nothing_and_later_callers_do_not_wait_for_it() {
    let memo = Memo::new();
    let (mut before, claim) = memo.lead(1);
    let waiter = memo.wait(1);
    memo.values.remove(&memo.key(1));
    assert!(before.invalidated());
    let (mut after, later) = memo.lead(1);
    assert!(!memo.store(1, &mut before, claim), "a value from before the deletion");
    assert_eq!(value(waiter.wait()), 1, "it came before the deletion, as its leader did");
    assert!(memo.values.holds(later));
    assert!(memo.store(1, &mut after, later));
}

#[test]
fn a_caller_does_not_wait_for_a_computation_that_began_too_early_for_it() {
    let memo = Memo::new();
    let (lead, _) = memo.lead(1);
    let mut late = Candidate::new(2);
    let may_join = |hook: &Hook| Candidate::may_join(hook, |birth| birth == 2);
    let look = memo.values.claim(&memo.key(1), None, may_join, || late.begin(), &mut Left::default());
    let Look::Claimed(claim) = look else { panic!("it joined a computation from before") };
    let late: Lead<'_, u64, u32> = late.lead(Table::Held(Arc::clone(&memo.values) as _), claim, 0, true);
    // From now on the others wait for the later one.
    let mut other = Candidate::new(2);
    let look = memo.values.claim(&memo.key(1), None, may_join, || other.begin(), &mut Left::default());
    assert!(matches!(look, Look::Busy(_)));
    drop((lead, late));
}

#[test]
fn a_caller_that_has_seen_an_entry_computes_it_anew() {
    let memo = Memo::new();
    let (mut lead, claim) = memo.lead(1);
    assert!(memo.store(1, &mut lead, claim));
    let call = memo.key(1);
    let seen = memo.values.get(call.digest, call.bytes.as_slice());
    let mut candidate = Candidate::new(1);
    let look = memo.values.claim(&call, seen.as_ref(), |_| true, || candidate.begin(), &mut Left::default());
    let Look::Claimed(claim) = look else { panic!("the entry was seen before") };
    let mut lead = candidate.lead(Table::Borrowed(&*memo.values), claim, 0, true);
    assert!(memo.store(1, &mut lead, claim));
    let look = memo.values.claim(
        &call,
        seen.as_ref(),
        |_| true,
        || unreachable!("there is another entry"),
        &mut Left::default(),
    );
    assert!(matches!(look, Look::Found(())));
}
