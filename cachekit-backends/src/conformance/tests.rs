//! The suite finds what is broken: each fault below is a bug that some cache had, and a case must name it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Suite;
use crate::delegate::{for_each_operation, for_each_optional_operation};
use crate::null::Null;
use crate::simple::SimpleBackend;
use crate::{
    AsyncBackend, Backend, BoxFuture, Capabilities, Clock, Cursor, Error, ErrorKind, Fetched, KeyPage, Put,
    Result, Token, Ttl, Version,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Sound,
    CutsLongKeys,
    FoldsCase,
    TrimsKeys,
    TakesEmptyForAbsent,
    StoresLateAndInHalves,
    RoundsDown,
    NeverEnds,
    TakesLongTimesForDates,
    KeepsTheFirstTime,
    EndsForEver,
    AddPerpetuates,
    LeavesOutMisses,
    DeletesOneOfMany,
    CountsKeys,
    DeletesTwice,
    AddsInTwoSteps,
    AddsOverLive,
    ClearsAll,
    ClearsPatterns,
    ClearsTheFirstHundred,
    TokensOfContent,
    AbsenceHasOneToken,
    ChecksThenPuts,
    PutsWithoutTime,
    NeverPuts,
    MakesVersions,
    DeletesNeighbours,
    EndsVersions,
    NewVersions,
    MixesVersionsUp,
    TakesJunk,
    Panics,
    Fails,
    CutsLargeValues,
    ClaimsToDiscard,
    ClaimsTokens,
    DeletesAnyState,
    ListsPatterns,
    ListsTheFirstPart,
    ListsWhatIsGone,
}
use Fault::{
    AbsenceHasOneToken, AddPerpetuates, AddsInTwoSteps, AddsOverLive, ChecksThenPuts, ClaimsToDiscard,
    ClaimsTokens, ClearsAll, ClearsPatterns, ClearsTheFirstHundred, CountsKeys, CutsLargeValues,
    CutsLongKeys, DeletesAnyState, DeletesNeighbours, DeletesOneOfMany, DeletesTwice, EndsForEver,
    EndsVersions, Fails, FoldsCase, KeepsTheFirstTime, LeavesOutMisses, ListsPatterns, ListsTheFirstPart,
    ListsWhatIsGone, MakesVersions, MixesVersionsUp, NeverEnds, NeverPuts, NewVersions, Panics,
    PutsWithoutTime, RoundsDown, Sound, StoresLateAndInHalves, TakesEmptyForAbsent, TakesJunk,
    TakesLongTimesForDates, TokensOfContent, TrimsKeys,
};

const MOST: usize = 100_000;

struct Broken {
    fault: Fault,
    inner: SimpleBackend,
}

impl Broken {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn key(&self, key: &str) -> String {
        match self.fault {
            CutsLongKeys => key.chars().take(250).collect(),
            FoldsCase => key.to_lowercase(),
            TrimsKeys => key.trim().into(),
            _ => key.into(),
        }
    }

    fn life(&self, life: Ttl) -> Ttl {
        let life = life?;
        match self.fault {
            // As a store that takes whole seconds, and 0 for ever.
            RoundsDown => Some(Duration::from_secs(life.as_secs())).filter(|life| !life.is_zero()),
            NeverEnds => None,
            TakesLongTimesForDates if life > Duration::from_secs(30 * 24 * 60 * 60) => Some(Duration::ZERO),
            _ => Some(life),
        }
    }
}

impl Backend for Broken {
    fn capabilities(&self) -> Capabilities {
        let caps = self.inner.capabilities().discards(self.is(ClaimsToDiscard));
        if matches!(self.fault, Sound | CutsLargeValues) { caps.max_value_len(MOST) } else { caps }
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        match self.fault {
            Panics => panic!("unwrapped"),
            Fails => return Err(Error::new(ErrorKind::Unavailable, "gone")),
            _ => {}
        }
        let found = self.inner.get(&self.key(key))?;
        Ok(found.filter(|value| !(self.is(TakesEmptyForAbsent) && value.is_empty())))
    }

    fn set(&self, key: &str, value: &[u8], life: Ttl) -> Result<()> {
        let (key, mut life) = (self.key(key), self.life(life));
        let there = self.inner.get(&key)?.is_some();
        match self.fault {
            Sound if value.len() > MOST => return Err(Error::new(ErrorKind::Full, "too large")),
            CutsLargeValues => return self.inner.set(&key, &value[..value.len().min(MOST)], life),
            StoresLateAndInHalves if value.len() > 1_000 => {
                let old = self.inner.get(&key)?.unwrap_or_default();
                let half = value.len() / 2;
                self.inner.set(
                    &key,
                    &[&value[..half], old.get(half..).unwrap_or_default()].concat(),
                    life,
                )?;
                std::thread::yield_now();
            }
            KeepsTheFirstTime if there => life = Some(Duration::from_secs(1)),
            EndsForEver if life.is_none() => life = Some(Duration::from_secs(365 * 24 * 60 * 60)),
            _ => {}
        }
        self.inner.set(&key, value, life)
    }

    fn delete(&self, key: &str) -> Result<bool> {
        let key = self.key(key);
        if self.is(AbsenceHasOneToken) && self.inner.get(&key)?.is_none() {
            return Ok(false);
        }
        if self.is(DeletesNeighbours) && key.ends_with("tag2") {
            self.inner.delete(&key.replace("tag2", "tag3"))?;
        }
        Ok(self.inner.delete(&key)? || self.is(DeletesTwice))
    }

    fn clear(&self, prefix: &str) -> Result<()> {
        match self.fault {
            ClearsAll => self.inner.clear(""),
            ClearsPatterns => self.inner.clear(prefix.split(['*', '?', '[']).next().unwrap_or_default()),
            ClearsTheFirstHundred if prefix.ends_with("gone:") => {
                (0..100).try_for_each(|i| self.inner.delete(&format!("{prefix}{i}")).map(drop))
            }
            _ => self.inner.clear(prefix),
        }
    }

    fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>> {
        let mut found = keys.iter().map(|key| self.get(key)).collect::<Result<Vec<_>>>()?;
        if self.is(LeavesOutMisses) {
            found.retain(Option::is_some);
        }
        Ok(found)
    }

    fn delete_many(&self, keys: &[&str]) -> Result<u64> {
        let keys = if self.is(DeletesOneOfMany) { &keys[..keys.len().min(1)] } else { keys };
        let count = keys.iter().try_fold(0, |n, key| Ok::<_, Error>(n + u64::from(self.delete(key)?)))?;
        Ok(if self.is(CountsKeys) { keys.len() as u64 } else { count })
    }

    fn add(&self, key: &str, value: &[u8], life: Ttl) -> Result<bool> {
        let (key, life) = (self.key(key), self.life(life));
        if value.len() > MOST && self.is(Sound) {
            return Err(Error::new(ErrorKind::Full, "too large"));
        }
        match self.fault {
            AddsInTwoSteps => {
                let free = self.inner.get(&key)?.is_none();
                std::thread::yield_now();
                if free { self.inner.set(&key, value, life).map(|()| true) } else { Ok(false) }
            }
            AddsOverLive => self.inner.set(&key, value, life).map(|()| true),
            AddPerpetuates => self.inner.add(&key, value, None),
            _ => self.inner.add(&key, value, life),
        }
    }

    fn token(&self, key: &str) -> Result<Token> {
        match self.fault {
            ClaimsTokens => Err(Error::new(ErrorKind::Unsupported, "no tokens")),
            TokensOfContent => {
                let mut hasher = DefaultHasher::new();
                self.inner.get(key)?.hash(&mut hasher);
                Ok(Token(hasher.finish().into()))
            }
            _ => self.inner.token(&self.key(key)),
        }
    }

    fn put_if(&self, key: &str, value: &[u8], life: Ttl, token: Token) -> Result<bool> {
        match self.fault {
            NeverPuts => Ok(false),
            PutsWithoutTime => self.inner.put_if(key, value, None, token),
            ChecksThenPuts | TokensOfContent => {
                let equal = self.token(key)? == token;
                std::thread::yield_now();
                if equal { self.inner.set(key, value, life).map(|()| true) } else { Ok(false) }
            }
            _ => self.inner.put_if(&self.key(key), value, life, token),
        }
    }

    fn put_under(&self, key: &str, value: &[u8], life: Ttl, token: Token, versions: &[&str]) -> Result<bool> {
        if self.is(MakesVersions) {
            self.fetch(key, versions)?;
        }
        for version in versions.iter().filter(|_| self.is(EndsVersions)) {
            if let (Some(bytes), Some(_)) = (self.inner.get(version)?, life) {
                self.inner.set(version, &bytes, Some(Duration::from_secs(5)))?;
            }
        }
        self.put_if(key, value, life, token)
    }

    fn delete_if(&self, key: &str, token: Token) -> Result<bool> {
        let key = self.key(key);
        if self.is(DeletesAnyState) || self.token(&key)? == token {
            self.inner.delete(&key)
        } else {
            Ok(false)
        }
    }

    fn keys(&self, prefix: &str, at: Option<&Cursor>) -> Result<KeyPage> {
        let literal =
            if self.is(ListsPatterns) { prefix.split(['*', '?', '[']).next() } else { Some(prefix) };
        let mut page = self.inner.keys(literal.unwrap_or_default(), at)?;
        match self.fault {
            ListsTheFirstPart => page.next = None,
            ListsWhatIsGone => page.keys.push(format!("{prefix}removed")),
            _ => {}
        }
        Ok(page)
    }

    fn fetch(&self, entry: &str, versions: &[&str]) -> Result<Fetched> {
        let mut fetched = self.inner.fetch(entry, versions)?;
        match self.fault {
            NewVersions => fetched.versions.fill_with(Version::fresh),
            MixesVersionsUp => fetched.versions.sort_by_key(|version| version.0),
            TakesJunk => {
                for (version, key) in fetched.versions.iter_mut().zip(versions) {
                    self.inner.set(key, b"junk", None)?;
                    *version = Version(4);
                }
            }
            _ => {}
        }
        Ok(fetched)
    }
}

fn names(fault: Fault) -> Vec<&'static str> {
    let make = move |clock: &Clock| -> Arc<dyn Backend> {
        Arc::new(Broken { fault, inner: SimpleBackend::new(0, clock.clone()) })
    };
    Suite::new(make).failures().into_iter().map(|failure| failure.case).collect()
}

#[test]
fn a_sound_backend_passes_and_each_fault_is_named() {
    assert_eq!(names(Sound), [""; 0]);
    for (fault, case) in [
        (CutsLongKeys, "keys_may_be_long"),
        (FoldsCase, "similar_keys_differ"),
        (TrimsKeys, "similar_keys_differ"),
        (TakesEmptyForAbsent, "values_come_back"),
        (RoundsDown, "tiny_lifetimes_are_rounded_up"),
        (NeverEnds, "entries_end_at_their_time"),
        (TakesLongTimesForDates, "long_lifetimes_work"),
        (KeepsTheFirstTime, "overwriting_resets_the_time"),
        (EndsForEver, "for_ever_does_not_end"),
        (AddPerpetuates, "add_follows_the_time"),
        (LeavesOutMisses, "get_many_keeps_the_order"),
        (DeletesOneOfMany, "delete_many_counts"),
        (CountsKeys, "delete_many_counts"),
        (DeletesTwice, "delete_says_what_was_there"),
        (AddsOverLive, "add_stores_once"),
        (ClearsAll, "clear_takes_the_prefix_only"),
        (ClearsPatterns, "clear_is_literal"),
        (ClearsTheFirstHundred, "clear_finds_all"),
        (TokensOfContent, "changes_void_tokens"),
        (AbsenceHasOneToken, "changes_void_tokens"),
        (PutsWithoutTime, "put_if_follows_the_time"),
        (NeverPuts, "tokens_keep_still"),
        (MakesVersions, "put_under_makes_no_version"),
        (DeletesNeighbours, "a_deleted_version_changes_alone"),
        (EndsVersions, "versions_outlive_their_entries"),
        (NewVersions, "fetch_makes_versions_once"),
        (MixesVersionsUp, "fetch_makes_versions_once"),
        (TakesJunk, "fetch_heals_junk"),
        (Panics, "values_come_back"),
        (Fails, "values_come_back"),
        (CutsLargeValues, "too_large_is_refused"),
        (ClaimsToDiscard, "nothing_is_kept"),
        (ClaimsTokens, "capabilities_agree"),
        (DeletesAnyState, "delete_if_follows_the_token"),
        (ListsPatterns, "keys_lists_the_prefix_only"),
        (ListsTheFirstPart, "keys_lists_all"),
        (ListsWhatIsGone, "keys_lists_what_is_there"),
    ] {
        let found = names(fault);
        assert!(found.contains(&case), "{fault:?} is not named by `{case}`, but by {found:?}");
    }
}

/// A race is lost sooner or later; one that isn't in so many runs would not be worth a case.
#[test]
fn races_are_found() {
    for (fault, case) in [
        (StoresLateAndInHalves, "writes_are_seen_whole"),
        (AddsInTwoSteps, "add_is_won_by_one"),
        (ChecksThenPuts, "put_if_is_won_by_one"),
        (ChecksThenPuts, "deletion_beats_put_if"),
        (ChecksThenPuts, "writes_beat_put_if"),
        (ChecksThenPuts, "a_lock_has_one_owner"),
    ] {
        assert!((0..100).any(|_| names(fault).contains(&case)), "{fault:?} is not named by `{case}`");
    }
}

#[test]
fn a_store_beyond_its_threshold_or_with_made_up_answers_is_found() {
    let make = |clock: &Clock| -> Arc<dyn Backend> { Arc::new(SimpleBackend::new(0, clock.clone())) };
    let failures = Suite::new(make).threshold(5, make).unreachable(make).failures();
    let names: Vec<_> = failures.iter().map(|failure| failure.case).collect();
    assert_eq!(names, ["failures_are_errors", "the_threshold_holds"]);
    let text = failures[0].to_string();
    assert_eq!(text, "failures_are_errors: `get` on an unreachable store, expected an error, got success");
}

#[test]
#[should_panic(expected = "keys_may_be_long: the key")]
fn run_panics_with_the_list() {
    Suite::new(|clock| Arc::new(Broken { fault: CutsLongKeys, inner: SimpleBackend::new(0, clock.clone()) }))
        .run();
}

/// A store whose asynchronous methods are the blocking ones of another, and whose blocking ones must not be called.
struct Asynchronous(Box<dyn Backend>);

macro_rules! must_not_be_called {
    ($($name:ident($($arg:ident: $t:ty),*) -> $out:ty;)*) => {$(
        fn $name<'a>(&'a self, $(_: $t),*) -> Result<$out> {
            panic!("the blocking methods are not asked")
        }
    )*};
}

impl Backend for Asynchronous {
    for_each_operation!(must_not_be_called!);
    for_each_optional_operation!(must_not_be_called!);

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
    fn asynchronous(&self) -> Option<&dyn AsyncBackend> {
        Some(self)
    }
}

macro_rules! ready_at_once {
    ($($name:ident($($arg:ident: $t:ty),*) -> $out:ty;)*) => {$(
        fn $name<'a>(&'a self, $($arg: $t),*) -> BoxFuture<'a, Result<$out>> {
            Box::pin(async move { self.0.$name($($arg),*) })
        }
    )*};
}

impl AsyncBackend for Asynchronous {
    for_each_operation!(ready_at_once!);
    for_each_optional_operation!(ready_at_once!);
}

/// Futures that are ready at once need no runtime.
fn poll_once(mut future: BoxFuture<'_, ()>) {
    assert_eq!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()));
}

#[test]
fn asynchronous_methods_are_tried_instead() {
    let suite = |fault| {
        Suite::new(move |clock| {
            let inner = SimpleBackend::new(0, clock.clone());
            Arc::new(Asynchronous(Box::new(Broken { fault, inner })))
        })
        .asynchronous(poll_once)
    };
    suite(Sound).run();
    assert!(
        suite(DeletesTwice).failures().iter().any(|failure| failure.case == "delete_says_what_was_there")
    );
    let without = Suite::new(|_| Arc::new(Null)).asynchronous(poll_once).failures();
    assert_eq!(without.len(), Suite::cases().count(), "a backend without asynchronous methods passes none");
}

#[test]
fn real_time_is_waited_for_by_the_hook() {
    let manual = crate::ManualClock::new();
    let clock = manual.clock();
    Suite::new(move |_| Arc::new(SimpleBackend::new(0, clock.clone())))
        .wait_past(move |time| manual.advance(time))
        .granularity(Duration::from_secs(1))
        .run();
}
