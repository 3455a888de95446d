//! One file that all processes share: how many entries each subfolder has, and the nonces that make tokens void.
//!
//! The numbers of a subfolder are written only by who holds its lock, so the file needs no lock of its own. A crash can
//! leave a count too high, never too low; the sweep counts anew.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use parking_lot::RwLock;

use super::disk::{Id, STRIPES, create_dir, exists, failed, private, read_at, stripe_of, write_at};
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
    /// For the counts, where a file that lost its name does no harm: the sweep would correct the new one.
    kept: RwLock<File>,
}

impl State {
    /// Opens the file, making it if it is missing or of the wrong size.
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let kept = RwLock::new(open(&path).map_err(|e| failed("open", &path, e))?);
        Ok(Self { path, kept })
    }

    /// Opens the file again if its name is gone, as after somebody emptied the directory.
    pub(super) fn heal(&self) -> Result<()> {
        if !exists(&self.path)? {
            if let Some(dir) = self.path.parent() {
                create_dir(dir).map_err(|e| failed("create", dir, e))?;
            }
            *self.kept.write() = open(&self.path).map_err(|e| failed("open", &self.path, e))?;
        }
        Ok(())
    }

    /// All entries. One read of 2 KiB.
    pub(super) fn total(&self) -> Result<usize> {
        let mut bytes = [0; COUNTS];
        read_at(&self.kept.read(), &mut bytes, 0).map_err(|e| failed("read", &self.path, e))?;
        let (counts, _) = bytes.as_chunks::<COUNT>();
        Ok(counts.iter().map(|&count| parse(count) as usize).sum())
    }

    /// The entries of one subfolder.
    pub(super) fn count(&self, stripe: u8) -> Result<u32> {
        let mut count = [0; COUNT];
        let at = u64::from(stripe) * COUNT as u64;
        read_at(&self.kept.read(), &mut count, at).map_err(|e| failed("read", &self.path, e))?;
        Ok(parse(count))
    }

    /// Sets the count of one subfolder. The caller holds its lock.
    pub(super) fn set_count(&self, stripe: u8, count: u32) -> Result<()> {
        let bytes = (u64::from(count) | u64::from(!count) << 32).to_le_bytes();
        let at = u64::from(stripe) * COUNT as u64;
        write_at(&self.kept.read(), &bytes, at).map_err(|e| failed("write", &self.path, e))
    }

    /// The nonce of a key; `None` if it has none yet.
    pub(super) fn nonce(&self, id: Id) -> Result<Option<u128>> {
        let mut nonce = [0; NONCE];
        read_at(&self.current(false)?, &mut nonce, place(id)).map_err(|e| failed("read", &self.path, e))?;
        Ok(Some(u128::from_le_bytes(nonce)).filter(|&nonce| nonce != 0))
    }

    /// Gives a key a new nonce. The caller holds the lock of its subfolder.
    pub(super) fn renew(&self, id: Id) -> Result<u128> {
        let nonce = random_u128();
        write_at(&self.current(true)?, &nonce.to_le_bytes(), place(id))
            .map_err(|e| failed("write", &self.path, e))?;
        Ok(nonce)
    }

    /// Gives all keys of a subfolder new nonces. The caller holds its lock.
    pub(super) fn renew_all(&self, stripe: u8) -> Result<()> {
        // They need not differ from each other, only from what they were.
        let nonces = random_u128().to_le_bytes().repeat(SLOTS);
        write_at(&self.current(true)?, &nonces, block(stripe)).map_err(|e| failed("write", &self.path, e))
    }

    /// The file that has the name now, for the nonces: a deletion must reach those who opened the directory before somebody
    /// emptied it. A new file has new nonces, which is the safe side.
    fn current(&self, write: bool) -> Result<File> {
        let again = || File::options().read(true).write(write).open(&self.path);
        match again() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.heal()?;
                again()
            }
            other => other,
        }
        .map_err(|e| failed("open", &self.path, e))
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

fn open(path: &std::path::Path) -> io::Result<File> {
    let file = private().read(true).write(true).create(true).truncate(false).open(path)?;
    if file.metadata()?.len() != LEN {
        // Zeros are no counts, until the sweep has been there, and no nonces. They take no room on the disk.
        file.set_len(LEN)?;
    }
    Ok(file)
}
