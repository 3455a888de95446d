//! The check of a whole configuration, before anything is opened.

use std::time::Duration;

use super::fields::FIELDS;
use super::form::FRACTIONS;
use super::problems::Problems;
use super::secret::redacted;
use super::suggest::hint;
use super::{CacheType, Config, by_name};
use crate::builtin::{BACKENDS, BuiltIn, Row, known_types};
use crate::{Error, ErrorKind, Result, Timeout, registry};

/// The longest limit of time. More can't be added to every moment.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Config {
    /// Whether a cache can be opened with this: everything that the backend needs is there, nothing contradicts, nothing
    /// would be ignored silently. With [`testing`](field@Self::testing) the backend's own settings don't matter.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with a message that names every mistake and what is valid instead;
    /// [`ErrorKind::Unsupported`] for a backend that this build lacks, naming the cargo feature.
    pub fn validate(&self) -> Result<()> {
        self.resolved().map(drop)
    }

    /// The backend of a built-in type that this build has.
    pub(crate) fn built_in(&self) -> Option<&'static BuiltIn> {
        Row::of(&self.cache_type).and_then(|row| row.built)
    }

    /// The check of a resolved configuration; `problems` are those of before.
    pub(super) fn check(&self, mut problems: Problems) -> Result<()> {
        self.check_common(&mut problems);
        if self.testing {
            return problems.finish();
        }
        match (&self.cache_type, Row::of(&self.cache_type)) {
            (CacheType::Custom(name), _) => check_custom(name, &mut problems),
            (_, Some(row)) => {
                self.check_owners(row, &mut problems);
                self.check_args(&mut problems);
                if let Some(built) = row.built {
                    (built.check)(self, &mut problems);
                    self.check_options(built.options, &mut problems);
                }
                problems.finish()?;
                return check_built(row, &self.cache_type);
            }
            (_, None) => {}
        }
        problems.finish()
    }

    fn check_common(&self, problems: &mut Problems) {
        if self.key_prefix.contains('\0') {
            problems.add("`key_prefix` must not contain NUL");
        }
        match self.default_timeout {
            Timeout::Default => problems.add(
                "`default_timeout` must be a duration or `Timeout::Never`; `Timeout::Default` stands for this very setting",
            ),
            Timeout::After(time) if time.is_zero() => {
                problems.add("`default_timeout` must be more than zero; for entries that never expire say `Timeout::Never`");
            }
            Timeout::After(_) | Timeout::Never => {}
        }
        if !FRACTIONS.contains(&self.jitter) {
            problems.add("`jitter` must be a number from 0 to less than 1");
        }
        for (name, is_zero) in [
            ("flight_timeout", self.flight_timeout.is_zero()),
            ("operation_timeout", self.operation_timeout.is_zero()),
            ("connect_timeout", self.connect_timeout.is_zero()),
            ("probe_interval", self.probe_interval.is_zero()),
            ("breaker_threshold", self.breaker_threshold == 0),
            ("pool_size", self.pool_size == 0),
        ] {
            if is_zero {
                problems.add(format!("`{name}` must be more than zero"));
            }
        }
        for (name, time) in [
            ("flight_timeout", self.flight_timeout),
            ("operation_timeout", self.operation_timeout),
            ("connect_timeout", self.connect_timeout),
        ] {
            if time > YEAR {
                problems.add(format!("`{name}` must be at most a year"));
            }
        }
        self.check_near(problems);
        by_name::check("functions", &self.functions, problems);
        by_name::check("policies", &self.policies, problems);
    }

    fn check_near(&self, problems: &mut Problems) {
        if self.near_staleness < Duration::from_millis(10) || self.near_staleness > Duration::from_secs(10) {
            problems.add("`near_staleness` must be at least 10 ms and at most 10 s");
        }
        if self.near_max_age.is_zero() || self.near_max_age > YEAR {
            problems.add("`near_max_age` must be more than zero and at most a year");
        }
    }

    /// Refuses the settings of a backend that isn't the chosen one: they would be ignored silently.
    fn check_owners(&self, chosen: &Row, problems: &mut Problems) {
        let default = Self::default();
        let others = BACKENDS.iter().filter(|row| row.name() != chosen.name());
        for (owner, name) in others.flat_map(|row| row.fields.iter().map(move |name| (row.name(), name))) {
            if FIELDS.iter().any(|field| field.name == *name && (field.is_given)(self, &default)) {
                problems.add(format!(
                    "`{name}` (`CACHE_{}`) is a setting of `{owner}`, but the cache type is `{}`: set `cache_type` \
                     (`CACHE_TYPE`) to `{owner}`, or leave it out",
                    name.to_ascii_uppercase(),
                    self.cache_type
                ));
            }
        }
    }

    /// The values aren't shown: their meaning isn't known.
    fn check_args(&self, problems: &mut Problems) {
        if !self.args.is_empty() {
            problems.add(format!("cache type `{}` takes no `args`: leave them out", self.cache_type));
        }
    }
}

fn check_custom(name: &str, problems: &mut Problems) {
    let registered = registry::names();
    if registered.iter().any(|known| known == name) {
        return;
    }
    let known = known_types().map(|(word, _)| *word);
    let valid: Vec<&str> = known.chain(registered.iter().map(String::as_str)).collect();
    // Flask-Caching says `RedisCache`.
    let lower = name.to_ascii_lowercase();
    let hint = hint(lower.strip_suffix("cache").unwrap_or(&lower), valid.iter().copied());
    problems.add(format!(
        "unknown cache type `{}`: valid are {}, and names given to `register_backend` before{hint}",
        redacted(name),
        valid.join(", ")
    ));
}

/// Whether this build has the backend of a type.
fn check_built(row: &Row, cache_type: &CacheType) -> Result<()> {
    if row.built.is_some() {
        return Ok(());
    }
    let feature = row.feature.unwrap_or_default();
    Err(Error::new(
        ErrorKind::Unsupported,
        format!("this build has no `{cache_type}` backend: enable cachekit's cargo feature `{feature}`"),
    ))
}
