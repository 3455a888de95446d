//! One file per entry in a directory, shared by any number of processes.
//!
//! # Layout
//!
//! The directory has 256 subfolders, chosen by the first byte of the SHA-256 of the key, which also names the file; no text of
//! a user is ever part of a name. A file is a checksummed layout of expiry, key and value; files are 0600 in subfolders of
//! 0700. Other files may lie in the directory and are left alone.
//!
//! # Concurrency
//!
//! Readers take no lock. A writer locks the subfolder, checks that the write is allowed, and only then makes the bytes
//! reachable: it renames a temporary file to the entry's name, or, in a file with room for two values, writes the new value
//! beside the present one and then the head that says which is which. Where there is no file yet, it writes one under the entry's
//! name; until that is whole it is no entry, by its checksum. A reader therefore sees the old value or the new one, never one whose
//! write was refused, and a crash leaves at most a temporary or an unfinished file, which a later write or sweep removes. Waiting for
//! a lock ends at the operation timeout.
//!
//! Nothing is flushed to the disk: after a power loss the last values may be missing or damaged, and damaged ones are misses; a
//! deletion of the last seconds may be undone.
//!
//! The directory should be on a local disk. On a network file system a hung server blocks in the kernel, where no timeout
//! reaches, and locks may not work among machines.
//!
//! # Cost
//!
//! With values of 1 KiB on ext4 a hit takes about 3 µs if the entry's file is open, else 6; overwriting an entry takes 15, the
//! first time 35; a new entry takes as long as the file system needs to make a file, 60 and more, or 35 where it goes into the
//! file of the entry that it evicts. `clear` looks at every file, 5 µs each, and removes those that match. 150 bytes of memory
//! are used for each entry, and 10 MB at most if there is no threshold. An entry that was overwritten takes twice its size on
//! the disk, if that is at most 64 KiB. A value is read only after the head of its file has been checked against the file's
//! length, and a file of more than 4 GiB is a miss.
//!
//! # Full disk
//!
//! Deletions need no space: the state file is written out when it is made, and a version that can't be overwritten is removed.
//!
//! # Open files
//!
//! The files of entries that are read are kept open, the most useful 1,024 and as many of the versions, but all stores of a
//! process together keep no more than a quarter of the open files that it may have (`RLIMIT_NOFILE`; where that is 1,024, a
//! store keeps 128 entries and 64 versions). Each look asks the system whether the file still has the entry's name, so nothing
//! that another process deletes is returned. Until this process looks, a file of up to 16 KiB that another one has removed
//! keeps its room on the disk. A file that is overwritten is kept open for writing. Where the limit is 4,096 or more, the
//! subfolders that are written to stay open, too, and each writer asks whether its one still has its name.
//!
//! # Eviction
//!
//! At the threshold, or at `max_bytes`, an expired entry goes, or else the one that was written longest ago (FIFO; reads leave no
//! trace). A new entry and the growth of one are counted under a lock of all processes before the file gets its name, so that they
//! never exceed the bounds together, even if they are killed. A file counts in blocks of 4 KiB, and an entry that is heavier than
//! `max_bytes` is not kept. Expired entries are removed as later writes come by, a few at a time, and at the opening.
//!
//! Versions, which a function's or an instance's entries depend on, are kept in a directory `versions` inside, so that entries
//! don't push them out: the loss of one makes all its entries useless.
//!
//! The file `cachekit.state` holds the number of entries and of the blocks of their files, random numbers which removals replace (see
//! [`Backend::token`](crate::Backend::token)), and the mark by which near tiers see that an entry was deleted or overwritten.

mod backend;
mod bounds;
pub(crate) mod builtin;
mod disk;
mod evict;
mod folder;
mod index;
mod keys;
mod layout;
mod open_files;
mod ops;
mod rewrite;
mod settings;
mod state;
mod stripe;
mod temp;
#[cfg(test)]
mod tests;
mod write;

pub use self::backend::FileSystem;
pub(crate) use self::folder::Folder;
pub use self::settings::Options;
