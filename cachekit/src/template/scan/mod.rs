//! Where the tags of a template are, by the rules of the engine's own tokenizer.
//!
//! The engine's tokenizer isn't public. This one follows it to the byte, white-space control and its odd corners included,
//! because a tag that is seen where the engine sees none (in a comment, in `raw`, in a string) would change the page. A
//! test compares the two on random input.

mod token;

use std::ops::Range;

use minijinja::syntax::SyntaxConfig;

pub(crate) use token::Token;

/// The kind of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `{{ … }}`.
    Variable,
    /// `{% … %}`.
    Block,
    /// `# …`, a statement that ends with its line.
    Line,
    /// `{# … #}`.
    Comment,
    /// `## …`, to the end of the line.
    LineComment,
    /// `{% raw %} … {% endraw %}`, as a whole.
    Raw,
}

/// How a tag treats the white space beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    /// As the syntax is configured.
    Default,
    /// `+`: keeps it.
    Keep,
    /// `-`: removes it.
    Remove,
}

impl Space {
    fn of(byte: Option<&u8>) -> Self {
        match byte {
            Some(b'-') => Self::Remove,
            Some(b'+') => Self::Keep,
            _ => Self::Default,
        }
    }

    fn len(self) -> usize {
        usize::from(self != Self::Default)
    }

    /// As it is written.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Default => "",
            Self::Keep => "+",
            Self::Remove => "-",
        }
    }
}

/// A tag, by offsets into the source.
#[derive(Clone, Debug)]
pub(crate) struct Tag {
    pub(crate) kind: Kind,
    /// The text before it that is printed.
    pub(crate) lead: Range<usize>,
    /// The whole tag, delimiters included; the line break included that a line statement or comment takes.
    pub(crate) all: Range<usize>,
    /// The text between the delimiters and their signs. Of [`Raw`](Kind::Raw), the text that is printed.
    pub(crate) inner: Range<usize>,
    pub(crate) open: Space,
    pub(crate) close: Space,
    /// Of variables, blocks and line statements.
    pub(crate) tokens: Vec<(Token, Range<usize>)>,
}

/// The tags of a source, as far as it can be read.
pub(crate) struct Scanned {
    pub(crate) tags: Vec<Tag>,
    /// The text after the last tag that is printed; or where the tag begins that can't be read, which the engine will
    /// report.
    pub(crate) tail: Result<Range<usize>, usize>,
}

/// Finds the tags of a template.
pub(crate) fn scan(source: &str, syntax: &SyntaxConfig) -> Scanned {
    let mut text = source;
    if !syntax.keep_trailing_newline() {
        text = text.strip_suffix('\n').unwrap_or(text);
        text = text.strip_suffix('\r').unwrap_or(text);
    }
    let mut scanner = Scanner { text, at: 0, trim: false, syntax, markers: markers(syntax) };
    let mut tags = Vec::new();
    let tail = loop {
        match scanner.next() {
            Next::Tag(tag) => tags.push(tag),
            Next::End(tail) => break Ok(tail),
            Next::Broken(at) => break Err(at),
        }
    };
    Scanned { tags, tail }
}

enum Next {
    Tag(Tag),
    End(Range<usize>),
    Broken(usize),
}

fn markers(syntax: &SyntaxConfig) -> Vec<(&str, Kind)> {
    let mut markers = vec![
        (syntax.variable_delimiters().0, Kind::Variable),
        (syntax.block_delimiters().0, Kind::Block),
        (syntax.comment_delimiters().0, Kind::Comment),
    ];
    markers.extend(syntax.line_statement_prefix().map(|prefix| (prefix, Kind::Line)));
    markers.extend(syntax.line_comment_prefix().map(|prefix| (prefix, Kind::LineComment)));
    // The longest first; the order is kept among equals.
    markers.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    markers
}

struct Scanner<'s> {
    text: &'s str,
    at: usize,
    /// The tag before ends in `-`.
    trim: bool,
    syntax: &'s SyntaxConfig,
    markers: Vec<(&'s str, Kind)>,
}

impl<'s> Scanner<'s> {
    fn rest(&self) -> &'s str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Next {
        if std::mem::take(&mut self.trim) {
            self.at = self.text.len() - self.rest().trim_start().len();
        }
        let from = self.at;
        let Some((start, kind, marker)) = self.find() else { return Next::End(from..self.text.len()) };
        let open = match kind {
            Kind::Line => Space::Default,
            _ => Space::of(self.text.as_bytes().get(start + marker)),
        };
        let before = &self.text[from..start];
        let lead = match open {
            Space::Default if self.strips(kind, start) => strip_indent(before),
            Space::Default | Space::Keep => before,
            Space::Remove => before.trim_end(),
        };
        let lead = from..from + lead.len();
        self.at = start + marker + open.len();
        let tag = match kind {
            Kind::Comment => self.comment(),
            Kind::LineComment => Some(self.line_comment()),
            Kind::Block => match basic_tag(self.rest(), "raw", self.block_end(), false) {
                Some((len, space)) => {
                    self.at += len;
                    self.raw(space)
                }
                None => self.tokens(kind),
            },
            Kind::Variable | Kind::Line | Kind::Raw => self.tokens(kind),
        };
        match tag {
            Some(body) => Next::Tag(Tag {
                kind: body.kind,
                lead,
                all: start..body.end,
                inner: body.inner,
                open,
                close: body.close,
                tokens: body.tokens,
            }),
            None => Next::Broken(start),
        }
    }

    /// The next marker: the leftmost one, of those the longest.
    fn find(&self) -> Option<(usize, Kind, usize)> {
        let bytes = self.text.as_bytes();
        (self.at..bytes.len()).find_map(|at| {
            self.markers
                .iter()
                .find(|(marker, kind)| {
                    bytes[at..].starts_with(marker.as_bytes())
                        && (*kind != Kind::Line || begins_line(&bytes[..at]))
                })
                .map(|(marker, kind)| (at, *kind, marker.len()))
        })
    }

    /// Whether the indent before a tag is not printed.
    fn strips(&self, kind: Kind, start: usize) -> bool {
        if self.syntax.lstrip_blocks() && kind != Kind::Variable {
            let indent = self.text[..start].trim_end_matches(|c: char| c.is_whitespace() && !is_break(c));
            return indent.is_empty() || indent.ends_with(is_break);
        }
        matches!(kind, Kind::Line | Kind::LineComment)
    }

    fn block_end(&self) -> &'s str {
        self.syntax.block_delimiters().1
    }

    fn after(&mut self, space: Space) {
        match space {
            Space::Remove => self.trim = true,
            Space::Default if self.syntax.trim_blocks() => {
                let rest = self.rest();
                let rest = rest.strip_prefix('\r').unwrap_or(rest);
                self.at = self.text.len() - rest.strip_prefix('\n').unwrap_or(rest).len();
            }
            Space::Default | Space::Keep => {}
        }
    }

    fn comment(&mut self) -> Option<Body> {
        let (from, end) = (self.at, self.syntax.comment_delimiters().1);
        let len = self.rest().find(end)?;
        // Of an empty comment the engine looks at the delimiter's own first byte.
        let close = Space::of(self.text.as_bytes().get(from + len.saturating_sub(1)));
        self.at += len + end.len();
        let body = Body::new(Kind::Comment, from..from + len, self.at, close);
        self.after(close);
        Some(body)
    }

    fn line_comment(&mut self) -> Body {
        let from = self.at;
        let len = self.rest().find(is_break).unwrap_or(self.rest().len());
        self.at += len + line_break(&self.rest()[len..]).1;
        Body::new(Kind::LineComment, from..from + len, self.at, Space::Default)
    }

    fn raw(&mut self, first: Space) -> Option<Body> {
        let (from, start) = (self.at, self.syntax.block_delimiters().0);
        let mut at = 0;
        loop {
            let end = at + self.rest()[at..].find(start)?;
            at = end + start.len();
            let Some((len, close)) = basic_tag(&self.rest()[at..], "endraw", self.block_end(), true) else {
                continue;
            };
            let all = &self.rest()[..end];
            let mut text = all;
            match first {
                Space::Default if self.syntax.trim_blocks() => {
                    text = text.strip_prefix('\r').unwrap_or(text);
                    text = text.strip_prefix('\n').unwrap_or(text);
                }
                Space::Remove => text = text.trim_start(),
                Space::Default | Space::Keep => {}
            }
            let begin = from + all.len() - text.len();
            match Space::of(self.rest().as_bytes().get(at)) {
                Space::Default if self.syntax.lstrip_blocks() => text = strip_indent(text),
                Space::Remove => text = text.trim_end(),
                Space::Default | Space::Keep => {}
            }
            self.at += at + len;
            let body = Body::new(Kind::Raw, begin..begin + text.len(), self.at, close);
            self.after(close);
            return Some(body);
        }
    }

    /// A variable, a block or a line statement.
    fn tokens(&mut self, kind: Kind) -> Option<Body> {
        let from = self.at;
        let end = if kind == Kind::Variable { self.syntax.variable_delimiters().1 } else { self.block_end() };
        let mut tokens = Vec::new();
        let mut depth = 0isize;
        loop {
            let rest = self.rest();
            if depth == 0 && kind == Kind::Line {
                let blank =
                    rest.len() - rest.trim_start_matches(|c: char| c.is_whitespace() && !is_break(c)).len();
                if let (true, len) = line_break(&rest[blank..]) {
                    let inner = from..self.at;
                    self.at += blank + len;
                    return Some(Body { tokens, ..Body::new(kind, inner, self.at, Space::Default) });
                }
            }
            if rest.is_empty() {
                // A line statement ends with the source, whatever is open.
                let body = Body { tokens, ..Body::new(kind, from..self.at, self.at, Space::Default) };
                return (kind == Kind::Line).then_some(body);
            }
            let blank = rest.bytes().take_while(u8::is_ascii_whitespace).count();
            if blank > 0 {
                self.at += blank;
                continue;
            }
            if depth == 0 && kind != Kind::Line {
                let close = Space::of(rest.as_bytes().first());
                let signed = rest.as_bytes()[close.len()..].starts_with(end.as_bytes());
                let close = if signed { close } else { Space::Default };
                if signed || rest.starts_with(end) {
                    let inner = from..self.at;
                    self.at += close.len() + end.len();
                    let body = Body { tokens, ..Body::new(kind, inner, self.at, close) };
                    match (kind, close) {
                        // A variable takes no line break with it.
                        (Kind::Variable, Space::Default) => {}
                        _ => self.after(close),
                    }
                    return Some(body);
                }
            }
            let (token, len) = token::at(self.text, self.at)?;
            depth += match token {
                Token::Open => 1,
                Token::Close => -1,
                _ => 0,
            };
            tokens.push((token, self.at..self.at + len));
            self.at += len;
        }
    }
}

struct Body {
    kind: Kind,
    inner: Range<usize>,
    end: usize,
    close: Space,
    tokens: Vec<(Token, Range<usize>)>,
}

impl Body {
    fn new(kind: Kind, inner: Range<usize>, end: usize, close: Space) -> Self {
        Self { kind, inner, end, close, tokens: Vec::new() }
    }
}

/// The length of `raw %}`, and what its end does with the white space after it.
fn basic_tag(text: &str, name: &str, end: &str, signed: bool) -> Option<(usize, Space)> {
    let blank = |text: &'_ str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_whitespace()).len();
    let mut at = if signed { Space::of(text.as_bytes().first()).len() } else { 0 };
    at += blank(&text[at..]);
    at += text[at..].starts_with(name).then_some(name.len())?;
    at += blank(&text[at..]);
    let space = Space::of(text.as_bytes().get(at));
    at += space.len();
    text[at..].starts_with(end).then_some((at + end.len(), space))
}

fn is_break(c: char) -> bool {
    c == '\r' || c == '\n'
}

/// Whether a line or the text ends here, and the length of the break. (The engine takes `\n\r`, and of `\r\n` the first.)
fn line_break(text: &str) -> (bool, usize) {
    let rest = text.strip_prefix('\n').unwrap_or(text);
    let rest = rest.strip_prefix('\r').unwrap_or(rest);
    let len = text.len() - rest.len();
    (len > 0 || rest.is_empty(), len)
}

fn begins_line(before: &[u8]) -> bool {
    let last = before.iter().rev().find(|byte| !matches!(byte, b' ' | b'\t'));
    matches!(last, None | Some(b'\r' | b'\n'))
}

fn strip_indent(text: &str) -> &str {
    let stripped = text.trim_end_matches(|c: char| c.is_whitespace() && !is_break(c));
    if stripped.is_empty() || stripped.ends_with('\n') { stripped } else { text }
}
