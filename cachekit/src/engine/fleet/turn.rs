//! The call that asks for the lock of a value, waits for its owner, or takes it over.

use std::time::{Duration, Instant};

use cachekit_backends::{Result, version_key};

use super::claim::{Claim, Lock};
use super::contender::{Check, Contender, Turn};
use super::keeper::{Held, Keeper, Locked, lifetime};
use crate::engine::remote::{Add, AddAndCheck, Budget, GetMany, Io, PutIf, TokenOf, with_token};

/// The first pause between two looks at a lock; the next ones are longer.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Takes the lock, or waits until its owner has ended.
///
/// # Errors
/// The backend's.
pub(crate) async fn turn<D: Io>(io: D, contender: Contender<'_>) -> Result<Turn> {
    let capabilities = contender.remote.capabilities();
    if !capabilities.shared {
        // The flight of this process is enough.
        return Ok(Turn::Compute(None));
    }
    if !(capabilities.conditional && capabilities.atomic_add) {
        contender.remote.keeper().say_unable(contender.remote.name());
        return Ok(Turn::Compute(None));
    }
    Asking {
        key: version_key(contender.entry, Some("flight")),
        claim: Claim::new(contender.state),
        contender,
        watched: None,
    }
    .run(io)
    .await
}

/// A lock whose owner is waited for.
struct Watched {
    bytes: Vec<u8>,
    /// When it was first seen so.
    since: Instant,
}

struct Asking<'a> {
    contender: Contender<'a>,
    key: String,
    claim: Claim,
    watched: Option<Watched>,
}

impl Asking<'_> {
    async fn run<D: Io>(mut self, io: D) -> Result<Turn> {
        if let Check::Token = self.contender.check {
            if let Some(is_as_seen) = self.add_and_check(io).await? {
                return Ok(turn_under(self.hold(), is_as_seen));
            }
        } else if self.add(io).await? {
            return self.confirmed(io).await;
        }
        let (began, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            let Some(bytes) = self.read(io).await? else { return Ok(Turn::Look) };
            if self.may_take(&bytes) {
                if self.take_over(io, &bytes).await? {
                    return self.confirmed(io).await;
                }
            } else {
                match (Lock::read(&bytes), &self.watched) {
                    // It was waited for, or could be taken.
                    (Lock::Open, _) => return Ok(Turn::Compute(None)),
                    (Lock::Held(claim), _) if !claim.is_of_state(&self.claim) => return Ok(Turn::LookAnew),
                    (_, Some(watched)) if watched.bytes == bytes => {}
                    _ => self.watched = Some(Watched { bytes, since: Instant::now() }),
                }
            }
            let left = self.contender.limit.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Ok(Turn::GiveUp);
            }
            io.pause(pause.min(left)).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE).min(self.contender.wait / 4);
        }
    }

    /// Whether the lock with these bytes is this call's to take.
    fn may_take(&self, bytes: &[u8]) -> bool {
        match Lock::read(bytes) {
            Lock::Held(claim) if claim.is_of_state(&self.claim) => self
                .watched
                .as_ref()
                .is_some_and(|seen| seen.bytes == bytes && seen.since.elapsed() >= self.contender.wait),
            // The look that this call made after it saw the lock shows a newer state than that of its owner.
            Lock::Held(_) => self.contender.looked_again,
            // It ended before this call came, which is no reason to compute beside others.
            Lock::Open => self.watched.is_none(),
            Lock::Foreign => true,
        }
    }

    async fn add<D: Io>(&self, io: D) -> Result<bool> {
        let Contender { remote, budget, wait, .. } = self.contender;
        let (key, value) = (self.key.clone(), self.claim.to_bytes());
        io.call_within(remote, budget, Add { key, value, life: Some(lifetime(wait)) }).await
    }

    /// Takes the lock if it is free, and returns whether the value's key is in the state that the call's look saw.
    async fn add_and_check<D: Io>(&self, io: D) -> Result<Option<bool>> {
        let Contender { remote, budget, entry, state, wait, .. } = self.contender;
        let (key, value, life) = (self.key.clone(), self.claim.to_bytes(), Some(lifetime(wait)));
        let add = AddAndCheck { key, value, life, other: entry.to_owned(), token: state.token() };
        io.call_within(remote, budget, add).await
    }

    fn hold(&self) -> Held {
        let Contender { remote, wait, .. } = self.contender;
        Keeper::hold(remote, Locked { key: self.key.clone(), claim: self.claim, wait })
    }

    /// Reads the lock. The time of a wait is its own; only that of a backend in trouble is the call's.
    async fn read<D: Io>(&self, io: D) -> Result<Option<Vec<u8>>> {
        let own = Budget::default();
        let read = GetMany { keys: vec![self.key.clone()] };
        match io.call_within(self.contender.remote, &own, read).await {
            Ok(found) => Ok(found.into_iter().next().flatten()),
            Err(error) => {
                self.contender.budget.add(&own);
                Err(error)
            }
        }
    }

    /// Puts this call's claim in the place of these bytes; false if they are others now.
    async fn take_over<D: Io>(&mut self, io: D, bytes: &[u8]) -> Result<bool> {
        let Contender { remote, budget, wait, .. } = self.contender;
        self.watched = None;
        let (fetched, token) = with_token(io, remote, budget, &self.key, &[]).await?;
        if fetched.entry.as_deref() != Some(bytes) {
            return Ok(false);
        }
        let (key, value) = (self.key.clone(), self.claim.to_bytes());
        let put =
            PutIf { key, value, life: Some(lifetime(wait)), token, versions: Vec::new(), replaces: false };
        io.call_within(remote, budget, put).await
    }

    /// The turn of an owner that has the lock and doesn't know yet whether the value's key has changed.
    async fn confirmed<D: Io>(self, io: D) -> Result<Turn> {
        let held = self.hold();
        let Contender { remote, budget, entry, state, check, .. } = self.contender;
        let key = entry.to_owned();
        let is_as_seen = match check {
            Check::Token => io.call_within(remote, budget, TokenOf { key }).await? == state.token(),
            Check::Bytes(seen) => {
                let found = io.call_within(remote, budget, GetMany { keys: vec![key] }).await?;
                found.first().is_some_and(|bytes| bytes.as_deref() == seen)
            }
        };
        Ok(turn_under(held, is_as_seen))
    }
}

/// The owner's turn: it computes, unless the value's key has changed since its look. Another owner may have stored the value in
/// between.
fn turn_under(held: Held, is_as_seen: bool) -> Turn {
    if is_as_seen { Turn::Compute(Some(held)) } else { Turn::Look }
}
