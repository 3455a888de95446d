//! The memoized functions of the program, known before the first call: const data that the attributes leave in a list made
//! at link time. It knows no caches and no calls.

mod identity;
pub(crate) mod list;
mod names;

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use cachekit_backends::{Error, ErrorKind, Result};

pub use identity::Declared;
pub(crate) use names::{check_configured, check_policies, is_known, nearest, no_policy};

/// The functions of the list, and the identities that more than one of them has.
struct Program {
    /// By crate, the greatest version of it that is linked, if there are several.
    newest: HashMap<String, &'static str>,
    /// By identity and `version`, why it is refused.
    repeated: BTreeMap<String, BTreeMap<&'static str, String>>,
}

impl Program {
    fn of(all: impl Iterator<Item = &'static Declared> + Clone) -> Self {
        let mut program = Self { newest: newest(all.clone()), repeated: BTreeMap::new() };
        // `version` is part of an identity.
        let mut places: BTreeMap<(String, &str), Vec<&'static Declared>> = BTreeMap::new();
        for declared in all {
            if let Some(fixed) = declared.fixed_identity() {
                let identity = program.complete(declared, fixed);
                places.entry((identity, declared.version)).or_default().push(declared);
            }
        }
        places.retain(|_, places| places.len() > 1);
        for ((identity, version), places) in places {
            let message = refusal(&identity, &places);
            program.repeated.entry(identity).or_default().insert(version, message);
        }
        program
    }

    /// Adds the crate's version to an identity, unless it is the only or the newest one in the program: so a program with
    /// one version shares entries with an earlier build of it, and two versions in one program share none.
    fn complete(&self, declared: &Declared, identity: String) -> String {
        match (self.newest.get(declared.crate_name()), declared.package) {
            (Some(newest), Some(version)) if *newest != version => {
                format!("{identity}#{}-{version}", declared.crate_name())
            }
            _ => identity,
        }
    }
}

/// The greatest linked version of each crate that is there in several.
fn newest(all: impl Iterator<Item = &'static Declared>) -> HashMap<String, &'static str> {
    let mut versions: HashMap<String, Vec<&'static str>> = HashMap::new();
    for declared in all {
        let known = versions.entry(declared.crate_name().to_owned()).or_default();
        known.extend(declared.package.filter(|version| !known.contains(version)));
    }
    versions.retain(|_, versions| versions.len() > 1);
    let greatest = |versions: Vec<&'static str>| versions.into_iter().max_by_key(|text| ordered(text));
    versions.into_iter().filter_map(|(name, versions)| Some((name, greatest(versions)?))).collect()
}

/// A semantic version in the order of versions; a pre-release comes before its release.
fn ordered(version: &str) -> (Vec<u64>, bool, &str) {
    let (numbers, rest) = version.split_at(version.find(['-', '+']).unwrap_or(version.len()));
    let numbers = numbers.split('.').map(|number| number.parse().unwrap_or(0)).collect();
    (numbers, !rest.starts_with('-'), rest)
}

/// The message about an identity that these functions have in common.
pub(crate) fn refusal(identity: &str, declared: &[&Declared]) -> String {
    let mut places: Vec<String> = declared.iter().map(|declared| format!("`{declared}`")).collect();
    places.sort();
    format!(
        "memoized functions with the same identity `{identity}`: {}; give each a `name = \"…\"` of its own. Until then \
         their calls are computed and not cached",
        places.join(" and "),
    )
}

fn program() -> &'static Program {
    static PROGRAM: OnceLock<Program> = OnceLock::new();
    PROGRAM.get_or_init(|| Program::of(list::all()))
}

/// Completes the identity of a function to one that no other function of the program has, or gives with it the reason why
/// the function is refused.
pub(crate) fn complete(declared: &'static Declared, identity: String) -> (String, Option<String>) {
    let program = program();
    let identity = program.complete(declared, identity);
    let refused =
        program.repeated.get(&identity).and_then(|versions| versions.get(declared.version)).cloned();
    (identity, refused)
}

/// Every function on the list, in no particular order.
pub(crate) fn all() -> impl Iterator<Item = &'static Declared> {
    list::all()
}

/// The identity of a function as far as it is known before its first call: of a method without a name of its own only the
/// module and the function.
pub(crate) fn name_of(declared: &'static Declared) -> String {
    match declared.fixed_identity() {
        Some(fixed) => program().complete(declared, fixed),
        None => format!("{}::{}", declared.module, declared.function),
    }
}

/// The identities that are known before the first call.
pub(crate) fn names() -> impl Iterator<Item = String> {
    all().filter_map(|declared| Some(program().complete(declared, declared.fixed_identity()?)))
}

/// Whether a function of the program has this identity, or is a method that may have it.
pub(crate) fn may_have(identity: &str) -> bool {
    candidates(identity).next().is_some()
}

/// The function that has an identity, or else the methods that may have it.
fn candidates(identity: &str) -> impl Iterator<Item = &'static Declared> {
    let has = move |declared: &&Declared| {
        declared.fixed_identity().is_some_and(|fixed| program().complete(declared, fixed) == identity)
    };
    // A method in the body of a function carries its place.
    let path = identity.split('#').next().unwrap_or_default();
    let may_have = move |declared: &&Declared| {
        declared.fixed_identity().is_none() && path.rsplit("::").next() == Some(declared.function)
    };
    let known = all().find(has);
    let methods = known.is_none().then(|| all().filter(may_have)).into_iter().flatten();
    known.into_iter().chain(methods)
}

/// An error if two functions of the program have this identity, or if the one that has it has no entries of its own.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_identity(identity: &str) -> Result<()> {
    one_error(program().repeated.get(identity))?;
    let shares: Option<Vec<&str>> = candidates(identity).map(|declared| declared.of).collect();
    match shares.and_then(|of| of.first().copied()) {
        Some(of) => Err(Error::new(
            ErrorKind::Config,
            format!("`{identity}` shares the entries of `{of}`: delete them by the name of that function"),
        )),
        None => Ok(()),
    }
}

/// An error if two functions of the program have the same identity.
///
/// # Errors
/// [`ErrorKind::Config`] names their places.
pub(crate) fn check() -> Result<()> {
    one_error(program().repeated.values())
}

fn one_error<'a>(repeats: impl IntoIterator<Item = &'a BTreeMap<&'static str, String>>) -> Result<()> {
    let messages: Vec<&str> = repeats.into_iter().flat_map(BTreeMap::values).map(String::as_str).collect();
    if messages.is_empty() { Ok(()) } else { Err(repeated(messages.join("; "))) }
}

/// The error of what is asked about a function that was refused.
pub(crate) fn repeated(message: String) -> Error {
    Error::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests;
