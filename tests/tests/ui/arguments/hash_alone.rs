//! A `Hash` may leave out what `Eq` compares.

use std::hash::Hash;

use cachekit::{CacheKey, memoize};

#[derive(Hash, PartialEq, Eq)]
struct Job {
    dir: std::path::PathBuf,
}

#[memoize]
fn by_reference(job: &Job) -> bool {
    job.dir.is_absolute()
}

impl Job {
    #[memoize]
    fn method(&self) -> bool {
        self.dir.is_absolute()
    }
}

#[memoize]
fn generic<T: Hash>(value: T) -> usize {
    size_of_val(&value)
}

#[derive(CacheKey)]
struct Holder {
    job: Job,
}

fn main() {}
