//! Makes of cached blocks what the engine understands.
//!
//! ```text
//! {% cache A, B %}body{% endcache %}
//!
//! {% with __cachekit = __cachekit_begin("12.0.digest", (A), (B)) %}{% if __cachekit %}{% filter __cachekit_end(__cachekit) %}
//!   body
//! {% endfilter %}{% else %}{{ __cachekit.text }}{% endif %}{% endwith %}
//! ```
//!
//! (On one line: no line break is added or lost, so that errors keep their lines.) The variable of `with` holds the duty
//! to render. However the block is left, by an error of the template too, the engine drops it, and waiting renders go on.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hasher;
use std::ops::Range;

use cachekit_backends::StableWriter;
use minijinja::Error;
use minijinja::syntax::SyntaxConfig;

use super::args::named;
use super::check::blocks;
use super::refuse::Refusal;
use super::scan::{Kind, Scanned, Space, Tag, Token, scan};

/// The function that a block begins with.
pub(super) const BEGIN: &str = "__cachekit_begin";
/// The filter that a block ends with.
pub(super) const END: &str = "__cachekit_end";

/// Rewrites the cached blocks of a template; borrowed if there are none.
pub(super) fn rewrite<'s>(syntax: &SyntaxConfig, name: &str, source: &'s str) -> Result<Cow<'s, str>, Error> {
    if !source.contains("cache") {
        return Ok(Cow::Borrowed(source));
    }
    let scanned = scan(source, syntax);
    let written = Writer::new(syntax, source, &scanned).and_then(Writer::write);
    written.map_err(|refusal| refusal.into_error(name, source))
}

struct Writer<'a, 's> {
    syntax: &'a SyntaxConfig,
    source: &'s str,
    scanned: &'a Scanned,
    /// The text that replaces each tag of a cached block, by the tag's position.
    gates: HashMap<usize, String>,
    out: String,
    /// How far the source is written.
    written: usize,
}

impl<'a, 's> Writer<'a, 's> {
    fn new(syntax: &'a SyntaxConfig, source: &'s str, scanned: &'a Scanned) -> Result<Self, Refusal> {
        let mut gates = HashMap::new();
        let mut on_line = HashMap::new();
        for block in blocks(source, scanned)? {
            let open = &scanned.tags[block.open];
            let close = block.close.map(|number| &scanned.tags[number]);
            let body = open.all.end..close.map_or(source.len(), |close| close.all.start);
            let line = line(source, open.all.start);
            let count: &mut usize = on_line.entry(line).or_default();
            let place = format!("{line}.{count}.{}", digest(&source[body]));
            *count += 1;
            gates.insert(block.open, begin(syntax, source, open, &place, &block.args));
            gates.extend(block.close.zip(close.map(|close| end(syntax, source, close))));
        }
        Ok(Self { syntax, source, scanned, gates, out: String::new(), written: 0 })
    }

    fn write(mut self) -> Result<Cow<'s, str>, Refusal> {
        if self.gates.is_empty() {
            return Ok(Cow::Borrowed(self.source));
        }
        let tags = &self.scanned.tags;
        // A line statement can't be followed by another one on its line. So all become tags, as the lines after it don't
        // begin where the engine looks for line statements any more.
        let lines = self.gates.keys().any(|number| tags[*number].kind == Kind::Line);
        if let (true, Err(at)) = (lines, &self.scanned.tail) {
            // The engine would take it for text.
            return Err(Refusal::new(
                *at,
                "the tag can't be read: look for quotes, brackets and characters that don't fit",
            ));
        }
        for (number, tag) in tags.iter().enumerate() {
            if let Some(gate) = self.gates.get(&number) {
                let end = if lines { printed(tag) } else { tag.all.start };
                self.out.push_str(&self.source[self.written..end]);
                self.out.push_str(gate);
                self.written = tag.all.end;
            } else if lines {
                self.out.push_str(&self.source[self.written..printed(tag)]);
                let tag_text = self.converted(tag)?;
                self.out.push_str(&tag_text);
                self.written = tag.all.end;
            }
        }
        self.out.push_str(&self.source[self.written..]);
        Ok(Cow::Owned(self.out))
    }

    /// A tag that isn't of a cached block, in a template without line statements.
    fn converted(&self, tag: &Tag) -> Result<Cow<'s, str>, Refusal> {
        let after = &self.source[tag.inner.end..tag.all.end];
        let breaks = after.trim_start_matches(|c| c != '\r' && c != '\n');
        match tag.kind {
            Kind::Line => {
                let (start, end) = self.syntax.block_delimiters();
                if ends_early(self.source, tag, end) {
                    let what = format!(
                        "`{end}` in a line statement, in a template where line statements use `cache`"
                    );
                    return Err(Refusal::new(tag.all.start, what));
                }
                let text = &self.source[tag.inner.clone()];
                Ok(Cow::Owned(format!("{start}+ {text}{breaks} +{end}")))
            }
            Kind::LineComment => {
                let (start, end) = self.syntax.comment_delimiters();
                Ok(Cow::Owned(format!("{start}+{breaks}+{end}")))
            }
            _ => Ok(Cow::Borrowed(&self.source[tag.all.clone()])),
        }
    }
}

/// Up to where the source before a tag is written, if the engine can't be left to strip the indent: it would no longer see
/// that the line begins there.
fn printed(tag: &Tag) -> usize {
    if tag.open == Space::Default { tag.lead.end } else { tag.all.start }
}

fn line(source: &str, at: usize) -> usize {
    1 + source[..at].matches('\n').count()
}

fn digest(body: &str) -> String {
    let mut digest = StableWriter::new();
    digest.write(body.as_bytes());
    digest.to_text()
}

/// The signs of the tags that stand for one: a line statement touches no white space beside it.
fn signs(tag: &Tag) -> (&'static str, &'static str) {
    match tag.kind {
        Kind::Line => ("+", "+"),
        _ => (tag.open.sign(), tag.close.sign()),
    }
}

fn begin(syntax: &SyntaxConfig, source: &str, tag: &Tag, place: &str, args: &[Range<usize>]) -> String {
    let (start, stop) = syntax.block_delimiters();
    let (open, close) = signs(tag);
    let breaks = |range: Range<usize>| "\n".repeat(source[range].matches('\n').count());
    let mut call = format!("{BEGIN}(\"{place}\"");
    let mut at = tag.all.start;
    for arg in args {
        let (name, value) = match named(&source[arg.clone()]) {
            Some((name, value)) => (format!("{name}="), value),
            None => (String::new(), &source[arg.clone()]),
        };
        call = call + ", " + &breaks(at..arg.start) + &name + "(" + value + ")";
        at = arg.end;
    }
    let rest = breaks(at..tag.all.end);
    format!(
        "{start}{open} with __cachekit = {call}){rest} {stop}{start} if __cachekit {stop}\
         {start} filter {END}(__cachekit) {close}{stop}"
    )
}

fn end(syntax: &SyntaxConfig, source: &str, tag: &Tag) -> String {
    let (start, stop) = syntax.block_delimiters();
    let (print, printed) = syntax.variable_delimiters();
    let (open, close) = signs(tag);
    let breaks = "\n".repeat(source[tag.all.clone()].matches('\n').count());
    format!(
        "{start}{open} endfilter{breaks} {stop}{start} else {stop}{print} __cachekit.text {printed}\
         {start} endif {stop}{start} endwith {close}{stop}"
    )
}

/// Whether a line statement has what would end the tag that it becomes.
fn ends_early(source: &str, tag: &Tag, end: &str) -> bool {
    let mut depth = 0isize;
    for (token, range) in &tag.tokens {
        let rest = &source[range.start..];
        let ends =
            rest.starts_with(end) || rest.strip_prefix(['-', '+']).is_some_and(|rest| rest.starts_with(end));
        if depth == 0 && ends {
            return true;
        }
        depth += match token {
            Token::Open => 1,
            Token::Close => -1,
            _ => 0,
        };
    }
    false
}
