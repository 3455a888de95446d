use std::time::Duration;

pub(super) use cachekit_text::duration::FORMS;

/// Reads a duration, by the grammar that attributes have too.
pub(super) fn parse(text: &str) -> Option<Duration> {
    cachekit_text::duration::parse(text).ok()
}
