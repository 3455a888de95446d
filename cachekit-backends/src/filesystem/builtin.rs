//! The part of `filesystem` that the table of backends knows.

use std::sync::Arc;

use super::{FileSystem, Options};
use crate::builtin::BuiltIn;
use crate::config::Problems;
use crate::{Clock, Config, Opened, Result};

pub(crate) const BACKEND: BuiltIn = BuiltIn {
    options: &[],
    check,
    location: |config| config.dir.as_ref().map(|dir| dir.display().to_string()),
    open,
};

fn check(config: &Config, problems: &mut Problems) {
    match config.dir.as_deref() {
        None => {
            problems.add("cache type `filesystem` needs `dir` (`CACHE_DIR`), the directory for its files");
        }
        Some(dir) if dir.as_os_str().is_empty() => problems.add("`dir` must not be empty"),
        Some(_) => {}
    }
}

fn open(config: &Config, clock: &Clock) -> Result<Opened> {
    let options = Options::default()
        .threshold(config.threshold)
        .max_bytes(config.max_bytes.unwrap_or(0))
        .clock(clock.clone());
    let dir = config.dir.clone().unwrap_or_default();
    Ok(Opened::Shared(Arc::new(FileSystem::open(dir, options)?)))
}
