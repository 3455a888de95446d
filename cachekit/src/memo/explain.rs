//! Why a call would hit or miss, for `explain!`. Changes nothing and counts nothing.

use std::fmt;
use std::time::Duration;

use cachekit_backends::{Error, ErrorKind, Fetched, Version, combine, unseal};

use crate::call::freshness::{Stamped, Windows};
use crate::call::nearest::{Nearest, Parts};
use crate::call::policy::{Opened, Policy};
use crate::call::sharing::untagged;
use crate::call::trace::Tier;
use crate::call::{Identity, Place, Times, is_near, near_times, open, stored_locally};
use crate::engine::remote::{GetMany, Io, Remote};
use crate::engine::stats::Event;
use crate::engine::{Content, Engine};

/// The entry of a call, or why there is none; made by [`explain!`](crate::explain). Its `Display` is one line for a person.
#[derive(Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// The identity of the function, as it is in keys.
    pub function: String,
    /// The key of the entry: on a backend as it is there, in process the function and a digest that is of this process only.
    pub key: String,
    /// Where it was looked for; none if the call is not cached at all.
    pub tier: Option<Tier>,
    /// The result of the look.
    pub finding: Finding,
    /// In process, where there is no entry and no trace of one: the entry of the function that differs in the fewest arguments.
    pub nearest: Option<Nearest>,
    /// The time since the entry was stored, of a hit on a backend.
    pub age: Option<Duration>,
    /// The time until the entry expires, of a hit; none if it never does.
    pub left: Option<Duration>,
}

/// Whether a call would hit, or why not.
#[derive(Debug)]
#[non_exhaustive]
pub enum Finding {
    /// There is a live entry. The options `unless`, `refresh_if` and `stale_if` may still make the call compute.
    Hit,
    /// No call of this function has stored anything in this process, which is where its entries are.
    NeverStored,
    /// The entry expired so long ago, and the backend still had it.
    Expired(Duration),
    /// The function, the instance or the path was deleted, or everything was, after the entry was stored.
    Deleted,
    /// There is no entry and no trace of one: it was never stored, was deleted by its own call, has expired, or was evicted.
    Absent {
        /// How many entries this cache has evicted in this process; none where the backend does that.
        evictions: Option<u64>,
        /// Whether this process has deleted the function, the instance or everything before; none where other processes do that too.
        deleted: Option<bool>,
    },
    /// The entry can't be read as a value of the function's type: it is of another type, of another build, or damaged.
    Unreadable(&'static str),
    /// The backend failed.
    Failed(Error),
    /// The backend failed repeatedly and isn't asked now.
    BreakerOpen(Error),
    /// The call is computed each time: the cache keeps nothing, the function is switched off, or two functions of the program have
    /// one identity.
    NotCached(String),
}

impl Explanation {
    /// Whether there is a live entry.
    pub fn is_hit(&self) -> bool {
        matches!(self.finding, Finding::Hit)
    }

    pub(crate) fn not_cached(function: &str, reason: String) -> Self {
        let finding = Finding::NotCached(reason);
        Self {
            function: function.to_owned(),
            key: function.to_owned(),
            tier: None,
            finding,
            nearest: None,
            age: None,
            left: None,
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function, key, tier, finding, nearest, age, left } = self;
        let place = match tier {
            Some(Tier::Process) => ", looked for in this process",
            Some(Tier::Near) => ", found in the near tier",
            Some(Tier::Backend) => ", looked for on the backend",
            None => "",
        };
        write!(f, "`{function}`, key `{key}`{place}: {finding}")?;
        if let Some(nearest) = nearest {
            write!(f, "; {nearest}")?;
        }
        if !self.is_hit() {
            return Ok(());
        }
        if let Some(age) = age {
            write!(f, ", {age:?} old")?;
        }
        match left {
            Some(left) => write!(f, ", {left:?} left"),
            None => f.write_str(", never expires"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hit => f.write_str("hit"),
            Self::NeverStored => f.write_str("miss: never stored"),
            Self::Expired(since) => write!(f, "miss: expired {since:?} ago"),
            Self::Deleted => f.write_str(
                "miss: the function, the instance, a tag or everything was deleted after it was stored",
            ),
            Self::Absent { evictions, deleted } => {
                f.write_str("miss: no entry; it was never stored, deleted by its own call, expired")?;
                if *deleted != Some(false) {
                    f.write_str(", deleted with its function or instance")?;
                }
                match evictions {
                    Some(0) => Ok(()),
                    Some(count) => write!(f, ", or evicted ({count} evictions so far)"),
                    None => f.write_str(", or evicted by the backend"),
                }
            }
            Self::Unreadable(reason) => write!(f, "miss: the entry is {reason}"),
            Self::Failed(error) => write!(f, "miss: {error}"),
            Self::BreakerOpen(error) => write!(f, "miss: the circuit breaker is open: {error}"),
            Self::NotCached(reason) => write!(f, "not cached: {reason}"),
        }
    }
}

/// Looks for the entry of a call, and says what it found.
pub(crate) async fn explain<R, D: Io>(
    io: D,
    engine: &Engine,
    identity: Identity<'_>,
    (place, parts): (&Place, Option<&Parts>),
    policy: &Policy<R>,
) -> Explanation {
    let is_near = is_near(engine, identity.number, place, policy);
    let tier = if is_near { Tier::Near } else { place.tier() };
    let (key, (finding, times)) = match (place, &engine.remote) {
        (Place::Remote { entry, .. }, _) if is_near => {
            (entry.clone(), (Finding::Hit, near_times(engine, place)))
        }
        (Place::Local { key, .. }, _) => {
            let text = format!("{}:{:016x}", identity.name, key.digest);
            (text, explain_here(engine, identity.number, place, policy))
        }
        (Place::Remote { entry, versions, .. }, Some(remote)) => {
            (entry.clone(), explain_there(io, (engine, remote), place, (entry, versions), policy).await)
        }
        (Place::Remote { .. }, None) => unreachable!("a place on a backend is one of an engine that has it"),
    };
    let nearest = match (place, &finding) {
        (Place::Local { table, .. }, Finding::Absent { .. }) => parts.and_then(|parts| parts.nearest(table)),
        _ => None,
    };
    let Times { age, left } = times;
    let function = identity.name.to_owned();
    Explanation { function, key, tier: Some(tier), finding, nearest, age, left }
}

fn explain_here<R>(engine: &Engine, function: u32, place: &Place, policy: &Policy<R>) -> (Finding, Times) {
    let Place::Local { key, instance, table, .. } = place else {
        unreachable!("the entry of a place in process is in process")
    };
    if let Some(content) = table.get(key) {
        return match stored_locally(engine, function, policy, (key, table), &Windows::NONE) {
            Some(_) => (Finding::Hit, place.times(engine, None)),
            None => (why_it_does_not_serve(engine, &content), Times::default()),
        };
    }
    let finding = if engine.functions.get(function).counters.sum(Event::Store) == 0 {
        Finding::NeverStored
    } else {
        let deleted = Some(!engine.local.is_current(function, *instance, 0));
        Finding::Absent { evictions: Some(engine.local.evictions()), deleted }
    };
    (finding, Times::default())
}

/// The reason why an entry that is in its table does not serve.
fn why_it_does_not_serve(engine: &Engine, content: &Content) -> Finding {
    let Content::Entry(entry) = content else { return Finding::Unreadable("a value of another type") };
    let Some(entry) = untagged(engine, entry) else { return Finding::Deleted };
    match entry.value::<Stamped>().and_then(|stamped| stamped.moments().1) {
        // Kept for calls that serve it stale.
        Some(fresh) if engine.clock.is_past(fresh) => {
            Finding::Expired(Duration::from_millis(engine.clock.monotonic().saturating_sub(fresh)))
        }
        _ => Finding::Unreadable("a value of another type"),
    }
}

async fn explain_there<R, D: Io>(
    io: D,
    (engine, remote): (&Engine, &std::sync::Arc<Remote>),
    place: &Place,
    (entry, versions): (&String, &[String]),
    policy: &Policy<R>,
) -> (Finding, Times) {
    let miss = |finding| (finding, Times::default());
    let keys = std::iter::once(entry).chain(versions).cloned().collect();
    let mut found = match io.call(remote, GetMany { keys }).await {
        Ok(found) => found.into_iter(),
        Err(error) if error.kind() == ErrorKind::CircuitOpen => return miss(Finding::BreakerOpen(error)),
        Err(error) => return miss(Finding::Failed(error)),
    };
    let Some(bytes) = found.next().flatten() else {
        return miss(Finding::Absent { evictions: None, deleted: None });
    };
    let (header, _) = match unseal(entry, &bytes) {
        Ok(read) => read,
        Err(reject) => return miss(Finding::Unreadable(reason(reject))),
    };
    let now = engine.clock.now();
    if let Some(expiry) = header.end().filter(|end| *end <= now) {
        return miss(Finding::Expired(Duration::from_millis(now - expiry)));
    }
    let versions: Option<Vec<_>> =
        found.map(|bytes| bytes.as_deref().and_then(Version::from_bytes)).collect();
    let Some(versions) = versions.filter(|versions| combine(versions) == header.generation) else {
        return miss(Finding::Deleted);
    };
    let fetched = Fetched::new(Some(bytes), versions, None);
    match open(engine, policy, entry, &fetched, Windows::NONE) {
        Some(Opened::Value(_) | Opened::Due(..)) => {
            (Finding::Hit, place.times(engine, fetched.entry.as_deref()))
        }
        Some(Opened::Unreadable) => miss(Finding::Unreadable(reason(cachekit_backends::Reject::OtherType))),
        // In the moment between, or past its freshness and kept for calls that serve it stale.
        Some(Opened::Gone) | None => miss(Finding::Expired(Duration::ZERO)),
    }
}

fn reason(reject: cachekit_backends::Reject) -> &'static str {
    use cachekit_backends::Reject;
    match reject {
        Reject::NotAnEntry => "not an entry of cachekit",
        Reject::OtherFormat => "written by another version of cachekit",
        Reject::Corrupt => "damaged, or stored under another key",
        _ => "a value of another type",
    }
}
