//! The name that a misspelt one was probably meant to be. Attributes have the same rule (`suggest` in
//! `cachekit-macros`); one table of cases in the tests of the workspace is tried on both.

/// Returns "; did you mean …?" with the nearest candidate, or an empty text if none is within one edit for each three
/// letters. The case of letters doesn't count.
#[doc(hidden)]
pub fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let word = word.to_lowercase();
    let edits = |name: &str| strsim::osa_distance(&word, &name.to_lowercase());
    let nearest = candidates.into_iter().map(|name| (edits(name), name)).min_by_key(|(edits, _)| *edits);
    match nearest {
        Some((edits, name)) if edits <= (word.chars().count() / 3).max(1) => {
            format!("; did you mean `{name}`?")
        }
        _ => String::new(),
    }
}
