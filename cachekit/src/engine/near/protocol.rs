//! The times and the keys by which processes keep in step.

use std::time::Duration;

/// How long the knowledge of the registrations counts.
pub(super) const TRUSTED: Duration = Duration::from_secs(1);
/// How long a tier is registered before it serves.
pub(super) const APPROACH: Duration = Duration::from_millis(1050);
/// The TTL of a registration.
pub(super) const REGISTERED: Duration = Duration::from_secs(60);
/// A registration is prolonged after this time, and no longer believed after the next one.
pub(super) const PROLONG_AFTER: Duration = Duration::from_secs(15);
pub(super) const DISBELIEVE_AFTER: Duration = Duration::from_secs(45);
/// The classes of `near_staleness`: a tier is registered in the first that is not less than its own.
pub(super) const CLASSES: Classes<Duration> = [
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// Something for each class.
pub(super) type Classes<T> = [T; 7];

/// The name that the keys of the tiers begin with, where those of a function have its name.
pub(crate) const NAME: &str = "cachekit::near";

/// The keys on the backend of one cache.
pub(super) struct Keys {
    pub(super) mark: String,
    pub(super) registrations: Classes<String>,
    pub(super) registry: String,
}

impl Keys {
    /// The keys below a prefix. They have the form of versions, which no store counts as entries.
    pub(super) fn new(prefix: &str) -> Self {
        let key = |what: &str| cachekit_backends::version_key(&format!("{prefix}{NAME}"), Some(what));
        let registrations = CLASSES.map(|class| key(&class.as_millis().to_string()));
        Self { mark: key("mark"), registrations, registry: key("registry") }
    }
}
