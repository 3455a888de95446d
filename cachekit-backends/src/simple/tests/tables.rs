//! The tables beside a plain map: whatever is done to them in whatever order, a lookup gives what was stored last and not
//! deleted, expired or evicted since, and the bound holds.
#![expect(clippy::cast_precision_loss, reason = "counts are small")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::plain_table;
use crate::simple::{
    AsStored, ClaimId, Entry, Hook, Left, Look, Plain, PlainCall, PlainTable, Right, Shape, Tables,
    ValueCall, Values, Weight,
};
use crate::{KeyBytes, ManualClock};

const KEYS: u64 = 60;
const INSTANCES: u64 = 4;

#[derive(Clone, Debug)]
enum Step {
    Get(u64),
    /// Stores at once, to live so long.
    Put(u64, u64),
    Claim(u64),
    /// Ends one of the claims that were made.
    Fill(usize),
    Remove(u64),
    DeleteInstance(u64),
    DeleteFunction,
    Clear,
    Advance(u64),
    Sweep,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || 0..KEYS;
    let step = prop_oneof![
        12 => key().prop_map(Step::Get),
        12 => (key(), 0..30u64).prop_map(|(key, life)| Step::Put(key, life)),
        4 => key().prop_map(Step::Claim),
        4 => any::<usize>().prop_map(Step::Fill),
        3 => key().prop_map(Step::Remove),
        2 => (0..INSTANCES).prop_map(Step::DeleteInstance),
        1 => Just(Step::DeleteFunction),
        1 => Just(Step::Clear),
        3 => (0..10u64).prop_map(Step::Advance),
        1 => Just(Step::Sweep),
    ];
    vec(step, 1..400)
}

/// A table of either kind, as a map from numbers to numbers.
trait Subject {
    fn open(tables: &Tables) -> Self;
    fn get(&self, key: u64) -> Option<u64>;
    fn claim(&self, key: u64) -> Option<ClaimId>;
    fn claim_apart(&self, key: u64) -> ClaimId;
    fn fill(&self, key: u64, right: Right, value: u64, expiry: u64) -> bool;
    fn remove(&self, key: u64) -> bool;
}

fn instance(key: u64) -> u64 {
    1 + key % INSTANCES
}

fn hook() -> Hook {
    Arc::new(())
}

struct OfWords(Arc<Plain<2, 1>>);

impl OfWords {
    fn call(key: u64) -> PlainCall<2> {
        PlainCall { key: [key, !key], instance: instance(key) }
    }
}

impl Subject for OfWords {
    fn open(tables: &Tables) -> Self {
        match tables.plain(1, Shape { key: 2, value: 1 }, true) {
            Some(PlainTable::TwoOne(table)) => Self(table),
            other => panic!("{other:?}"),
        }
    }
    fn get(&self, key: u64) -> Option<u64> {
        let key = [key, !key];
        self.0.straight(&key).or_else(|| self.0.look(&key)).map(|[value]| value)
    }
    fn claim(&self, key: u64) -> Option<ClaimId> {
        match self.0.claim(&Self::call(key), None, |_| true, hook) {
            Look::Claimed(id) => Some(id),
            Look::Found(_) | Look::Busy(_) => None,
        }
    }
    fn claim_apart(&self, key: u64) -> ClaimId {
        self.0.claim_apart(&Self::call(key), hook())
    }
    fn fill(&self, key: u64, right: Right, value: u64, expiry: u64) -> bool {
        self.0.fill(&Self::call(key), right, [value], expiry, || true).stored
    }
    fn remove(&self, key: u64) -> bool {
        self.0.remove(&Self::call(key))
    }
}

struct OfValues(Arc<Values>);

impl OfValues {
    /// Some keys share a digest.
    fn call(key: u64) -> ValueCall {
        let bytes = KeyBytes::new(&key.to_ne_bytes());
        let digest = if key < 8 { key / 2 } else { key }.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ValueCall { digest, bytes, instance: instance(key) }
    }
}

impl Subject for OfValues {
    fn open(tables: &Tables) -> Self {
        Self(tables.values(1, true))
    }
    fn get(&self, key: u64) -> Option<u64> {
        use std::hash::Hasher;
        let feed = |m: &mut crate::Matcher<'_>| m.write_u64(key);
        let read = |entry: &Entry| entry.value::<Box<u64>>().map(|value| **value);
        self.0.read::<AsStored, _>(Self::call(key).digest, feed, read).flatten()
    }
    fn claim(&self, key: u64) -> Option<ClaimId> {
        match self.0.claim(&Self::call(key), None, |_| true, hook, &mut Left::default()) {
            Look::Claimed(id) => Some(id),
            Look::Found(()) | Look::Busy(_) => None,
        }
    }
    fn claim_apart(&self, key: u64) -> ClaimId {
        self.0.claim_apart(&Self::call(key), hook())
    }
    fn fill(&self, key: u64, right: Right, value: u64, expiry: u64) -> bool {
        let call = Self::call(key);
        let entry = Entry::new(call.bytes.clone(), Weight { bytes: 8, exact: true }, Box::new(value));
        self.0.fill(&call, right, entry, expiry, || true, &mut Left::default()).stored
    }
    fn remove(&self, key: u64) -> bool {
        self.0.remove(&Self::call(key))
    }
}

/// An entry of a plain map: value and expiry.
#[derive(Default)]
struct Model {
    entries: HashMap<u64, (u64, u64)>,
    claims: Vec<(u64, ClaimId, bool)>,
}

impl Model {
    fn live(&self, key: u64, now: u64) -> Option<u64> {
        self.entries.get(&key).filter(|(_, expiry)| *expiry > now).map(|(value, _)| *value)
    }
    fn delete(&mut self, which: impl Fn(u64) -> bool) {
        self.entries.retain(|&key, _| !which(key));
        for (key, _, void) in &mut self.claims {
            *void |= which(*key);
        }
    }
}

/// Runs steps against a table of at most `threshold` entries. Keys that share a digest displace each other, so they are left
/// out where `exact`.
fn run<S: Subject>(threshold: usize, steps: &[Step]) -> Result<(), TestCaseError> {
    let manual = ManualClock::new();
    let clock = manual.clock();
    let tables = Tables::new(threshold, 0, clock.clone());
    let subject = S::open(&tables);
    let mut model = Model::default();
    // Whether all that the model has must be there.
    let complete = threshold == 0;
    for (at, step) in (0..).zip(steps) {
        let now = clock.monotonic();
        match *step {
            Step::Get(key) => {
                let (got, known) = (subject.get(key), model.live(key, now));
                prop_assert!(got.is_none() || got == known, "get {key}: {got:?}, stored {known:?}");
                prop_assert!(
                    got.is_some() || !complete || known.is_none(),
                    "get {key}: nothing, stored {known:?}"
                );
            }
            Step::Put(key, life) => {
                let expiry = if life == 0 { u64::MAX } else { now + life };
                prop_assert!(subject.fill(key, Right::Always, at, expiry));
                displace::<S>(&mut model, key);
                model.entries.insert(key, (at, expiry));
                // Its computations began before.
                for (of, _, void) in &mut model.claims {
                    *void |= *of == key;
                }
            }
            Step::Claim(key) => {
                let under_way = model.claims.iter().any(|(of, _, void)| *of == key && !void);
                match subject.claim(key) {
                    Some(id) => {
                        prop_assert!(!(under_way || complete && model.live(key, now).is_some()));
                        model.claims.push((key, id, false));
                    }
                    None => prop_assert!(under_way || model.live(key, now).is_some()),
                }
            }
            Step::Fill(which) if !model.claims.is_empty() => {
                let index = which % model.claims.len();
                let (key, id, void) = model.claims.swap_remove(index);
                let stored = subject.fill(key, Right::Claim(id), at, u64::MAX);
                prop_assert_eq!(stored, !void, "fill {}", key);
                if stored {
                    displace::<S>(&mut model, key);
                    model.entries.insert(key, (at, u64::MAX));
                }
            }
            Step::Fill(_) => {}
            Step::Remove(key) => {
                let (removed, known) = (subject.remove(key), model.live(key, now).is_some());
                prop_assert!(removed == known || !complete && known, "remove {key}: {removed}");
                model.delete(|of| of == key);
            }
            Step::DeleteInstance(which) => {
                tables.delete_instance(1, 1 + which);
                model.delete(|key| instance(key) == 1 + which);
            }
            Step::DeleteFunction => {
                tables.delete_function(1);
                model.delete(|_| true);
            }
            Step::Clear => {
                tables.clear();
                model.delete(|_| true);
                prop_assert_eq!(tables.len(), 0);
            }
            Step::Advance(by) => manual.advance(Duration::from_millis(by)),
            Step::Sweep => tables.sweep(),
        }
        prop_assert!(threshold == 0 || tables.len() <= threshold);
    }
    tables.sweep();
    let now = clock.monotonic();
    let live = model.entries.values().filter(|(_, expiry)| *expiry > now).count();
    prop_assert!(tables.len() == live || !complete && tables.len() < live, "{} of {live}", tables.len());
    Ok(())
}

/// Of keys with one digest a table of values holds one.
fn displace<S: Subject>(model: &mut Model, key: u64) {
    if std::any::type_name::<S>() == std::any::type_name::<OfValues>() && key < 8 {
        model.entries.remove(&(key ^ 1));
    }
}

proptest! {
    #[test]
    fn a_plain_table_is_a_map(steps in steps()) {
        run::<OfWords>(0, &steps)?;
        run::<OfWords>(20, &steps)?;
    }

    #[test]
    fn a_table_of_values_is_a_map(steps in steps()) {
        run::<OfValues>(0, &steps)?;
        run::<OfValues>(20, &steps)?;
    }
}

/// A computation whose claim found nothing needs no search at its end, unless something came in meanwhile.
fn replaces<S: Subject>() {
    let tables = Tables::new(0, 0, ManualClock::new().clock());
    let table = S::open(&tables);
    // In a table of values these two share a digest.
    for other in [2, 3] {
        let (claim, apart) = (table.claim(2).unwrap(), table.claim_apart(other));
        assert!(table.fill(other, Right::Claim(apart), 10, u64::MAX));
        assert!(table.fill(2, Right::Claim(claim), 20, u64::MAX));
        assert_eq!(table.get(2), Some(20));
        assert!(table.remove(2));
        assert_eq!(table.get(2), None, "there was an older one behind it");
    }
}

#[test]
fn a_computation_replaces_what_came_in_since_its_claim() {
    replaces::<OfWords>();
    replaces::<OfValues>();
}

fn plain(threshold: usize) -> (Arc<Tables>, Arc<Plain<1, 1>>) {
    let tables = Tables::new(threshold, 0, ManualClock::new().clock());
    let plain = plain_table(&tables, 1, false);
    (tables, plain)
}

fn store(plain: &Plain<1, 1>, key: u64) -> bool {
    plain.fill(&PlainCall { key: [key], instance: 0 }, Right::Always, [!key], u64::MAX, || true).stored
}

#[test]
fn a_table_keeps_as_many_entries_as_the_threshold_says_to_the_last() {
    for threshold in [1, 2, 7, 100, 1_000, 10_000] {
        let (tables, plain) = plain(threshold);
        assert!((0..threshold as u64).all(|key| store(&plain, key)));
        assert_eq!((tables.len(), tables.evictions()), (threshold, 0));
        for key in 0..threshold as u64 {
            assert_eq!(plain.look(&[key]), Some([!key]), "{key} of {threshold}");
        }
        assert!(store(&plain, u64::MAX));
        assert_eq!((tables.len(), tables.evictions()), (threshold, 1));
    }
}

#[test]
fn a_large_table_grows_by_small_steps() {
    let (tables, plain) = plain(0);
    let mut most = (0f64, 0);
    for key in 0..200_000u64 {
        assert!(store(&plain, key));
        if key > 20_000 && key % 500 == 0 {
            let each = plain.memory() as f64 / key as f64;
            if each > most.0 {
                most = (each, key);
            }
        }
    }
    assert_eq!(tables.len(), 200_000);
    assert!((0..200_000).all(|key| plain.look(&[key]) == Some([!key])));
    assert!(most.0 <= 52.5, "{} bytes an entry, of {}", most.0, most.1);
}

/// How far entries stand from their home, as the buckets that were passed have it.
fn passed(table: &Plain<1, 1>) -> u32 {
    let (recorded, counted) = table.passed();
    assert_eq!(recorded, counted);
    recorded
}

#[test]
fn a_grown_table_knows_of_each_bucket_how_many_entries_passed_it() {
    let (_tables, plain) = plain(0);
    for key in 0..20_000 {
        assert!(store(&plain, key));
        if key % 97 == 0 {
            passed(&plain);
        }
    }
}

#[test]
fn entries_stay_near_their_home_however_long_the_table_has_been_full() {
    let never = |_: &Plain<1, 1>, _: u64| ();
    // An entry that is used while it is a newcomer stays, and leaves when the hand of the clock comes to it.
    let again = |plain: &Plain<1, 1>, key: u64| {
        for key in key.saturating_sub(200)..key {
            let _ = plain.look(&[key]);
        }
    };
    for (idle, uses) in [(0, never as fn(&Plain<1, 1>, u64)), (1_000, never), (0, again), (1_000, again)] {
        let tables = Tables::new(5_000, 0, ManualClock::new().clock());
        let (busy, other) = (plain_table(&tables, 1, false), plain_table(&tables, 2, false));
        assert!((0..idle).all(|key| store(&other, key)));
        for key in 0..40_000 {
            assert!(store(&busy, key));
            if key % 50 == 0 {
                uses(&busy, key);
            }
        }
        assert!(passed(&busy) < 2_500, "{} of 5,000", passed(&busy));
    }
}
