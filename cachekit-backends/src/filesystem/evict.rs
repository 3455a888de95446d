//! Room for new entries: victims and the sweep.
//!
//! - A new entry is counted before it gets its name, in [`State::admit`](super::state::State::admit). Where it isn't admitted,
//!   a victim goes first, and the writer tries again.
//! - After a write, up to four known entries that are expired are removed, and, now and then, one subfolder is swept: files
//!   that other processes wrote become known, expired and broken ones and old temporary ones go, the count is corrected.
//!   The sweep's pace is such that a write pays for about one file of it.

use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use super::Folder;
use super::bounds::Amount;
use super::disk::{Id, Name, STRIPES, failed, look, parse_name, peek_file, remove, stripe_of};
use super::layout::Peek;
use super::stripe::Stripe;
use super::temp::Temp;
use crate::{Error, ErrorKind, Result};

/// How many expired entries one write removes: more than it adds, so that they become fewer.
const RECLAIM: usize = 4;
/// How long a subfolder is waited for when there are others to turn to.
const PATIENCE: Duration = Duration::from_millis(5);
/// A temporary file of this age is a leftover: a write takes less than a second, or fails. One that was an entry's file
/// before may look as old; its writer then makes another.
const TEMP_AGE: Duration = Duration::from_secs(60);
/// How many files opening looks at before it leaves the rest to the sweep; about 5 µs each.
const OPENING: usize = 16_384;

/// So long the clock of a file system may stand still: a folder that changed so lately may change again without a trace.
const STILL: Duration = Duration::from_secs(1);

/// Where the sweep is, and how many writes it waits before the next subfolder.
#[derive(Debug, Default)]
pub(super) struct Pace {
    hand: u8,
    wait: usize,
}

/// A subfolder as a sweep left it: what another one would find, as long as no file came, went or was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    changed: SystemTime,
    amount: Amount,
}

/// The result of the sweep of one subfolder.
pub(super) struct Swept {
    pub(super) listed: usize,
    examined: usize,
}

impl Folder {
    /// Removes victims until there is room for more, or looks for some in a further subfolder; the file of one of them, if the new
    /// entry may be written into it.
    pub(super) fn make_room(&self, more: Amount, deadline: Instant) -> Result<Option<Temp>> {
        let mut recycled = None;
        loop {
            let victim = self.index.lock().victim(self.clock.now());
            let Some(id) = victim else {
                self.sweep_next()?;
                return Ok(recycled);
            };
            recycled = self.evict(id)?.or(recycled);
            if self.bounds.have_room(self.total()?, more) || Instant::now() >= deadline {
                return Ok(recycled);
            }
        }
    }

    pub(super) fn no_room(&self) -> Error {
        Error::new(
            ErrorKind::Full,
            format!(
                "{} holds more than {}, and entries could not be removed within the operation timeout; open it with higher \
                 bounds, or empty it",
                self.paths.dir().display(),
                self.bounds.describe()
            ),
        )
    }

    pub(super) fn total(&self) -> Result<Amount> {
        self.state.total()
    }

    /// Removes a known entry, unless it was written again since it became known.
    fn evict(&self, id: Id) -> Result<Option<Temp>> {
        let stripe = match self.lock_within(stripe_of(id), PATIENCE.min(self.limit())) {
            Err(e) if e.kind() == ErrorKind::Timeout => {
                // Another writer is stuck there. The sweep will find the file again.
                self.index.lock().forget(id);
                self.known.lock()[usize::from(stripe_of(id))] = None;
                return Ok(None);
            }
            locked => locked?,
        };
        let path = self.paths.entry(id);
        match peek_file(&path).map_err(|e| failed("read", &path, e))? {
            Some(Peek::Entry { head, .. }) if !head.is_past(self.clock.now()) => {
                if self.index.lock().written(id) != Some(head.written) {
                    // The order of eviction has changed.
                    self.index.lock().note(id, &head);
                    return Ok(None);
                }
                self.evictions.fetch_add(1, Ordering::Relaxed);
                stripe.recycle(id)
            }
            Some(Peek::Entry { .. }) => {
                self.expirations.fetch_add(1, Ordering::Relaxed);
                stripe.recycle(id)
            }
            Some(Peek::Broken) => stripe.recycle(id),
            Some(Peek::Foreign) | None => {
                self.index.lock().forget(id);
                Ok(None)
            }
        }
    }

    /// The share of the upkeep that one write pays. Its errors are not the write's.
    pub(super) fn tidy(&self) {
        if let Err(e) = self.try_tidy() {
            tracing::debug!(error = %e, "the sweep of the cache directory failed");
        }
    }

    fn try_tidy(&self) -> Result<()> {
        for _ in 0..RECLAIM {
            let Some(id) = self.index.lock().expired(self.clock.now()) else { break };
            drop(self.evict(id)?);
        }
        // One thread at a time is enough.
        let Some(mut pace) = self.pace.try_lock() else { return Ok(()) };
        if pace.wait > 0 {
            pace.wait -= 1;
            return Ok(());
        }
        let stripe = pace.hand;
        pace.hand = pace.hand.wrapping_add(1);
        // If the sweep fails, the next write doesn't try again at once.
        pace.wait = 16;
        let swept = self.sweep(stripe)?;
        pace.wait = 4 + swept.listed / 4 + swept.examined;
        Ok(())
    }

    /// Sweeps one more subfolder now, because victims are needed.
    fn sweep_next(&self) -> Result<()> {
        let stripe = {
            let mut pace = self.pace.lock();
            pace.hand = pace.hand.wrapping_add(1);
            pace.hand.wrapping_sub(1)
        };
        self.sweep(stripe).map(drop)
    }

    /// The sweep at the opening: notes the entries, and brings them down to the bounds.
    pub(super) fn sweep_all(&self) -> Result<()> {
        let mut examined = 0;
        for stripe in 0..=u8::MAX {
            if examined > OPENING {
                break;
            }
            examined += self.sweep(stripe)?.examined;
            self.pace.lock().hand = stripe.wrapping_add(1);
        }
        let mut swept = 0;
        while swept < STRIPES && !self.bounds.hold(self.total()?) {
            let victim = self.index.lock().victim(self.clock.now());
            if let Some(id) = victim {
                drop(self.evict(id)?);
            } else {
                self.sweep_next()?;
                swept += 1;
            }
        }
        Ok(())
    }

    /// Goes through one subfolder, unless it is as the last sweep left it. Costs its listing, a look at each file, and a read of those
    /// that are not known or are expired.
    pub(super) fn sweep(&self, number: u8) -> Result<Swept> {
        let dir = self.paths.stripe(number);
        let nothing = Swept { listed: 0, examined: 0 };
        let found = look(&dir).map_err(|e| failed("look at", &dir, e))?;
        let began = SystemTime::now();
        let changed = found.as_ref().and_then(|meta| meta.modified().ok());
        if found.is_none() && self.state.amount(number)?.entries == 0 {
            return Ok(nothing);
        }
        let known = self.known.lock()[usize::from(number)];
        if let Some(known) = known.filter(|known| Some(known.changed) == changed)
            && self.state.amount(number)? == known.amount
        {
            return Ok(nothing);
        }
        let stripe = match self.lock_within(number, PATIENCE.min(self.limit())) {
            // Another writer is at work there, or stuck. Next time.
            Err(e) if e.kind() == ErrorKind::Timeout => return Ok(nothing),
            locked => locked?,
        };
        let now = self.clock.now();
        let fresh = self.index.lock().fresh(number, now);
        let mut present = Vec::with_capacity(fresh.len());
        let (mut examined, mut has_temps) = (0, false);
        let mut amount = Amount::default();
        self.list(number, |name, file| {
            match name {
                Name::Entry(id) => {
                    let known = fresh.binary_search(&id).is_ok();
                    examined += usize::from(!known);
                    if known || self.examine(&stripe, id, now)? {
                        present.push(id);
                        let path = file.path();
                        let found = look(&path).map_err(|e| failed("look at", &path, e))?;
                        amount = amount.plus(found.as_ref().map(Amount::of).unwrap_or_default());
                    }
                }
                Name::Temp => {
                    // It may be old enough the next time.
                    has_temps = true;
                    remove_old_temp(file)?;
                }
                Name::Other => {}
            }
            Ok(())
        })?;
        present.sort_unstable();
        stripe.amount_is(amount)?;
        let mut index = self.index.lock();
        index.keep_only(number, &present);
        let all_known = !has_temps && present.iter().all(|&id| index.written(id).is_some());
        drop(index);
        let settled = |changed: &SystemTime| began.duration_since(*changed).is_ok_and(|age| age > STILL);
        self.known.lock()[usize::from(number)] =
            changed.filter(|changed| all_known && settled(changed)).map(|changed| Known { changed, amount });
        Ok(Swept { listed: present.len(), examined })
    }

    /// Looks at a file that is not known; whether a live entry is there afterwards.
    fn examine(&self, stripe: &Stripe<'_>, id: Id, now: u64) -> Result<bool> {
        let path = self.paths.entry(id);
        match peek_file(&path).map_err(|e| failed("read", &path, e))? {
            Some(Peek::Entry { head, .. }) if !head.is_past(now) => {
                self.note(id, &head);
                Ok(true)
            }
            Some(Peek::Entry { .. }) => {
                self.expirations.fetch_add(1, Ordering::Relaxed);
                stripe.unlink(id).map(|()| false)
            }
            Some(Peek::Broken) => stripe.unlink(id).map(|()| false),
            Some(Peek::Foreign) | None => Ok(false),
        }
    }

    /// Calls for each regular file of a subfolder.
    pub(super) fn list(
        &self,
        number: u8,
        mut each: impl FnMut(Name, &std::fs::DirEntry) -> Result<()>,
    ) -> Result<()> {
        let dir = self.paths.stripe(number);
        let files = match std::fs::read_dir(&dir) {
            Ok(files) => files,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(failed("list", &dir, e)),
        };
        for file in files {
            let file = file.map_err(|e| failed("list", &dir, e))?;
            if file.file_type().is_ok_and(|kind| kind.is_file()) {
                each(parse_name(number, &file.file_name()), &file)?;
            }
        }
        Ok(())
    }
}

/// Removes the file of a crashed writer, if it is of this store and too old to be in use.
fn remove_old_temp(file: &std::fs::DirEntry) -> Result<()> {
    let path = file.path();
    // A file without an age may have been renamed just now.
    let Ok(modified) = file.metadata().and_then(|meta| meta.modified()) else { return Ok(()) };
    let old = SystemTime::now().duration_since(modified).is_ok_and(|age| age > TEMP_AGE);
    if old && !matches!(peek_file(&path), Ok(None | Some(Peek::Foreign)) | Err(_)) {
        remove(&path)?;
    }
    Ok(())
}
