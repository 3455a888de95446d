//! The name that a misspelt one was probably meant to be.

/// Returns the candidate that was probably meant by a word, if one is close: at most one edit for each three letters.
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let (distance, best) = candidates
        .into_iter()
        .map(|name| (distance(&word, &name.to_lowercase()), name))
        .min_by_key(|(d, _)| *d)?;
    (distance <= (word.chars().count() / 3).max(1)).then_some(best)
}

/// Returns "; did you mean …?", or an empty text.
pub fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    suggest(word, candidates).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// Returns the least number of insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let mut edits = (last[j] + usize::from(a[i] != b[j])).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                edits = edits.min(before[j - 1] + 1);
            }
            row.push(edits);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::suggest;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let types = ["null", "simple", "filesystem", "redis"];
        assert_eq!(suggest("redsi", types), Some("redis"));
        assert_eq!(suggest("REDIS2", types), Some("redis"));
        assert_eq!(suggest("file_system", types), Some("filesystem"));
        assert_eq!(suggest("sinple", types), Some("simple"));
        assert_eq!(suggest("postgres", types), None);
        assert_eq!(suggest("ttl", ["timeout", "name"]), None);
        assert_eq!(suggest("keyprefix", ["timeout", "key_prefix"]), Some("key_prefix"));
        assert_eq!(suggest("", types), None);
        assert_eq!(suggest("x", []), None);
    }
}
