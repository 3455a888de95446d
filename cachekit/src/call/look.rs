//! A look at an entry, and the state that it saw.

use std::sync::Arc;
use std::time::Duration;

use cachekit_backends::{Error, Fetched, Result, Version, combine, unseal};

use super::Known;
use super::failure;
use super::freshness::{self, Freshness, Stamped, Windows};
use super::inputs::Call;
use super::place::Place;
use super::policy::{Envelope, Opened, Policy};
use super::sharing;
use super::times::Times;
use super::trace::Tier;
use crate::engine::fleet::Check;
use crate::engine::flight::Key;
use crate::engine::near::{Birth, Near, NearPlace};
use crate::engine::remote::{Fetch, FetchMany, GetMany, Io, Remote, TokenOf};
use crate::engine::stats::Event;
use crate::engine::{Content, Engine, LocalTable, RemoteState, Snapshot};

/// A value that was found, if one was, and the state of the store.
pub(super) type Looked<R> = (Option<(R, Freshness)>, Look);

/// The state of a store at a look.
pub(super) struct Look {
    /// How many computations of an entry on the backend had ended before.
    pub(super) since: u64,
    seen: Seen,
    found: Found,
}

/// The entry that a look found, whether it serves or not.
enum Found {
    Nothing,
    /// In process.
    Here(Content),
    /// Its bytes on the backend.
    There(Vec<u8>),
}

enum Seen {
    All(Snapshot),
    /// The backend told the versions, but not the token: not every look needs it.
    Generation(u128),
    /// The backend was not asked: the value was near.
    Nothing,
}

impl Look {
    /// Looks for the stored value, and says how fresh it is. A backend that fails is a miss, counted and logged.
    pub(super) async fn new<R, D: Io>(
        io: D,
        call: &Call<'_>,
        place: &Place,
        policy: &Policy<R>,
        beside: Option<&Known>,
    ) -> (Option<(R, Freshness)>, Self) {
        if let Some(beside) = beside {
            beside.found(Vec::new());
        }
        match place {
            Place::Local { .. } => Self::here(call, place, policy),
            Place::Remote { key, entry, versions, near: kept } => {
                // Before the look: an end in between must not be missed.
                let since = call.engine.flights.completions(key);
                let near = near(call);
                if let Some(value) = near.and_then(|_| stored_near(call, policy, kept.as_deref())) {
                    let look = Self { since, seen: Seen::Nothing, found: Found::Nothing };
                    return (Some((value, Freshness::Fresh)), look);
                }
                let near = Kept::new(near, kept.as_deref());
                let wanted = (&**entry, &**versions, beside);
                let (value, seen, bytes) = look_remotely(io, call, policy, wanted, near).await;
                (value, Self { since, seen, found: bytes.map_or(Found::Nothing, Found::There) })
            }
        }
    }

    /// The same for several entries of one function, whose places are on the backend in one round trip.
    pub(super) async fn many<R, D: Io>(
        io: D,
        call: &Call<'_>,
        places: &[&Place],
        policy: &Policy<R>,
    ) -> Vec<Looked<R>> {
        let near = near(call);
        let mut looks: Vec<Option<Looked<R>>> = Vec::with_capacity(places.len());
        let (mut asked, mut entries) = (Vec::new(), Vec::new());
        for (at, place) in places.iter().enumerate() {
            let Place::Remote { key, entry, versions, near: kept } = place else {
                super::takes_part(&call.engine, place);
                looks.push(Some(Self::here(call, place, policy)));
                continue;
            };
            let since = call.engine.flights.completions(key);
            if let Some(value) = near.and_then(|_| stored_near(call, policy, kept.as_deref())) {
                let look = Self { since, seen: Seen::Nothing, found: Found::Nothing };
                looks.push(Some((Some((value, Freshness::Fresh)), look)));
                continue;
            }
            looks.push(None);
            asked.push((at, since));
            entries.push((entry.clone(), versions.clone()));
        }
        let mut answers = fetch_many(io, call, entries).await.unwrap_or_default().into_iter();
        for (at, since) in asked {
            let (Place::Remote { entry, near: kept, .. }, fetched) = (places[at], answers.next()) else {
                continue;
            };
            let (value, seen, bytes) = match fetched {
                Some(fetched) => taken(call, policy, entry, fetched, Kept::new(near, kept.as_deref())),
                None => (None, Seen::All(Snapshot::Remote(None)), None),
            };
            let found = bytes.map_or(Found::Nothing, Found::There);
            looks[at] = Some((value, Self { since, seen, found }));
        }
        looks.into_iter().flatten().collect()
    }

    /// A look into the in-process store.
    fn here<R>(call: &Call<'_>, place: &Place, policy: &Policy<R>) -> Looked<R> {
        let engine = &*call.engine;
        let content = match place {
            Place::Local { key, table, .. } if !call.refresh => table.get(key),
            _ => None,
        };
        let value = content
            .as_ref()
            .and_then(|content| value_of(engine, call.function, policy, content, &call.windows));
        let seen = Seen::All(Snapshot::Local { at: engine.local.now() });
        (value, Self { since: 0, seen, found: content.map_or(Found::Nothing, Found::Here) })
    }

    /// The times of the entry that the look found.
    pub(super) fn times(&self, engine: &Engine, place: &Place) -> Times {
        if self.is_near() { near_times(engine, place) } else { place.times(engine, self.bytes()) }
    }

    /// Whether the value was near.
    fn is_near(&self) -> bool {
        matches!(self.seen, Seen::Nothing)
    }

    /// The bytes that it found on the backend.
    fn bytes(&self) -> Option<&[u8]> {
        if let Found::There(bytes) = &self.found { Some(bytes) } else { None }
    }

    /// Returns the content that was found in process.
    pub(super) fn content(&self) -> Option<&Content> {
        if let Found::Here(content) = &self.found { Some(content) } else { None }
    }

    /// Returns how it is known that the entry is as the look saw it.
    pub(super) fn check(&self) -> Check<'_> {
        match self.seen {
            Seen::Generation(_) => Check::Bytes(self.bytes()),
            Seen::All(_) | Seen::Nothing => Check::Token,
        }
    }

    /// Returns the tier that the value was found in.
    pub(super) fn tier(&self, place: &Place) -> Tier {
        if self.is_near() { Tier::Near } else { place.tier() }
    }

    /// Returns what the look says about the validity of a value that is computed after it. Asks the backend for the token,
    /// if the look did not bring it.
    pub(super) async fn snapshot<D: Io>(&self, io: D, call: &Call<'_>, place: &Place) -> Snapshot {
        let (Place::Remote { entry, versions, .. }, Some(remote)) = (place, &call.engine.remote) else {
            return match self.seen {
                Seen::All(snapshot) => snapshot,
                Seen::Generation(_) | Seen::Nothing => Snapshot::Remote(None),
            };
        };
        let generation = match self.seen {
            Seen::All(snapshot) => return snapshot,
            Seen::Generation(generation) => generation,
            Seen::Nothing => {
                match fetch(io, call, remote, (entry, versions, None)).await.map(|fetched| seen(&fetched)) {
                    Some(Seen::Generation(generation)) => generation,
                    Some(Seen::All(snapshot)) => return snapshot,
                    Some(Seen::Nothing) | None => return Snapshot::Remote(None),
                }
            }
        };
        Snapshot::Remote(match io.call_within(remote, &call.budget, TokenOf { key: entry.clone() }).await {
            Ok(token) => Some(RemoteState::new(generation, token)),
            Err(error) => {
                survived(call, remote, &error);
                None
            }
        })
    }
}

/// Whether values may be taken from the near tier and kept there: a response that is being made records the versions that the
/// backend tells.
#[inline]
pub(crate) fn may_take_near() -> bool {
    #[cfg(any(feature = "tower", feature = "minijinja"))]
    if super::dependencies::is_active() {
        return false;
    }
    true
}

/// The near tier, if its values may be taken and kept, and its state before the look.
fn near<'c>(call: &'c Call<'_>) -> Option<(&'c Near, Birth)> {
    let near = call.engine.near().filter(|_| may_take_near())?;
    Some((near, near.birth()?))
}

/// Where a value is kept for the calls that follow, and the state of the tier before the look for it.
#[derive(Clone, Copy)]
struct Kept<'a> {
    near: &'a Near,
    at: &'a NearPlace,
    birth: Birth,
}

impl<'a> Kept<'a> {
    fn new(near: Option<(&'a Near, Birth)>, at: Option<&'a NearPlace>) -> Option<Self> {
        let ((near, birth), at) = (near?, at?);
        Some(Self { near, at, birth })
    }
}

fn stored_near<R>(call: &Call<'_>, policy: &Policy<R>, at: Option<&NearPlace>) -> Option<R> {
    let value = if call.refresh { None } else { taken_near(&call.engine, call.function, policy, at) };
    if value.is_some() {
        call.count(Event::Near);
    }
    value
}

fn taken_near<R>(engine: &Engine, function: u32, policy: &Policy<R>, at: Option<&NearPlace>) -> Option<R> {
    let NearPlace { key, table } = at?;
    let (value, _) = value_of(engine, function, policy, &table.get(key)?, &Windows::NONE)?;
    Some(value)
}

/// Whether the entry of a place is in the near tier, and serves.
pub(crate) fn is_near<R>(engine: &Engine, function: u32, place: &Place, policy: &Policy<R>) -> bool {
    let Place::Remote { near: at, .. } = place else { return false };
    let serves = engine.near().is_some_and(Near::serves);
    serves && taken_near(engine, function, policy, at.as_deref()).is_some()
}

/// The times of the entry of a place in the near tier.
pub(crate) fn near_times(engine: &Engine, place: &Place) -> Times {
    let Place::Remote { near: Some(at), .. } = place else { return Times::default() };
    let expiry = at.table.expiry(&at.key, 0);
    let left = expiry.map(|expiry| Duration::from_millis(expiry.saturating_sub(engine.clock.monotonic())));
    Times { age: None, left }
}

/// Keeps a value that the backend had, for the calls that follow, as long as it need not be computed anew.
fn keep_near<R>(
    Kept { near, at, birth }: Kept<'_>,
    call: &Call<'_>,
    policy: &Policy<R>,
    (entry, bytes): (&str, &[u8]),
    value: &R,
) {
    let Ok((header, _)) = unseal(entry, bytes) else { return };
    let content = if at.table.is_plain() {
        (policy.to_words)(value).map(Content::Words)
    } else {
        sharing::keep(call, policy, None, at.key.bytes.clone(), value).map(Content::Entry)
    };
    if let Some(content) = content {
        let times = freshness::Times { created: header.created, fresh: header.end() };
        near.keep(at, content, times.due_in(call.engine.clock.now(), &call.windows), birth);
    }
}

/// The key of an entry, those of its versions, and the versions that are looked at beside these.
type Wanted<'w> = (&'w str, &'w [String], Option<&'w Known>);

/// Asks the backend. Counts and logs an error.
async fn fetch<D: Io>(
    io: D,
    call: &Call<'_>,
    remote: &Arc<Remote>,
    (entry, versions, beside): Wanted<'_>,
) -> Option<Fetched> {
    let mut fetch = Fetch { entry: entry.to_owned(), versions: versions.to_vec() };
    if let Some(beside) = beside {
        fetch.versions.extend_from_slice(beside.keys());
    }
    let mut fetched = io.call_within(remote, &call.budget, fetch).await;
    if let (Some(beside), Ok(fetched)) = (beside, &mut fetched) {
        beside.found(fetched.versions.split_off(versions.len().min(fetched.versions.len())));
    }
    #[cfg(any(feature = "tower", feature = "minijinja"))]
    super::dependencies::saw(&call.engine, versions, fetched.as_ref().ok().map(|fetched| &*fetched.versions));
    fetched.map_err(|error| survived(call, remote, &error)).ok()
}

/// Asks the backend for several entries. Counts and logs an error.
async fn fetch_many<D: Io>(
    io: D,
    call: &Call<'_>,
    entries: Vec<(String, Vec<String>)>,
) -> Option<Vec<Fetched>> {
    let remote = call.engine.remote.as_ref().filter(|_| !entries.is_empty())?;
    #[cfg(any(feature = "tower", feature = "minijinja"))]
    let versions: Vec<_> = if super::dependencies::is_active() {
        entries.iter().map(|(_, versions)| versions.clone()).collect()
    } else {
        Vec::new()
    };
    let fetched = io.call_within(remote, &call.budget, FetchMany { entries }).await;
    #[cfg(any(feature = "tower", feature = "minijinja"))]
    for (at, keys) in versions.iter().enumerate() {
        let one = fetched.as_ref().ok().and_then(|fetched| fetched.get(at));
        super::dependencies::saw(&call.engine, keys, one.map(|fetched| &*fetched.versions));
    }
    fetched.map_err(|error| survived(call, remote, &error)).ok()
}

/// The state that an answer shows.
fn seen(fetched: &Fetched) -> Seen {
    let generation = combine(&fetched.versions);
    match fetched.token {
        Some(token) => Seen::All(Snapshot::Remote(Some(RemoteState::new(generation, token)))),
        None => Seen::Generation(generation),
    }
}

async fn look_remotely<R, D: Io>(
    io: D,
    call: &Call<'_>,
    policy: &Policy<R>,
    wanted: Wanted<'_>,
    near: Option<Kept<'_>>,
) -> (Option<(R, Freshness)>, Seen, Option<Vec<u8>>) {
    let down = Seen::All(Snapshot::Remote(None));
    let Some(remote) = &call.engine.remote else { return (None, down, None) };
    let Some(fetched) = fetch(io, call, remote, wanted).await else { return (None, down, None) };
    taken(call, policy, wanted.0, fetched, near)
}

/// The value and the state that an answer shows.
fn taken<R>(
    call: &Call<'_>,
    policy: &Policy<R>,
    entry: &str,
    fetched: Fetched,
    near: Option<Kept<'_>>,
) -> (Option<(R, Freshness)>, Seen, Option<Vec<u8>>) {
    let seen = seen(&fetched);
    if call.refresh {
        return (None, seen, None);
    }
    let value = match open(&call.engine, policy, entry, &fetched, call.windows) {
        Some(Opened::Value(value)) => {
            if let (Some(near), Some(bytes)) = (near, &fetched.entry) {
                keep_near(near, call, policy, (entry, bytes), &value);
            }
            Some((value, Freshness::Fresh))
        }
        Some(Opened::Due(value, state)) => Some((value, state)),
        Some(Opened::Unreadable) => {
            call.count(Event::Error);
            None
        }
        Some(Opened::Gone) | None => None,
    };
    (value, seen, fetched.entry)
}

pub(crate) fn open<R>(
    engine: &Engine,
    policy: &Policy<R>,
    entry: &str,
    fetched: &Fetched,
    windows: Windows,
) -> Option<Opened<R>> {
    let generation = combine(&fetched.versions);
    let envelope = Envelope {
        key: entry,
        now: engine.clock.now(),
        life: None,
        generation,
        is_err: false,
        windows,
        versions: &[],
    };
    fetched.entry.as_deref().map(|bytes| (policy.open)(&envelope, bytes))
}

/// Counts and logs an error that a call survives.
pub(super) fn survived(call: &Call<'_>, remote: &Remote, error: &Error) {
    failure::note(error);
    call.count(Event::Error);
    remote.report("a call goes on without the cache", error);
}

/// Looks a recorded key up in the in-process store.
pub(crate) fn stored_locally<R>(
    engine: &Engine,
    function: u32,
    policy: &Policy<R>,
    (key, table): (&Key, &LocalTable),
    windows: &Windows,
) -> Option<(R, Freshness)> {
    value_of(engine, function, policy, &table.get(key)?, windows)
}

/// Returns the value of a stored part, if it serves.
fn value_of<R>(
    engine: &Engine,
    function: u32,
    policy: &Policy<R>,
    content: &Content,
    windows: &Windows,
) -> Option<(R, Freshness)> {
    let entry = match content {
        Content::Words(words) => return Some((policy.take_words(*words)?, Freshness::Fresh)),
        Content::Entry(entry) => entry,
    };
    let entry = sharing::untagged(engine, entry)?;
    let (entry, state) = match entry.value::<Stamped>() {
        Some(stamped) => (&*stamped.entry, stamped.at(engine.clock.monotonic(), windows)?),
        None => (entry, Freshness::Fresh),
    };
    let part = entry.any();
    let value = policy.take(part).or_else(|| sharing::take(engine, function, policy, part))?;
    Some((value, state))
}

/// Returns the stored value of a place, if it is fresh. Counts nothing, and leaves nothing on the backend where there is none: no version is
/// made, no token is taken.
///
/// # Errors
/// The backend's.
pub(crate) async fn peek<R, D: Io>(
    io: D,
    engine: &Engine,
    function: u32,
    place: &Place,
    policy: &Policy<R>,
) -> Result<Option<R>> {
    Ok(peek_many(io, engine, function, &[place], policy).await?.pop().flatten())
}

/// The same for several places, in one round trip.
///
/// # Errors
/// The backend's.
pub(crate) async fn peek_many<R, D: Io>(
    io: D,
    engine: &Engine,
    function: u32,
    places: &[&Place],
    policy: &Policy<R>,
) -> Result<Vec<Option<R>>> {
    let mut keys = Vec::new();
    for place in places {
        if let Place::Remote { entry, versions, .. } = place {
            keys.extend(std::iter::once(entry).chain(versions).cloned());
        }
    }
    let mut found = match &engine.remote {
        Some(remote) if !keys.is_empty() => io.call(remote, GetMany { keys }).await?.into_iter(),
        _ => Vec::new().into_iter(),
    };
    let mut values = Vec::with_capacity(places.len());
    for place in places {
        values.push(match place {
            Place::Local { key, table, .. } => {
                let found = stored_locally(engine, function, policy, (key, table), &Windows::NONE);
                found.map(|(value, _)| value)
            }
            Place::Remote { entry, versions, .. } => {
                let bytes = found.next().flatten();
                let versions = found.by_ref().take(versions.len());
                // All of them are read, whatever is missing.
                let versions: Vec<Option<Version>> =
                    versions.map(|bytes| bytes.as_deref().and_then(Version::from_bytes)).collect();
                let versions: Option<Vec<Version>> = versions.into_iter().collect();
                versions.and_then(|versions| {
                    let fetched = Fetched::new(bytes, versions, None);
                    match open(engine, policy, entry, &fetched, Windows::NONE) {
                        Some(Opened::Value(value) | Opened::Due(value, _)) => Some(value),
                        Some(Opened::Gone | Opened::Unreadable) | None => None,
                    }
                })
            }
        });
    }
    Ok(values)
}
