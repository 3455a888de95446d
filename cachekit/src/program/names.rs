//! The names of functions and policies as a configuration spells them.

use cachekit_backends::{Config, Error, ErrorKind, Result, hint, is_pattern};

use super::{Declared, all, list, may_have, name_of};

/// Whether a function of the program has this identity, or may have it, or it can't be known.
pub(crate) fn is_known(name: &str) -> bool {
    !list::IS_WHOLE || may_have(name)
}

/// Returns "; did you mean …?" with the name of a function that is near, or an empty text.
pub(crate) fn nearest(name: &str) -> String {
    let names: Vec<String> = all().map(name_of).collect();
    let near = hint(name, names.iter().map(String::as_str));
    if !near.is_empty() {
        return near;
    }
    let last = |name: &str| name.rsplit("::").next().map(str::to_owned);
    match names.iter().find(|one| last(one) == last(name)) {
        Some(other) => format!("; did you mean `{other}`?"),
        None => "; `cachekit::functions()` lists those that it has".to_owned(),
    }
}

/// Checks the functions that a configuration names. A tool without memoized functions, which reads the configuration of another
/// program, has none to compare them with.
///
/// # Errors
/// [`ErrorKind::Config`], with the nearest name, for a name without `*` that no function of the program has.
pub(crate) fn check_configured(config: &Config) -> Result<()> {
    if all().next().is_none() {
        return Ok(());
    }
    let unknown = config.functions.keys().filter(|name| !is_pattern(name) && !is_known(name));
    let messages: Vec<String> = unknown
        .map(|name| format!("`functions` names `{name}`, which this program has not{}", nearest(name)))
        .collect();
    if messages.is_empty() { Ok(()) } else { Err(Error::new(ErrorKind::Config, messages.join("; "))) }
}

/// Checks the policies that the functions of the default cache name, if its configuration has policies at all.
///
/// # Errors
/// [`ErrorKind::Config`], with the nearest name, for a policy that the configuration has not.
pub(crate) fn check_policies(config: &Config) -> Result<()> {
    if config.policies.is_empty() {
        return Ok(());
    }
    let known = || config.policies.keys().map(String::as_str);
    let missing = all().filter(|declared| declared.in_default).filter_map(|declared| {
        let policy = declared.policy.filter(|policy| !config.policies.contains_key(*policy))?;
        Some(format!("{}{}", no_policy(declared, policy), hint(policy, known())))
    });
    let mut messages: Vec<String> = missing.collect();
    messages.sort();
    if messages.is_empty() { Ok(()) } else { Err(Error::new(ErrorKind::Config, messages.join("; "))) }
}

/// The message about a policy that a configuration has not.
pub(crate) fn no_policy(declared: &Declared, policy: &str) -> String {
    format!(
        "`{declared}` has `policy = \"{policy}\"`, and the configuration of its cache has no `[policies.{policy}]`"
    )
}
