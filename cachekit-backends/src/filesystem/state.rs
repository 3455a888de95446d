//! One file that all processes share: how many entries each subfolder has, and the nonces that make tokens void.
//!
//! The numbers of a subfolder are written only by who holds its lock, so the file needs no lock of its own. A crash can
//! leave a count too high, never too low; the sweep counts anew.

use std::io;
use std::path::PathBuf;

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::disk::{Id, STRIPES, create_dir, failed, look, private, read_at, stripe_of, write_at};
use super::held::Held;
use crate::Result;
use crate::random::random_u128;

/// A count and its complement: damage reads as 0 instead of as billions, which would evict everything.
const COUNT: usize = 8;
const COUNTS: usize = STRIPES * COUNT;

/// Nonces of one subfolder: 65,536 in all, so that the removal of one key seldom disturbs another.
const SLOTS: usize = 256;
const NONCE: usize = size_of::<u128>();
/// Where the nonces start, and how many bytes a subfolder has of them: one block of most file systems.
const BLOCK: usize = SLOTS * NONCE;
const LEN: u64 = ((1 + STRIPES) * BLOCK) as u64;

/// The shared file.
#[derive(Debug)]
pub(super) struct State {
    path: PathBuf,
    /// For the counts a file that lost its name does no harm: the sweep would correct the new one.
    kept: RwLock<Held>,
}

impl State {
    /// Opens the file, making it if it is missing or of the wrong size.
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let kept = RwLock::new(open(&path).map_err(|e| failed("open", &path, e))?);
        Ok(Self { path, kept })
    }

    /// Opens the file again if its name is gone, as after somebody emptied the directory.
    pub(super) fn heal(&self) -> Result<()> {
        self.current().map(drop)
    }

    /// All entries. One read of 2 KiB.
    pub(super) fn total(&self) -> Result<usize> {
        let mut bytes = [0; COUNTS];
        read_at(&self.kept.read().file, &mut bytes, 0).map_err(|e| failed("read", &self.path, e))?;
        let (counts, _) = bytes.as_chunks::<COUNT>();
        Ok(counts.iter().map(|&count| parse(count) as usize).sum())
    }

    /// The entries of one subfolder.
    pub(super) fn count(&self, stripe: u8) -> Result<u32> {
        let mut count = [0; COUNT];
        let at = u64::from(stripe) * COUNT as u64;
        read_at(&self.kept.read().file, &mut count, at).map_err(|e| failed("read", &self.path, e))?;
        Ok(parse(count))
    }

    /// Sets the count of one subfolder. The caller holds its lock.
    pub(super) fn set_count(&self, stripe: u8, count: u32) -> Result<()> {
        let bytes = (u64::from(count) | u64::from(!count) << 32).to_le_bytes();
        let at = u64::from(stripe) * COUNT as u64;
        write_at(&self.kept.read().file, &bytes, at).map_err(|e| failed("write", &self.path, e))
    }

    /// The nonce of a key; `None` if it has none yet.
    pub(super) fn nonce(&self, id: Id) -> Result<Option<u128>> {
        let mut nonce = [0; NONCE];
        read_at(&self.current()?.file, &mut nonce, place(id)).map_err(|e| failed("read", &self.path, e))?;
        Ok(Some(u128::from_le_bytes(nonce)).filter(|&nonce| nonce != 0))
    }

    /// Gives a key a new nonce. The caller holds the lock of its subfolder.
    pub(super) fn renew(&self, id: Id) -> Result<u128> {
        let nonce = random_u128();
        write_at(&self.current()?.file, &nonce.to_le_bytes(), place(id))
            .map_err(|e| failed("write", &self.path, e))?;
        Ok(nonce)
    }

    /// Gives all keys of a subfolder new nonces. The caller holds its lock.
    pub(super) fn renew_all(&self, stripe: u8) -> Result<()> {
        // They need not differ from each other, only from what they were.
        let nonces = random_u128().to_le_bytes().repeat(SLOTS);
        write_at(&self.current()?.file, &nonces, block(stripe)).map_err(|e| failed("write", &self.path, e))
    }

    /// The file that has the name now, for the nonces: a deletion must reach those who opened the directory before somebody
    /// emptied it. A new file has new nonces, which is the safe side.
    fn current(&self) -> Result<RwLockReadGuard<'_, Held>> {
        let found = look(&self.path).map_err(|e| failed("look at", &self.path, e))?;
        let kept = self.kept.read();
        if found.as_ref().is_some_and(|meta| kept.is(meta)) {
            return Ok(kept);
        }
        drop(kept);
        if let (None, Some(dir)) = (found, self.path.parent()) {
            create_dir(dir).map_err(|e| failed("create", dir, e))?;
        }
        let mut kept = self.kept.write();
        *kept = open(&self.path).map_err(|e| failed("open", &self.path, e))?;
        Ok(RwLockWriteGuard::downgrade(kept))
    }
}

fn block(stripe: u8) -> u64 {
    (1 + u64::from(stripe)) * BLOCK as u64
}

/// The slot is chosen by the byte after the one that chose the subfolder.
fn place(id: Id) -> u64 {
    block(stripe_of(id)) + u64::from(id.to_be_bytes()[1]) * NONCE as u64
}

fn parse(count: [u8; COUNT]) -> u32 {
    let both = u64::from_le_bytes(count);
    let count = both & u64::from(u32::MAX);
    if both >> 32 == count ^ u64::from(u32::MAX) { u32::try_from(count).unwrap_or(0) } else { 0 }
}

fn open(path: &std::path::Path) -> io::Result<Held> {
    let file = private().read(true).write(true).create(true).truncate(false).open(path)?;
    let meta = file.metadata()?;
    if meta.len() != LEN {
        // Zeros are no counts, until the sweep has been there, and no nonces. They take no room on the disk.
        file.set_len(LEN)?;
    }
    Ok(Held::new(file, meta))
}
