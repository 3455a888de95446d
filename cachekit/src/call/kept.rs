//! The values that functions keep for the request that is being handled, in a map of the request's own.
//!
//! A value need not be `Sync`, and its `Clone` is foreign code, which no lock is held over: a call takes the value out, clones
//! it, and puts it back unless something was deleted meanwhile. A call on another thread of the same request may miss it then, and
//! computes.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;

use parking_lot::Mutex;

/// A function, by its number, and the arguments of a call.
pub(crate) type CallKey = (u32, Box<[u8]>);

/// The values of one request.
#[derive(Default)]
pub(crate) struct Kept(Mutex<State>);

#[derive(Default)]
struct State {
    values: HashMap<CallKey, Value>,
    deletions: u64,
}

/// A value, and the digest of the instance that it is of.
pub(crate) struct Value {
    pub(crate) instance: u64,
    pub(crate) part: Box<dyn Any + Send>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

impl Kept {
    /// How many deletions there were, for [`put`](Self::put).
    pub(crate) fn deletions(&self) -> u64 {
        self.0.lock().deletions
    }

    /// Takes a value out, with the number of deletions, for [`put_back`](Self::put_back).
    pub(crate) fn take(&self, key: &CallKey) -> (Option<Value>, u64) {
        let mut state = self.0.lock();
        (state.values.remove(key), state.deletions)
    }

    /// Keeps a value, unless there were deletions since. Returns whether it is kept.
    pub(crate) fn put(&self, key: CallKey, value: Value, since: u64) -> bool {
        self.keep(key, value, |state, _| state.deletions == since)
    }

    /// Puts back what was taken out, unless there were deletions since, or there is another value: that is newer.
    pub(crate) fn put_back(&self, key: CallKey, value: Value, since: u64) {
        self.keep(key, value, |state, key| state.deletions == since && !state.values.contains_key(key));
    }

    fn keep(&self, key: CallKey, value: Value, may: impl FnOnce(&State, &CallKey) -> bool) -> bool {
        // The rest is dropped after the lock.
        let (is_kept, _other) = {
            let mut state = self.0.lock();
            if may(&state, &key) { (true, state.values.insert(key, value)) } else { (false, Some(value)) }
        };
        is_kept
    }

    /// Deletes the value of one call.
    pub(crate) fn delete(&self, key: &CallKey) {
        let _value = {
            let mut state = self.0.lock();
            state.deletions += 1;
            state.values.remove(key)
        };
    }

    /// Deletes the values of a function, or of one instance of it.
    pub(crate) fn delete_all(&self, function: u32, instance: Option<u64>) {
        let _values: Vec<Value> = {
            let mut state = self.0.lock();
            state.deletions += 1;
            let is_meant = |(key, value): (&CallKey, &Value)| {
                (key.0 == function && instance.is_none_or(|instance| instance == value.instance))
                    .then(|| key.clone())
            };
            let keys: Vec<CallKey> = state.values.iter().filter_map(is_meant).collect();
            keys.iter().filter_map(|key| state.values.remove(key)).collect()
        };
    }
}
