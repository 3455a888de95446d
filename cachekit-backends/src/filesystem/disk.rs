//! Names, modes and errors: everything that is said to the operating system about a path.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::frame::{HEAD_LEN, Peek, peek};
use crate::{Error, ErrorKind};

/// How many subfolders ("stripes") there are; each has a lock of its own.
pub(super) const STRIPES: usize = 256;

/// What an entry is called: the first 128 bits of its key's SHA-256. Two keys that share them would take turns in one
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

/// Where things are in the directory.
#[derive(Debug)]
pub(super) struct Layout(PathBuf);

impl Layout {
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

    /// What is locked: the subfolder itself, or a file in it where the system can't lock one.
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

/// What a file in a subfolder is, going by its name.
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

/// Exactly the 32 lower-case digits that we write.
fn parse_hex(digits: &str) -> Option<u128> {
    let ours = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if ours { u128::from_str_radix(digits, 16).ok() } else { None }
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

/// What has that name; `None` if nothing has.
pub(super) fn look(path: &Path) -> io::Result<Option<Metadata>> {
    found(std::fs::symlink_metadata(path))
}

/// The same if it is a regular file; anything else could block or mislead (a pipe, a link, a directory).
pub(super) fn look_regular(path: &Path) -> io::Result<Option<Metadata>> {
    Ok(look(path)?.filter(Metadata::is_file))
}

/// Opens a file. What is said about it is of what was opened, which a rename may have put there since the last look.
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

fn open_regular(path: &Path) -> io::Result<Option<(File, Metadata)>> {
    if look_regular(path)?.is_none() {
        return Ok(None);
    }
    open(path, File::options().read(true))
}

/// All bytes of a file of that length; none at all if it is shorter.
pub(super) fn read_all(file: &File, len: u64) -> io::Result<Vec<u8>> {
    let Ok(len) = usize::try_from(len) else { return Ok(Vec::new()) };
    let mut bytes = vec![0; len];
    match read_at(file, &mut bytes, 0) {
        Ok(()) => Ok(bytes),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

/// The judgement on a regular file by its head.
pub(super) fn peek_file(path: &Path) -> io::Result<Option<Peek>> {
    Ok(peek_key(path, false)?.map(|(peek, _)| peek))
}

/// The same, and the bytes of the key if they are wanted and the file is an entry.
pub(super) fn peek_key(path: &Path, want_key: bool) -> io::Result<Option<(Peek, Vec<u8>)>> {
    let Some((mut file, meta)) = open_regular(path)? else { return Ok(None) };
    let mut start = [0; HEAD_LEN];
    let mut got = 0;
    while got < HEAD_LEN {
        match file.read(&mut start[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    let mut found = peek(&start[..got], meta.len());
    let mut key = Vec::new();
    if let (Peek::Entry { key_len, .. }, true) = (found, want_key) {
        // Not longer than the file, which `peek` has checked.
        file.take(key_len as u64).read_to_end(&mut key)?;
        if key.len() != key_len {
            found = Peek::Broken;
        }
    }
    Ok(Some((found, key)))
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

/// An error of the operating system: what was tried, where, and what to do.
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

/// A lock that somebody else held for too long.
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
