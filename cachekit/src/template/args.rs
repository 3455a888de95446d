//! The arguments of a `cache` tag: expressions with or without commas between them.

use std::ops::Range;

use super::scan::Token;

/// Splits the tokens of a tag into expressions, as ranges of the source.
///
/// Without a comma an expression goes on as far as it can, as everywhere in the language: `60 -5` is 55, `f (x)` a call.
/// Two literals are two expressions.
pub(super) fn split(
    source: &str,
    tokens: &[(Token, Range<usize>)],
) -> Result<Vec<Range<usize>>, &'static str> {
    let mut split = Split { source, tokens, at: 0, parts: Vec::new(), part: None, operand: true };
    while split.at < tokens.len() {
        split.step()?;
    }
    split.parts.extend(split.part.take());
    Ok(split.parts)
}

/// The option of a tag, beside its arguments.
pub(super) const STALE: &str = "stale";

/// Splits an argument with a name, such as `stale=600`, into that and its value; none if it has no name.
pub(super) fn named(argument: &str) -> Option<(&str, &str)> {
    let (name, value) = argument.split_once('=')?;
    let name = name.trim();
    let is_name = name.starts_with(|c: char| c == '_' || c.is_alphabetic())
        && name.chars().all(|c| c == '_' || c.is_alphanumeric());
    (is_name && !value.starts_with('=')).then_some((name, value))
}

struct Split<'a> {
    source: &'a str,
    tokens: &'a [(Token, Range<usize>)],
    at: usize,
    parts: Vec<Range<usize>>,
    /// The expression that is being read.
    part: Option<Range<usize>>,
    /// Whether it needs an operand next; else it may end here.
    operand: bool,
}

impl<'a> Split<'a> {
    fn peek(&self) -> Option<(Token, &'a str)> {
        self.tokens.get(self.at).map(|(token, range)| (*token, &self.source[range.clone()]))
    }

    /// Takes the next token into the expression.
    fn take(&mut self) {
        if let Some((_, range)) = self.tokens.get(self.at) {
            self.part.get_or_insert(range.clone()).end = range.end;
            self.at += 1;
        }
    }

    /// Takes an operand, which begins a new expression unless the one before waits for it.
    fn begin(&mut self) {
        if !self.operand {
            self.parts.extend(self.part.take());
        }
        self.operand = false;
        self.take();
    }

    fn step(&mut self) -> Result<(), &'static str> {
        match self.peek() {
            Some((Token::Operator, ",")) => {
                self.parts.push(self.part.take().ok_or("expected an expression before `,`")?);
                self.operand = true;
                self.at += 1;
            }
            Some((Token::Close, _)) => return Err("a bracket is closed that was not opened"),
            Some((Token::Open, bracket)) => {
                let before = self.at.checked_sub(1).map(|at| self.tokens[at].0);
                // Names and closing brackets can be called or indexed; a number can't.
                let postfix = match bracket {
                    "(" => !matches!(before, Some(Token::Number | Token::Text)),
                    "[" => before != Some(Token::Number),
                    _ => false,
                };
                if !postfix || self.operand {
                    self.begin();
                } else {
                    self.take();
                }
                self.brackets();
            }
            Some((Token::Ident, word)) => self.word(word),
            Some((Token::Text | Token::Number, _)) => self.begin(),
            Some((Token::Operator, "." | "|")) => {
                self.take();
                self.name();
                self.operand = false;
            }
            Some((Token::Operator, _)) => {
                self.take();
                self.operand = true;
            }
            None => {}
        }
        Ok(())
    }

    /// The rest of what a bracket opened.
    fn brackets(&mut self) {
        let mut depth = 1;
        while depth > 0
            && let Some((token, _)) = self.peek()
        {
            match token {
                Token::Open => depth += 1,
                Token::Close => depth -= 1,
                _ => {}
            }
            self.take();
        }
    }

    fn word(&mut self, word: &str) {
        if self.operand {
            match word {
                "not" => self.take(),
                _ => self.begin(),
            }
            return;
        }
        match word {
            "and" | "or" | "in" | "if" | "else" => {
                self.take();
                self.operand = true;
            }
            "not"
                if self
                    .tokens
                    .get(self.at + 1)
                    .is_some_and(|(_, range)| &self.source[range.clone()] == "in") =>
            {
                self.take();
                self.take();
                self.operand = true;
            }
            "is" => self.test(),
            _ => {
                self.begin();
                self.operand = word == "not";
            }
        }
    }

    /// `is divisibleby 3`: a test may have an argument without brackets.
    fn test(&mut self) {
        self.take();
        if self.peek() == Some((Token::Ident, "not")) {
            self.take();
        }
        self.name();
        self.operand = match self.peek() {
            Some((Token::Ident, word)) => !matches!(word, "and" | "or" | "else" | "is"),
            Some((Token::Text | Token::Number, _) | (Token::Operator, "-")) => true,
            Some((Token::Open, bracket)) => bracket != "(",
            _ => false,
        };
    }

    /// The name of a filter, a test or an attribute.
    fn name(&mut self) {
        self.take();
        while self.peek() == Some((Token::Operator, ".")) {
            self.take();
            self.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use minijinja::syntax::SyntaxConfig;

    fn split(text: &str) -> Result<Vec<String>, &'static str> {
        let source = format!("{{% cache {text} %}}");
        let scanned = super::super::scan::scan(&source, &SyntaxConfig::default());
        let parts = super::split(&source, &scanned.tags[0].tokens[1..])?;
        Ok(parts.into_iter().map(|part| source[part].to_owned()).collect())
    }

    #[test]
    fn expressions_end_at_a_comma_or_where_another_one_begins() {
        for (text, parts) in [
            ("", &[][..]),
            ("60*5", &["60*5"]),
            ("60*5, \"key1\", key2", &["60*5", "\"key1\"", "key2"]),
            ("60*5 \"key1\" key2", &["60*5", "\"key1\"", "key2"]),
            ("60 'a' 'b',", &["60", "'a'", "'b'"]),
            ("60 -5 x", &["60 -5", "x"]),
            ("none user.id", &["none", "user.id"]),
            ("t(1, 2) a[0].b.0 f (x)", &["t(1, 2)", "a[0].b.0", "f (x)"]),
            ("60 (a) [b], [c] {'d': 1}", &["60", "(a) [b]", "[c]", "{'d': 1}"]),
            ("60 x|join(', ')|upper y", &["60", "x|join(', ')|upper", "y"]),
            ("60 if a else 5 not b c", &["60 if a else 5", "not b", "c"]),
            ("60 a not in b is not defined", &["60", "a not in b is not defined"]),
            ("60 a is defined b", &["60", "a is defined b"]),
            ("60 a is divisibleby(3) b", &["60", "a is divisibleby(3)", "b"]),
            ("60 a and not b or -c d", &["60", "a and not b or -c", "d"]),
            ("60 a ~ ':' ~ b \"\\\"x, y\"", &["60", "a ~ ':' ~ b", "\"\\\"x, y\""]),
            ("1.5 1.5 1..5", &["1.5", "1.5", "1..5"]),
        ] {
            assert_eq!(split(text).unwrap(), parts, "{text}");
        }
        for text in [", 5", "5,, 6", "5) , (6"] {
            split(text).expect_err(text);
        }
    }
}
