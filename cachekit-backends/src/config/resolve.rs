//! A configuration as the backends get it: checked, without blanks around values, every path absolute.
//!
//! A path is resolved once, when a cache is opened: the working directory may be another one at the first use.

use std::path::{Path, PathBuf};

use super::Config;
use super::fields::FIELDS;
use super::form::Read;
use super::problems::Problems;
use crate::Result;

impl Config {
    /// Checks this configuration and returns it as backends get it: without blanks around addresses and words, every
    /// path absolute.
    ///
    /// [`open`](crate::open) calls it. Relative paths are those of the working directory at this moment.
    ///
    /// # Errors
    /// Those of [`validate`](Self::validate).
    pub fn resolved(&self) -> Result<Self> {
        let mut resolved = self.clone();
        let mut problems = Problems::default();
        for field in FIELDS {
            if let Err(wrong) = (field.resolve)(&mut resolved) {
                problems.add(format!("`{}` {wrong}", field.name));
            }
        }
        resolved.resolve_options(&mut problems);
        resolved.check(problems)?;
        Ok(resolved)
    }
}

/// Removes the blanks at both ends.
pub(super) fn trim(text: &mut String) {
    let trimmed = text.trim();
    if trimmed.len() != text.len() {
        *text = trimmed.to_owned();
    }
}

/// The absolute form of a path that isn't empty; links are not followed.
pub(super) fn absolute(path: &Path) -> Read<PathBuf> {
    if path.as_os_str().is_empty() {
        // The check of the backend has the better message.
        return Ok(PathBuf::new());
    }
    std::path::absolute(path)
        .map_err(|error| format!("can't be made an absolute path: {error}; give an absolute one"))
}
