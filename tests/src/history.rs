//! A history of calls and deletions by several processes, and the check that every call's value was allowed: a small
//! linearisability check of the kind Jepsen makes (Kingsbury), for promise 2.
//!
//! A value carries the moment at which its computation read the source. A deletion that had returned before a call
//! started must be reflected: the call's value must not be read before the deletion began. What was read while the
//! deletion ran may be from before or after it.

use std::collections::{HashMap, HashSet};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Nanoseconds of the clock that all processes of this machine share; it never goes back.
///
/// # Panics
/// If the machine has been up for 500 years.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}

/// From when to when something ran, by [`now`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// Before it began.
    pub start: u64,
    /// After it ended.
    pub end: u64,
}

/// One call of a function, on an instance, with an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Which function.
    pub function: u8,
    /// Of which instance; any fixed number for a function without.
    pub instance: u64,
    /// With which argument.
    pub argument: u64,
}

/// The entries that a deletion removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Everything.
    All,
    /// All calls of a function.
    Function(u8),
    /// All calls of a function on an instance.
    Instance(u8, u64),
    /// One call.
    Call(Key),
}

impl Scope {
    /// The scopes that a key is in.
    fn of(key: Key) -> [Self; 4] {
        let Key { function, instance, .. } = key;
        [Self::All, Self::Function(function), Self::Instance(function, instance), Self::Call(key)]
    }
}

/// The result of a computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Value {
    /// For which call.
    pub key: Key,
    /// In which process.
    pub process: u16,
    /// Which of the computations of this process it was.
    pub number: u64,
    /// When it read the source, by [`now`].
    pub read: u64,
}

/// A call and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Called {
    /// The call.
    pub key: Key,
    /// In which process.
    pub process: u16,
    /// When.
    pub span: Span,
    /// The value that it returned.
    pub value: Value,
}

/// A deletion that returned `Ok`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// The entries that it removed.
    pub scope: Scope,
    /// When.
    pub span: Span,
}

/// The events of all processes, in any order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct History {
    /// The values that were computed, each with the moment at which its computation ended.
    pub computed: Vec<(Value, u64)>,
    /// The calls.
    pub called: Vec<Called>,
    /// The deletions.
    pub deleted: Vec<Deleted>,
}

/// Why a call's value was not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// It was computed from before a deletion that had returned before the call started.
    Stale(Called, Deleted),
    /// It is the value of another call.
    Foreign(Called),
    /// No computation made it.
    Unknown(Called),
    /// It was read after the call had ended.
    Early(Called),
}

/// The findings of a history without violations. A test must see that there are some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many calls and deletions there were.
    pub operations: usize,
    /// How many calls were answered by a computation of another process.
    pub shared: usize,
    /// How many computations a deletion of their key overtook: it began and ended while they ran.
    pub overtaken: usize,
}

/// Deletions of one scope in the order of their ends; each with the one that began last among it and those before.
struct Timeline(Vec<(u64, Deleted)>);

impl Timeline {
    fn new(mut deletions: Vec<Deleted>) -> Self {
        deletions.sort_by_key(|deleted| deleted.span.end);
        let mut latest = deletions[0];
        let with_latest = deletions.into_iter().map(|deleted| {
            if deleted.span.start > latest.span.start {
                latest = deleted;
            }
            (deleted.span.end, latest)
        });
        Self(with_latest.collect())
    }

    /// Of the deletions that had ended before a moment, the one that began last.
    fn before(&self, moment: u64) -> Option<Deleted> {
        let ended = self.0.partition_point(|(end, _)| *end < moment);
        Some(self.0[ended.checked_sub(1)?].1)
    }
}

impl History {
    /// Adds what another process did.
    pub fn extend(&mut self, other: Self) {
        self.computed.extend(other.computed);
        self.called.extend(other.called);
        self.deleted.extend(other.deleted);
    }

    /// Checks each call, where a deletion counts for calls that start at least so long after its end.
    ///
    /// # Errors
    /// The first violation found.
    pub fn check_with_grace(&self, grace: std::time::Duration) -> Result<Summary, Box<Violation>> {
        let mut later = self.clone();
        let grace = u64::try_from(grace.as_nanos()).unwrap_or(u64::MAX);
        for deleted in &mut later.deleted {
            deleted.span.end = deleted.span.end.saturating_add(grace);
        }
        later.check()
    }

    /// Checks each call.
    ///
    /// # Errors
    /// The first violation found.
    pub fn check(&self) -> Result<Summary, Box<Violation>> {
        let mut by_scope: HashMap<Scope, Vec<Deleted>> = HashMap::new();
        for deleted in &self.deleted {
            by_scope.entry(deleted.scope).or_default().push(*deleted);
        }
        let timelines: HashMap<Scope, Timeline> =
            by_scope.into_iter().map(|(scope, deletions)| (scope, Timeline::new(deletions))).collect();
        let latest = |key: Key, before: u64| {
            let scopes = Scope::of(key);
            let ended = scopes.iter().filter_map(|scope| timelines.get(scope)?.before(before));
            ended.max_by_key(|deleted| deleted.span.start)
        };
        let known: HashSet<Value> = self.computed.iter().map(|(value, _)| *value).collect();
        for &called in &self.called {
            let Called { key, span, value, .. } = called;
            if value.key != key {
                return Err(Violation::Foreign(called).into());
            }
            if !known.contains(&value) {
                return Err(Violation::Unknown(called).into());
            }
            if value.read > span.end {
                return Err(Violation::Early(called).into());
            }
            match latest(key, span.start) {
                Some(deleted) if value.read < deleted.span.start => {
                    return Err(Violation::Stale(called, deleted).into());
                }
                _ => {}
            }
        }
        let overtaken = |(value, end): &&(Value, u64)| {
            latest(value.key, *end).is_some_and(|deleted| deleted.span.start > value.read)
        };
        Ok(Summary {
            operations: self.called.len() + self.deleted.len(),
            shared: self.called.iter().filter(|called| called.value.process != called.process).count(),
            overtaken: self.computed.iter().filter(overtaken).count(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key { function: 1, instance: 2, argument: 3 };

    fn value(key: Key, read: u64) -> Value {
        Value { key, process: 0, number: read, read }
    }

    fn called(key: Key, (start, end): (u64, u64), value: Value) -> Called {
        Called { key, process: 1, span: Span { start, end }, value }
    }

    fn deleted(scope: Scope, (start, end): (u64, u64)) -> Deleted {
        Deleted { scope, span: Span { start, end } }
    }

    /// A value read at 10 and computed until 30, a deletion, and a call that returns the value.
    fn history(deletion: Deleted, call: (u64, u64)) -> History {
        let value = value(KEY, 10);
        History {
            computed: vec![(value, 30)],
            called: vec![called(KEY, call, value)],
            deleted: vec![deletion],
        }
    }

    #[test]
    fn a_value_from_before_a_deletion_of_whatever_covers_its_call_is_found() {
        for scope in [Scope::All, Scope::Function(1), Scope::Instance(1, 2), Scope::Call(KEY)] {
            let deletion = deleted(scope, (11, 20));
            let history = history(deletion, (21, 22));
            assert_eq!(history.check(), Err(Violation::Stale(history.called[0], deletion).into()));
        }
    }

    #[test]
    fn a_value_may_be_served_for_the_grace_and_no_longer() {
        let grace = std::time::Duration::from_nanos(5);
        assert!(history(deleted(Scope::All, (11, 20)), (25, 30)).check_with_grace(grace).is_ok());
        assert!(history(deleted(Scope::All, (11, 20)), (26, 30)).check_with_grace(grace).is_err());
    }

    #[test]
    fn deletions_of_something_else_allow_it() {
        let other = [
            Scope::Function(2),
            Scope::Instance(1, 1),
            Scope::Instance(2, 2),
            Scope::Call(Key { argument: 4, ..KEY }),
            Scope::Call(Key { instance: 4, ..KEY }),
        ];
        for scope in other {
            assert!(history(deleted(scope, (11, 20)), (21, 22)).check().is_ok(), "{scope:?}");
        }
    }

    #[test]
    fn what_runs_at_the_same_time_may_be_seen_either_way() {
        // The call began before the deletion ended, or the source was read while the deletion ran.
        assert!(history(deleted(Scope::All, (11, 20)), (20, 22)).check().is_ok());
        assert!(history(deleted(Scope::All, (11, 20)), (19, 40)).check().is_ok());
        assert!(history(deleted(Scope::All, (10, 20)), (21, 22)).check().is_ok());
    }

    #[test]
    fn one_stale_value_among_thousands_is_found_whatever_the_order() {
        let mut all = History::default();
        for round in 0..2000 {
            let at = round * 100;
            let value = value(KEY, at + 10);
            all.extend(History {
                computed: vec![(value, at + 20)],
                called: vec![called(KEY, (at + 30, at + 40), value)],
                deleted: vec![
                    deleted(Scope::Function(1), (at, at + 5)),
                    deleted(Scope::All, (at + 1, at + 4)),
                ],
            });
        }
        all.called.reverse();
        assert!(all.check().is_ok());
        let stale = called(KEY, (100_030, 100_040), value(KEY, 99_910));
        all.called.insert(700, stale);
        let newest = deleted(Scope::All, (100_001, 100_004));
        assert_eq!(all.check(), Err(Violation::Stale(stale, newest).into()));
    }

    /// A short deletion that began late counts although a longer one, begun earlier, ended after it.
    #[test]
    fn a_long_deletion_does_not_hide_a_short_one_within_it() {
        let mut history = history(deleted(Scope::All, (5, 40)), (50, 60));
        assert!(history.check().is_ok(), "begun before the value was read");
        let short = deleted(Scope::All, (15, 20));
        history.deleted.push(short);
        assert_eq!(history.check(), Err(Violation::Stale(history.called[0], short).into()));
    }

    #[test]
    fn values_of_other_calls_of_nobody_and_of_the_future_are_found() {
        let fine = history(deleted(Scope::All, (1, 2)), (12, 40));
        let mut foreign = fine.clone();
        foreign.called[0].key.argument += 1;
        assert_eq!(foreign.check(), Err(Violation::Foreign(foreign.called[0]).into()));
        let mut unknown = fine.clone();
        unknown.called[0].value.number += 1;
        assert_eq!(unknown.check(), Err(Violation::Unknown(unknown.called[0]).into()));
        let mut early = fine.clone();
        early.called[0].span = Span { start: 3, end: 9 };
        assert_eq!(early.check(), Err(Violation::Early(early.called[0]).into()));
        assert!(fine.check().is_ok());
    }

    #[test]
    fn the_summary_counts_what_was_shared_and_overtaken() {
        let mut history = history(deleted(Scope::All, (11, 20)), (12, 40));
        assert_eq!(history.check(), Ok(Summary { operations: 2, shared: 1, overtaken: 1 }));
        history.called[0].process = 0;
        history.computed[0].1 = 19;
        assert_eq!(history.check(), Ok(Summary { operations: 2, shared: 0, overtaken: 0 }));
    }

    #[test]
    fn the_clock_goes_forward() {
        let first = now();
        assert!(first > 0 && now() >= first);
    }
}
