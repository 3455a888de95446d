//! Options of functions that are set from outside: at run time by [`configure_function`], at start by the tables of a
//! configuration, and by policies.
//!
//! A hit reads none of this. The record that a hit needs of a cache is closed while a function's calls take another way, and then
//! each call comes here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cachekit_backends::{
    Error, ErrorKind, FunctionConfig, NamedOptions, Result, hint, is_pattern, name_matches,
};
use parking_lot::RwLock;

use super::function::{Function, registered};
use crate::call::freshness::Windows;
use crate::engine::Engine;
use crate::program;

/// The options that were set at run time. Functions are closed and opened under its lock, so that none is opened by options that are
/// set no more.
static AT_RUN_TIME: RwLock<Option<NamedOptions>> = RwLock::new(None);
/// Whether any were ever set.
static ANY: AtomicBool = AtomicBool::new(false);

/// The pause after a refresh that failed, where nothing says it.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The way that the calls of a function take in a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A look at the tables in process comes first.
    Hit,
    /// Entries in process carry their times, which the first look doesn't know.
    Round,
    /// Calls only compute.
    Bypass,
}

/// The options of one function in one cache.
pub(super) struct Steering {
    /// By its name.
    named: FunctionConfig,
    /// By its policy.
    policy: FunctionConfig,
}

/// Sets options of a memoized function by its name, at run time: in all caches of this process, from the next call on.
///
/// They win over those of the attribute and of the configuration. In a name `*` stands for any text, of the module's path too; of the
/// names that match, the narrowest that says an option decides it. A second call with the same name replaces what the first has set;
/// [`FunctionConfig::new`] takes it back. Entries that are stored keep their times.
///
/// With `enabled` false calls compute and neither read nor write; entries stay, and deletions go on. A timeout wins over
/// `timeout = |value| ..` too, and over neither `none_timeout` nor `err_timeout`. Windows of staleness (`stale_while_revalidate`,
/// `stale_if_error`, `refresh_ahead`) are not for views. Where the attribute has none of them, a hit in process takes about 200 ns longer from
/// then on.
///
/// ```
/// use cachekit::{FunctionConfig, configure_function};
///
/// #[cachekit::memoize(name = "shop.price", timeout = 60)]
/// fn price(id: u64) -> u64 {
///     id * 2
/// }
///
/// # fn main() -> cachekit::Result<()> {
/// configure_function("shop.*", FunctionConfig::new().timeout(5))?;
/// configure_function("shop.price", FunctionConfig::new().enabled(false))?;
/// price(1); // only computes
/// configure_function("shop.price", FunctionConfig::new())?; // as before, with a timeout of 5 s
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`ErrorKind::UnknownFunction`], with the nearest name, if no function of the program has this name; a pattern may match none.
/// Where the platform has no list of the program's functions (WebAssembly), any name is remembered for the
/// function's first call. [`ErrorKind::Config`] if an option is out of its range.
pub fn configure_function(name: &str, options: FunctionConfig) -> Result<()> {
    let mistakes = options.mistakes();
    if !mistakes.is_empty() {
        let message = format!("the options of `{name}`: {}", mistakes.join("; "));
        return Err(Error::new(ErrorKind::Config, message));
    }
    if !is_pattern(name) && !program::is_known(name) {
        return Err(unknown(name));
    }
    let mut set = AT_RUN_TIME.write();
    set.get_or_insert_default().set(name, options);
    ANY.store(true, Ordering::SeqCst);
    for (function, _) in registered() {
        if name_matches(name, &function.name) {
            function.close();
        }
    }
    Ok(())
}

#[cold]
fn unknown(name: &str) -> Error {
    let message = format!("this program has no memoized function called `{name}`{}", program::nearest(name));
    Error::new(ErrorKind::UnknownFunction, message)
}

/// Decides the way of a function's calls in a cache, and opens the function for hits `if_open` while that can't change.
pub(super) fn way(function: &Function, engine: &Engine, if_open: Option<&dyn Fn()>) -> Way {
    let set = match if_open {
        // Not the lock of every call with a second cache.
        None if !ANY.load(Ordering::SeqCst) => None,
        _ => Some(AT_RUN_TIME.read()),
    };
    let at_run_time = set.as_ref().and_then(|set| set.as_ref());
    let way = match Steering::of(function, engine, at_run_time) {
        Some(steering) => steering.way(function, engine),
        None => Way::Hit,
    };
    // The tables of words are not looked at again: deletions don't reach them any more.
    let way = match way {
        Way::Hit if !function.declared.stamped && engine.carries_times(function.number) => Way::Round,
        way => way,
    };
    if let (Way::Hit, Some(open)) = (way, if_open) {
        open();
    }
    way
}

/// Returns the options of a function in a cache, if any are set.
pub(super) fn steering(function: &Function, engine: &Engine) -> Option<Steering> {
    if !is_steered(function, engine) {
        return None;
    }
    Steering::of(function, engine, AT_RUN_TIME.read().as_ref())
}

/// Whether there may be options of a function that were set from outside.
pub(super) fn is_steered(function: &Function, engine: &Engine) -> bool {
    ANY.load(Ordering::SeqCst) || !engine.named.is_empty() || function.declared.policy.is_some()
}

impl Steering {
    fn of(function: &Function, engine: &Engine, at_run_time: Option<&NamedOptions>) -> Option<Self> {
        let policy = function.declared.policy;
        if at_run_time.is_none() && engine.named.is_empty() && policy.is_none() {
            return None;
        }
        let name = &*function.name;
        let set = at_run_time.map_or(FunctionConfig::new(), |set| set.of(name));
        let policy = policy.map_or(FunctionConfig::new(), |policy| policy_of(function, engine, policy));
        Some(Self { named: set.or(&engine.named.of(name)), policy })
    }

    fn way(&self, function: &Function, engine: &Engine) -> Way {
        if !self.is_enabled() {
            return Way::Bypass;
        }
        if function.declared.stamped || self.windows(function, Windows::NONE).is_none() {
            return Way::Hit;
        }
        engine.carry_times(function.number);
        Way::Round
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.named.enabled.or(self.policy.enabled).unwrap_or(true)
    }

    /// The timeout and the jitter that were set by the name, then those of the policy.
    pub(super) fn times(&self) -> [(Option<cachekit_backends::Timeout>, Option<f64>); 2] {
        [&self.named, &self.policy].map(|options| (options.timeout, options.jitter))
    }

    /// The windows of staleness, where the attribute says these. A time of zero says nothing.
    pub(super) fn windows(&self, function: &Function, said: Windows) -> Windows {
        if function.declared.view {
            return said;
        }
        let time = |said: Duration| (!said.is_zero()).then_some(said);
        let Self { named, policy } = self;
        let mut windows = said;
        windows.while_revalidate = named
            .stale_while_revalidate
            .or(time(said.while_revalidate))
            .or(policy.stale_while_revalidate)
            .unwrap_or_default();
        windows.if_error =
            named.stale_if_error.or(time(said.if_error)).or(policy.stale_if_error).unwrap_or_default();
        windows.refresh_ahead = named.refresh_ahead.or(said.refresh_ahead).or(policy.refresh_ahead);
        windows.retry_after =
            named.retry_after.or(time(said.retry_after)).or(policy.retry_after).unwrap_or(RETRY_AFTER);
        windows
    }
}

/// Returns the options of a policy. Says once that a cache has none of this name.
fn policy_of(function: &Function, engine: &Engine, policy: &str) -> FunctionConfig {
    if let Some(options) = engine.policies.get(policy) {
        return options.clone();
    }
    function.say_once(|| {
        tracing::error!(
            target: "cachekit",
            "{}{}",
            program::no_policy(function.declared, policy),
            hint(policy, engine.policies.keys().map(String::as_str)),
        );
    });
    FunctionConfig::new()
}
