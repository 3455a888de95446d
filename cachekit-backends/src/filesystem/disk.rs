//! Names, modes, reads and errors: the calls of the operating system.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::bounds::Amount;
use super::layout::{HEAD_LEN, Head, Peek, is_whole, peek};
use super::temp;
use crate::{Error, ErrorKind};

/// How many subfolders ("stripes") there are; each has a lock of its own.
pub(super) const STRIPES: usize = 256;

/// The name of an entry: the first 128 bits of its key's SHA-256. Two keys that share them would take turns in one
/// file, but never see each other's value, because the file holds the key.
pub(super) type Id = u128;

/// The name of a key.
pub(super) fn id_of(key: &str) -> Id {
    let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
    u128::from_be_bytes(std::array::from_fn(|i| digest[i]))
}

/// The subfolder of an entry.
pub(super) fn stripe_of(id: Id) -> u8 {
    id.to_be_bytes()[0]
}

/// The paths in the directory.
#[derive(Debug)]
pub(super) struct Paths(PathBuf);

impl Paths {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self(dir)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.0
    }

    pub(super) fn state(&self) -> PathBuf {
        self.0.join("cachekit.state")
    }

    pub(super) fn stripe(&self, stripe: u8) -> PathBuf {
        self.0.join(format!("{stripe:02x}"))
    }

    /// The file to lock: the subfolder itself, or a file in it where the system can't lock one.
    pub(super) fn lock(&self, stripe: u8) -> PathBuf {
        let dir = self.stripe(stripe);
        if cfg!(unix) { dir } else { dir.join("cachekit.lock") }
    }

    pub(super) fn entry(&self, id: Id) -> PathBuf {
        // Each look needs it, and `format!` takes three times as long.
        let mut name = String::with_capacity(32);
        id.to_be_bytes().into_iter().for_each(|byte| push_hex(&mut name, byte));
        let mut path = PathBuf::with_capacity(self.0.as_os_str().len() + 36);
        path.push(&self.0);
        path.push(&name[..2]);
        path.push(&name);
        path
    }

    pub(super) fn temp(&self, stripe: u8, stamp: u128) -> PathBuf {
        self.0.join(format!("{stripe:02x}/tmp-{stamp:032x}"))
    }
}

/// The kind of a file in a subfolder by its name.
pub(super) enum Name {
    Entry(Id),
    Temp,
    Other,
}

/// Reads a file name in a subfolder.
pub(super) fn parse_name(stripe: u8, name: &std::ffi::OsStr) -> Name {
    let Some(name) = name.to_str() else { return Name::Other };
    if let Some(stamp) = name.strip_prefix("tmp-") {
        return if parse_hex(stamp).is_some() { Name::Temp } else { Name::Other };
    }
    match parse_hex(name) {
        Some(id) if stripe_of(id) == stripe => Name::Entry(id),
        _ => Name::Other,
    }
}

fn push_hex(text: &mut String, byte: u8) {
    for digit in [byte >> 4, byte & 15] {
        text.push(char::from_digit(digit.into(), 16).unwrap_or_default());
    }
}

/// Exactly 32 lower-case digits, as this store writes.
fn parse_hex(digits: &str) -> Option<u128> {
    let written = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if written { u128::from_str_radix(digits, 16).ok() } else { None }
}

/// Makes a directory that only its owner can enter, and its parents.
pub(super) fn create_dir(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Options for a file that only its owner can read.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The properties of the file with that name; `None` if there is none.
pub(super) fn look(path: &Path) -> io::Result<Option<Metadata>> {
    found(std::fs::symlink_metadata(path))
}

/// The same if it is a regular file; anything else could block or mislead (a pipe, a link, a directory).
pub(super) fn look_regular(path: &Path) -> io::Result<Option<Metadata>> {
    Ok(look(path)?.filter(Metadata::is_file))
}

/// Opens a file; its properties are asked of the open file, because a rename may have replaced it since the last look.
pub(super) fn open(path: &Path, options: &OpenOptions) -> io::Result<Option<(File, Metadata)>> {
    let Some(file) = found(options.open(path))? else { return Ok(None) };
    let meta = file.metadata()?;
    Ok(Some((file, meta)))
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Bytes of a file; fewer where it ends. Fails where the memory doesn't suffice.
fn read_up_to(file: &File, at: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let len = usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
    bytes.try_reserve_exact(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
    bytes.resize(len, 0);
    let mut got = 0;
    while got < len {
        match read_some_at(file, &mut bytes[got..], at + got as u64) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    bytes.truncate(got);
    Ok(bytes)
}

/// The head and the value in a file of that length, if it is an undamaged entry of the key.
///
/// The first read is of at most 64 KiB and the key; a longer value is read once the head has told its length and the file
/// has as many bytes. A file that can be overwritten is therefore read at once.
pub(super) fn read_entry(file: &File, file_len: u64, key: &str) -> io::Result<Option<(Head, Vec<u8>)>> {
    let first = (HEAD_LEN as u64 + key.len() as u64).max(temp::LARGEST);
    let start = read_up_to(file, 0, file_len.min(first))?;
    let Peek::Entry { head, key_len, place } = peek(&start, file_len) else { return Ok(None) };
    if key_len != key.len() {
        return Ok(None);
    }
    let value = match place.within(&start) {
        Some(value) => value.to_vec(),
        None => read_up_to(file, place.at(), place.len())?,
    };
    Ok(is_whole(&start, key, &value).then_some((head, value)))
}

/// The judgement on an open file of that length by its head.
pub(super) fn peek_open(file: &File, file_len: u64) -> io::Result<Peek> {
    Ok(peek(&read_up_to(file, 0, file_len.min(HEAD_LEN as u64))?, file_len))
}

/// The judgement on a regular file by its head.
pub(super) fn peek_file(path: &Path) -> io::Result<Option<Peek>> {
    Ok(peek_key(path, 0)?.map(|(peek, _)| peek))
}

/// The same, and the first bytes of the key, at most so many, if the file is an entry.
pub(super) fn peek_key(path: &Path, wanted: usize) -> io::Result<Option<(Peek, Vec<u8>)>> {
    if look_regular(path)?.is_none() {
        return Ok(None);
    }
    Ok(peek_listed(path, wanted)?.map(|(peek, key, _)| (peek, key)))
}

/// The same of a file that is known to be a regular one, and what it counts.
pub(super) fn peek_listed(path: &Path, wanted: usize) -> io::Result<Option<(Peek, Vec<u8>, Amount)>> {
    let Some((file, meta)) = open(path, File::options().read(true))? else { return Ok(None) };
    let mut start = read_up_to(&file, 0, meta.len().min(HEAD_LEN as u64 + wanted as u64))?;
    let found = peek(&start, meta.len());
    let key = if let Peek::Entry { key_len, .. } = found {
        start.truncate(HEAD_LEN + key_len);
        start.split_off(HEAD_LEN)
    } else {
        Vec::new()
    };
    Ok(Some((found, key, Amount::of(&meta))))
}

/// Removes a file; whether it was there.
pub(super) fn remove(path: &Path) -> crate::Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(failed("remove", path, e)),
    }
}

/// Whether anything has that name.
pub(super) fn exists(path: &Path) -> crate::Result<bool> {
    look(path).map(|meta| meta.is_some()).map_err(|e| failed("look at", path, e))
}

/// Fills the buffer from a place in a file, without a cursor, so that threads can share the descriptor.
pub(super) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_exact_at(file, buffer, at);
    #[cfg(windows)]
    return match std::os::windows::fs::FileExt::seek_read(file, buffer, at) {
        Ok(n) if n == buffer.len() => Ok(()),
        Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(e) => Err(e),
    };
}

/// Reads once from a place in a file; 0 bytes are its end.
fn read_some_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_at(file, buffer, at);
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_read(file, buffer, at);
}

/// Writes the bytes at a place in a file.
pub(super) fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::write_all_at(file, bytes, at);
    #[cfg(windows)]
    return match std::os::windows::fs::FileExt::seek_write(file, bytes, at) {
        Ok(n) if n == bytes.len() => Ok(()),
        Ok(_) => Err(io::ErrorKind::WriteZero.into()),
        Err(e) => Err(e),
    };
}

/// An error of the operating system: the operation, the path, and advice.
pub(super) fn failed(what: &str, path: &Path, e: io::Error) -> Error {
    let advice = match e.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "let this process write there, or set CACHE_DIR to a directory of its own"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, or lower CACHE_THRESHOLD"
        }
        _ => "check that CACHE_DIR is a directory on a working local disk",
    };
    let message = format!("cannot {what} {}: {e}; {advice}", path.display());
    let kind = Error::from(io::Error::from(e.kind())).kind();
    Error::new(kind, message).with_source(e)
}

/// A lock that another writer held for too long.
pub(super) fn timed_out(path: &Path, after: std::time::Duration) -> Error {
    Error::new(
        ErrorKind::Timeout,
        format!(
            "{} was locked by another writer for {} ms; if a process was stopped there, continue or end it",
            path.display(),
            after.as_millis()
        ),
    )
}
