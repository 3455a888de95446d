//! One file that all processes share: how many entries and blocks each subfolder has, the nonces that make tokens void, and the
//! mark of the directory.
//!
//! The counts of a subfolder are written only under the subfolder's lock, and raised only under the lock of this file, so that
//! the sums are never above the bounds. A crash can leave a count too high, never too low; the sweep counts anew.
//!
//! The file is written out when it is made: a removal overwrites a nonce, and must not need a free block for it.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::bounds::{Amount, Bounds};
use super::disk::{Id, STRIPES, create_dir, failed, look, private, read_at, stripe_of, timed_out, write_at};
use super::open_files::OpenFile;
use super::stripe::lock_until;
use crate::Result;
use crate::random::random_u128;

/// A count and its complement: damage reads as 0 instead of as billions, which would evict everything.
const COUNT: usize = 8;
/// The two counts of a subfolder: its entries, and the blocks of their files.
const PAIR: usize = 2 * COUNT;
const COUNTS: usize = STRIPES * PAIR;

/// Nonces of one subfolder: 16,384 in all, so that the removal of one key seldom disturbs another.
const SLOTS: usize = 64;
const NONCE: usize = size_of::<u128>();
/// How many bytes of nonces a subfolder has.
const BLOCK: usize = SLOTS * NONCE;
/// Where the nonces start: the counts fill a block of the file system.
const NONCES: usize = COUNTS;
/// Where the mark is.
const MARK: usize = NONCES + STRIPES * BLOCK;
pub(super) const LEN: usize = MARK + size_of::<u64>();

/// The shared file.
#[derive(Debug)]
pub(super) struct State {
    path: PathBuf,
    /// For the counts a file that lost its name does no harm: the sweep would correct the new one.
    kept: RwLock<OpenFile>,
    /// Taken before the file's lock, which all threads of a process share.
    admitting: Mutex<()>,
}

impl State {
    /// Opens the file, making it if it is missing or of the wrong size.
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let kept = RwLock::new(open(&path).map_err(|e| failed("open", &path, e))?);
        Ok(Self { path, kept, admitting: Mutex::default() })
    }

    /// Opens the file again if its name is gone, as after the directory was emptied.
    pub(super) fn heal(&self) -> Result<()> {
        self.current().map(drop)
    }

    /// All subfolders together. One read of 4 KiB.
    pub(super) fn total(&self) -> Result<Amount> {
        self.counts(&self.kept.read(), total)
    }

    /// The amount in one subfolder.
    pub(super) fn amount(&self, stripe: u8) -> Result<Amount> {
        self.counts(&self.kept.read(), |file| amount(file, stripe))
    }

    /// Sets the amount in one subfolder. The caller holds its lock.
    pub(super) fn set_amount(&self, stripe: u8, amount: Amount) -> Result<()> {
        self.counts(&self.kept.read(), |file| set_amount(file, stripe, amount))
    }

    /// Counts more in a subfolder, whose lock the caller holds; false if there is as much as the bounds allow.
    pub(super) fn admit(&self, stripe: u8, more: Amount, bounds: Bounds, limit: Duration) -> Result<bool> {
        if more == Amount::default() {
            return Ok(true);
        }
        if !bounds.limit(more) {
            let increase = |file: &File| set_amount(file, stripe, amount(file, stripe)?.plus(more));
            return self.counts(&self.kept.read(), increase).map(|()| true);
        }
        let deadline = Instant::now() + limit;
        let Some(_admitting) = self.admitting.try_lock_until(deadline) else {
            return Err(timed_out(&self.path, limit));
        };
        let kept = self.own()?;
        if !lock_until(&kept.file, deadline).map_err(|e| failed("lock", &self.path, e))? {
            return Err(timed_out(&self.path, limit));
        }
        let admitted = self.counts(&kept, |file| {
            let pairs = read_pairs(file)?;
            let room = bounds.have_room(sum(&pairs), more);
            if room {
                set_amount(file, stripe, parse(&pairs[usize::from(stripe)]).plus(more))?;
            }
            Ok(room)
        });
        kept.file.unlock().map_err(|e| failed("unlock", &self.path, e))?;
        admitted
    }

    /// The file as this process opened it, for its lock.
    fn own(&self) -> Result<RwLockReadGuard<'_, OpenFile>> {
        let kept = self.kept.read();
        if kept.is_own() {
            return Ok(kept);
        }
        drop(kept);
        self.opened_anew()
    }

    fn reopen(&self, kept: &mut OpenFile) -> Result<()> {
        *kept = open(&self.path).map_err(|e| failed("open", &self.path, e))?;
        Ok(())
    }

    fn counts<T>(&self, kept: &OpenFile, access: impl Fn(&File) -> io::Result<T>) -> Result<T> {
        access(&kept.file).map_err(|e| failed("access", &self.path, e))
    }

    /// Makes the file one that was inherited by `fork`, and returns the parent's descriptor.
    #[cfg(test)]
    pub(super) fn inherited(&self) -> File {
        let mut kept = self.kept.write();
        kept.inherited();
        kept.file.try_clone().unwrap()
    }

    /// The nonce of a key.
    pub(super) fn nonce(&self, id: Id) -> Result<u128> {
        let mut nonce = [0; NONCE];
        read_at(&self.current()?.file, &mut nonce, nonce_at(id))
            .map_err(|e| failed("read", &self.path, e))?;
        Ok(u128::from_le_bytes(nonce))
    }

    /// Gives a key a new nonce.
    pub(super) fn renew(&self, id: Id) -> Result<()> {
        write_at(&self.current()?.file, &random_u128().to_le_bytes(), nonce_at(id))
            .map_err(|e| failed("write", &self.path, e))
    }

    /// Gives all keys of a subfolder new nonces.
    pub(super) fn renew_all(&self, stripe: u8) -> Result<()> {
        write_at(&self.current()?.file, &nonces(SLOTS), block(stripe))
            .map_err(|e| failed("write", &self.path, e))
    }

    /// The mark; none while there is no file. It is random, so that it needs no lock and never comes again, and what is read while
    /// it is written is a mark that no process finds later.
    pub(super) fn mark(&self) -> Result<Option<u64>> {
        let Some(kept) = self.present()? else { return Ok(None) };
        let mut mark = [0; size_of::<u64>()];
        read_at(&kept.file, &mut mark, MARK as u64).map_err(|e| failed("read", &self.path, e))?;
        Ok(Some(u64::from_le_bytes(mark)))
    }

    /// Replaces the mark.
    pub(super) fn renew_mark(&self) -> Result<()> {
        write_at(&self.current()?.file, &fresh_mark(), MARK as u64)
            .map_err(|e| failed("write", &self.path, e))
    }

    /// The file that has the name now, for the nonces and the mark: a deletion must reach processes that opened the directory
    /// before it was emptied or moved away. A new file has new ones, which is the safe side.
    fn current(&self) -> Result<RwLockReadGuard<'_, OpenFile>> {
        if let Some(kept) = self.present()? {
            return Ok(kept);
        }
        if let Some(dir) = self.path.parent() {
            create_dir(dir).map_err(|e| failed("create", dir, e))?;
        }
        self.opened_anew()
    }

    /// The same, if there is one.
    fn present(&self) -> Result<Option<RwLockReadGuard<'_, OpenFile>>> {
        let found = look(&self.path).map_err(|e| failed("look at", &self.path, e))?;
        let Some(meta) = found else { return Ok(None) };
        let kept = self.kept.read();
        if kept.is(&meta) && meta.len() == LEN as u64 {
            return Ok(Some(kept));
        }
        drop(kept);
        self.opened_anew().map(Some)
    }

    fn opened_anew(&self) -> Result<RwLockReadGuard<'_, OpenFile>> {
        let mut kept = self.kept.write();
        self.reopen(&mut kept)?;
        Ok(RwLockWriteGuard::downgrade(kept))
    }
}

fn total(file: &File) -> io::Result<Amount> {
    read_pairs(file).map(|pairs| sum(&pairs))
}

fn read_pairs(file: &File) -> io::Result<[[u8; PAIR]; STRIPES]> {
    let mut pairs = [[0; PAIR]; STRIPES];
    read_at(file, pairs.as_flattened_mut(), 0)?;
    Ok(pairs)
}

fn sum(pairs: &[[u8; PAIR]]) -> Amount {
    pairs.iter().fold(Amount::default(), |sum, pair| sum.plus(parse(pair)))
}

fn amount(file: &File, stripe: u8) -> io::Result<Amount> {
    let mut pair = [0; PAIR];
    read_at(file, &mut pair, pair_at(stripe))?;
    Ok(parse(&pair))
}

fn set_amount(file: &File, stripe: u8, amount: Amount) -> io::Result<()> {
    let both = [amount.entries, amount.blocks].map(|count| {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        (u64::from(count) | u64::from(!count) << 32).to_le_bytes()
    });
    write_at(file, both.as_flattened(), pair_at(stripe))
}

fn pair_at(stripe: u8) -> u64 {
    u64::from(stripe) * PAIR as u64
}

fn block(stripe: u8) -> u64 {
    NONCES as u64 + u64::from(stripe) * BLOCK as u64
}

/// The slot is chosen by the byte after the one that chose the subfolder.
fn nonce_at(id: Id) -> u64 {
    let slot = u64::from(id.to_be_bytes()[1]) % SLOTS as u64;
    block(stripe_of(id)) + slot * NONCE as u64
}

fn fresh_mark() -> [u8; size_of::<u64>()] {
    ((random_u128() >> 64) as u64).to_le_bytes()
}

/// New nonces. They need not differ from each other, only from those before.
fn nonces(slots: usize) -> Vec<u8> {
    random_u128().to_le_bytes().repeat(slots)
}

fn parse(pair: &[u8; PAIR]) -> Amount {
    let (counts, _) = pair.as_chunks::<COUNT>();
    let count = |at: usize| counts.get(at).map_or(0, |&count| undamaged(u64::from_le_bytes(count)));
    Amount { entries: count(0), blocks: count(1) }
}

fn undamaged(both: u64) -> u64 {
    let count = both & u64::from(u32::MAX);
    if both >> 32 == count ^ u64::from(u32::MAX) { count } else { 0 }
}

fn open(path: &Path) -> io::Result<OpenFile> {
    match open_present(path)? {
        Some(file) if file.len() == LEN as u64 => return Ok(file),
        found => make(path, found.is_some())?,
    }
    open_present(path)?.ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn open_present(path: &Path) -> io::Result<Option<OpenFile>> {
    let found = super::disk::open(path, private().read(true).write(true))?;
    Ok(found.map(|(file, meta)| OpenFile::new(file, meta)))
}

/// Makes the file whole under another name first. The counts are none until the sweep has been there.
fn make(path: &Path, replace: bool) -> io::Result<()> {
    let temp = path.with_extension(format!("tmp-{:032x}", random_u128()));
    let mut bytes = vec![0; NONCES];
    bytes.extend(nonces(STRIPES * SLOTS));
    bytes.extend(fresh_mark());
    let mut file = private().write(true).create_new(true).open(&temp)?;
    let named = file.write_all(&bytes).and_then(|()| {
        if !replace {
            match std::fs::hard_link(&temp, path) {
                Ok(()) => return Ok(()),
                // Another process has made it: its file stays.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
                // This file system has no links.
                Err(_) => {}
            }
        }
        std::fs::rename(&temp, path)
    });
    let _ = std::fs::remove_file(&temp);
    named
}
