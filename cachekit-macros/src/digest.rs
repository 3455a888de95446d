//! A digest of source tokens for `source_check`: the same for the same tokens, whatever their layout and comments.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// FNV-1a with 128 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>). The source is the user's own,
/// so the digest needs to be stable and well spread, not cryptographic.
struct Fnv(u128);

impl Fnv {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

    fn feed(&mut self, tag: u8, text: &str) {
        let length = text.len() as u64;
        for byte in [tag].into_iter().chain(length.to_le_bytes()).chain(text.bytes()) {
            self.0 = (self.0 ^ u128::from(byte)).wrapping_mul(Self::PRIME);
        }
    }

    fn tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => self.feed(b'i', &ident.to_string()),
                // Spacing is left out: rustc and proc_macro2 don't always agree on it.
                TokenTree::Punct(punct) => self.feed(b'p', punct.as_char().encode_utf8(&mut [0; 4])),
                TokenTree::Literal(literal) => self.feed(b'l', &literal.to_string()),
                // An invisible group comes and goes with the macros that the item passed through.
                TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
                    self.tokens(group.stream());
                }
                TokenTree::Group(group) => {
                    let bracket = match group.delimiter() {
                        Delimiter::Brace => "{",
                        Delimiter::Bracket => "[",
                        _ => "(",
                    };
                    self.feed(b'<', bracket);
                    self.tokens(group.stream());
                    self.feed(b'>', bracket);
                }
            }
        }
    }
}

/// The digest of these tokens, in 32 hexadecimal digits.
pub(crate) fn digest(tokens: TokenStream) -> String {
    let mut hasher = Fnv(Fnv::OFFSET);
    hasher.tokens(tokens);
    format!("{:032x}", hasher.0)
}

#[cfg(test)]
mod tests {
    use super::digest;

    fn of(source: &str) -> String {
        digest(source.parse().expect("tokens"))
    }

    #[test]
    fn layout_and_comments_do_not_matter_and_code_does() {
        assert_eq!(of("fn f(a: u8) -> u8 { a + 1 }"), of("fn f(a: u8)->u8{\n // one more\n a+1 /* ! */ }"));
        assert_ne!(of("fn f(a: u8) -> u8 { a + 1 }"), of("fn f(a: u8) -> u8 { a + 2 }"));
        assert_ne!(of("{ a } b"), of("{ a b }"));
        assert_ne!(of("ab c"), of("a bc"));
    }

    #[test]
    fn the_digest_never_changes() {
        // Entries on shared backends are found by it: another value here would drop every user's entries.
        assert_eq!(of(""), "6c62272e07bb014262b821756295c58d");
        assert_eq!(of("x"), of(" x "));
    }
}
