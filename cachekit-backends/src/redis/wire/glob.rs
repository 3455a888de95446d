//! Patterns of `SCAN`.

/// The pattern of all keys that start with a text, literally.
pub(in crate::redis) fn starting_with(prefix: &str) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(prefix.len() + 1);
    for &byte in prefix.as_bytes() {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\' | b'^' | b'-') {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern.push(b'*');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How the server matches: `*`, `?`, `[…]` and `\`.
    fn matches(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => (0..=text.len()).any(|at| matches(rest, &text[at..])),
            [b'?', rest @ ..] => !text.is_empty() && matches(rest, &text[1..]),
            [b'[', ..] => panic!("a class, which no pattern has"),
            [b'\\', byte, rest @ ..] | [byte, rest @ ..] => {
                text.first() == Some(byte) && matches(rest, &text[1..])
            }
        }
    }

    #[test]
    fn special_characters_are_escaped() {
        assert_eq!(starting_with("a*b[c]?\\^-:"), b"a\\*b\\[c\\]\\?\\\\\\^\\-:*");
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_starts_with_the_text_and_nothing_else(prefix in "[ab*?\\[\\]\\\\^é-]{0,5}", text in "[ab*?\\[\\]\\\\^é-]{0,8}") {
            let pattern = starting_with(&prefix);
            prop_assert_eq!(matches(&pattern, text.as_bytes()), text.starts_with(&prefix));
            let longer = format!("{prefix}{text}");
            prop_assert!(matches(&pattern, longer.as_bytes()));
        }
    }
}
