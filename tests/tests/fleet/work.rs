//! The functions that a fleet calls, of every kind, and their deletions.

use std::future::Future;
use std::sync::OnceLock;

use cachekit::{
    Result, Tier, cached, delete_cached, delete_memoized, delete_memoized_verhash, memoize, refresh, traced,
};
use cachekit_tests::history::{Key, Scope, Value};
use serde::{Deserialize, Serialize};

/// So many bytes more have the values of some calls.
pub(crate) const LARGE: usize = 5000;

/// The value that the functions return.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) value: Value,
    padding: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(value: Value) -> Self {
        let len = if value.key.argument.is_multiple_of(3) { LARGE } else { 0 };
        Self { value, padding: Self::padding(&value, len).collect() }
    }

    fn padding(value: &Value, len: usize) -> impl Iterator<Item = u8> {
        let seed = value.number ^ value.read;
        (0..len as u64)
            .map(move |i| seed.wrapping_add(i).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0])
    }

    /// The value, if all bytes belong to it.
    pub(crate) fn whole(self) -> Value {
        let padding: Vec<u8> = Self::padding(&self.value, self.padding.len()).collect();
        assert!(padding == self.padding, "parts of other values in {:?}", self.value);
        self.value
    }
}

/// The bodies of the functions in a process of the fleet.
pub(crate) trait Source: Send + Sync {
    /// Computes, on the thread of the call.
    fn compute(&self, key: Key) -> Value;
    /// The same as a task.
    fn compute_as_task(&self, key: Key) -> impl Future<Output = Value> + Send;
}

/// The source that the process has.
pub(crate) enum Kind {
    Scripted(crate::script::Scripted),
    Mixed(crate::mixed::Random),
}

static SOURCE: OnceLock<Kind> = OnceLock::new();

/// Sets the source of this process.
pub(crate) fn install(source: Kind) -> &'static Kind {
    SOURCE.get_or_init(|| source)
}

fn compute(key: Key) -> Answer {
    Answer::new(match SOURCE.get().unwrap() {
        Kind::Scripted(source) => source.compute(key),
        Kind::Mixed(source) => source.compute(key),
    })
}

async fn compute_as_task(key: Key) -> Answer {
    Answer::new(match SOURCE.get().unwrap() {
        Kind::Scripted(source) => source.compute_as_task(key).await,
        Kind::Mixed(source) => source.compute_as_task(key).await,
    })
}

pub(crate) const PLAIN: u8 = 0;
pub(crate) const ROLE: u8 = 1;
pub(crate) const LATER: u8 = 2;
pub(crate) const SINGLE: u8 = 3;

#[memoize]
fn plain(argument: u64) -> Answer {
    compute(Key { function: PLAIN, instance: 0, argument })
}

#[derive(cachekit::CacheKey)]
struct Person(u64);

impl Person {
    #[memoize]
    fn role(&self, argument: u64) -> Answer {
        compute(Key { function: ROLE, instance: self.0, argument })
    }
}

#[memoize]
async fn later(argument: u64) -> Answer {
    compute_as_task(Key { function: LATER, instance: 0, argument }).await
}

#[cached(key_prefix = "single")]
fn single() -> Answer {
    compute(Key { function: SINGLE, instance: 0, argument: 0 })
}

/// Whether a function is async.
pub(crate) fn is_task(function: u8) -> bool {
    function == LATER
}

/// Calls a function.
pub(crate) fn call(key: Key) -> Value {
    match key.function {
        PLAIN => plain(key.argument),
        ROLE => Person(key.instance).role(key.argument),
        SINGLE => single(),
        _ => unreachable!("a function of tasks"),
    }
    .whole()
}

/// Calls, and says where the value came from.
pub(crate) fn tier_of(key: Key) -> Option<Tier> {
    match key.function {
        PLAIN => traced!(plain, key.argument).tier,
        ROLE => traced!(Person(key.instance).role, key.argument).tier,
        _ => unreachable!("no call that is traced"),
    }
}

/// Computes and stores a call of the function without instances anew.
pub(crate) fn renew(key: Key) -> Value {
    assert_eq!(key.function, PLAIN);
    refresh!(plain, key.argument).whole()
}

/// Calls the async function.
pub(crate) async fn call_as_task(key: Key) -> Value {
    assert!(is_task(key.function));
    later(key.argument).await.whole()
}

/// Deletes; by dropping the version, if that is another way to do it.
pub(crate) fn delete(scope: Scope, by_version: bool) -> Result<()> {
    match scope {
        Scope::All => cachekit::cache().clear(),
        Scope::Function(PLAIN) if by_version => delete_memoized_verhash!(plain),
        Scope::Function(PLAIN) => delete_memoized!(plain),
        Scope::Function(ROLE) if by_version => delete_memoized_verhash!(Person::role),
        Scope::Function(ROLE) => delete_memoized!(Person::role),
        Scope::Instance(ROLE, id) if by_version => delete_memoized_verhash!(Person(id).role),
        Scope::Instance(ROLE, id) => delete_memoized!(Person(id).role),
        Scope::Call(Key { function: PLAIN, argument, .. }) => delete_memoized!(plain, argument),
        Scope::Call(Key { function: ROLE, instance, argument }) => {
            delete_memoized!(Person::role, &Person(instance), argument)
        }
        Scope::Function(SINGLE) | Scope::Call(Key { function: SINGLE, .. }) => delete_cached!(single),
        other => unreachable!("{other:?}"),
    }
}

/// Deletes what belongs to the async function, or everything.
pub(crate) async fn delete_as_task(scope: Scope, by_version: bool) -> Result<()> {
    match scope {
        Scope::All => cachekit::cache().aio().clear().await,
        Scope::Function(LATER) if by_version => delete_memoized_verhash!(later).await,
        Scope::Function(LATER) => delete_memoized!(later).await,
        Scope::Call(Key { function: LATER, argument, .. }) => delete_memoized!(later, argument).await,
        other => unreachable!("{other:?}"),
    }
}
