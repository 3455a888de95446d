//! Which tags of a template are cached blocks, and whether they can work.

use std::ops::Range;

use super::args::{STALE, named, split};
use super::refuse::Refusal;
use super::scan::{Kind, Scanned, Tag, Token};

/// A `cache` tag with its `endcache`, by their places among the tags.
pub(super) struct Block {
    pub(super) open: usize,
    /// None if the source can't be read up to there, which the engine will report.
    pub(super) close: Option<usize>,
    /// The timeout and the parts of the key, as far as they are written.
    pub(super) args: Vec<Range<usize>>,
}

/// A tag that was opened.
struct Opened<'s> {
    name: &'s str,
    at: usize,
    /// Of `for`: in its `else` part, where the loop is over.
    over: bool,
    /// Of `cache`.
    block: Option<(usize, Vec<Range<usize>>)>,
}

impl Opened<'_> {
    /// Whether its key is made of the place of the block.
    fn unnamed(&self, source: &str) -> bool {
        let parts = |args: &Vec<Range<usize>>| {
            args.iter().filter(|arg| named(&source[(*arg).clone()]).is_none()).count()
        };
        self.block.as_ref().is_some_and(|(_, args)| parts(args) < 2)
    }
}

/// The word that a statement begins with.
fn statement<'s>(source: &'s str, tag: &Tag) -> Option<&'s str> {
    match (tag.kind, tag.tokens.first()) {
        (Kind::Block | Kind::Line, Some((Token::Ident, range))) => Some(&source[range.clone()]),
        _ => None,
    }
}

/// The cached blocks of a template, the outer one before the inner one.
pub(super) fn blocks(source: &str, scanned: &Scanned) -> Result<Vec<Block>, Refusal> {
    let mut check = Check { source, open: Vec::new(), blocks: Vec::new() };
    for (number, tag) in scanned.tags.iter().enumerate() {
        check.expressions(tag)?;
        if let Some(word) = statement(source, tag) {
            check.tag(number, tag, word)?;
        }
    }
    for opened in check.open {
        if let Some((open, args)) = opened.block {
            if scanned.tail.is_ok() {
                return Err(Refusal::new(opened.at, "`cache` is not closed by `endcache`"));
            }
            check.blocks.push(Block { open, close: None, args });
        }
    }
    check.blocks.sort_by_key(|block| block.open);
    Ok(check.blocks)
}

struct Check<'s> {
    source: &'s str,
    open: Vec<Opened<'s>>,
    blocks: Vec<Block>,
}

impl<'s> Check<'s> {
    fn line(&self, at: usize) -> usize {
        self.source[..at].matches('\n').count() + 1
    }

    fn inside(&self) -> bool {
        self.open.iter().any(|opened| opened.block.is_some())
    }

    fn tag(&mut self, number: usize, tag: &Tag, word: &'s str) -> Result<(), Refusal> {
        let at = tag.all.start;
        match word {
            "cache" => {
                let args = split(self.source, &tag.tokens[1..])
                    .map_err(|what| Refusal::new(at, format!("`cache`: {what}")))?;
                let mut names = args.iter().filter_map(|arg| named(&self.source[arg.clone()]));
                if let Some((name, _)) = names.find(|(name, _)| *name != STALE) {
                    let what = format!("`cache` has no option `{name}`; it has `{STALE}=seconds`");
                    return Err(Refusal::new(at, what));
                }
                self.push("cache", at, Some((number, args)));
            }
            "endcache" => self.end_cache(number, tag)?,
            "else" | "elif" => self.alternative(at, word)?,
            "break" | "continue" => self.jump(at, word)?,
            "extends" if self.inside() => {
                return Err(Refusal::new(
                    at,
                    "`extends` can't stand inside of `cache`: it is of the whole template",
                ));
            }
            "for" | "if" | "with" | "autoescape" | "filter" | "macro" | "call" => self.push(word, at, None),
            "block" => {
                if self.open.iter().any(|opened| opened.unnamed(self.source)) {
                    return Err(Refusal::new(
                        at,
                        "`block` inside of a `cache` without a key: templates that extend this one would get each other's \
                         text; put `cache` into the block, or give it a key that tells them apart",
                    ));
                }
                self.push(word, at, None);
            }
            "set" if !tag.tokens.iter().any(|(_, range)| &self.source[range.clone()] == "=") => {
                self.push(word, at, None);
            }
            _ => {
                if let Some(ended) = word.strip_prefix("end") {
                    self.end(at, ended)?;
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, name: &'s str, at: usize, block: Option<(usize, Vec<Range<usize>>)>) {
        self.open.push(Opened { name, at, over: false, block });
    }

    fn end_cache(&mut self, number: usize, tag: &Tag) -> Result<(), Refusal> {
        let at = tag.all.start;
        if tag.tokens.len() > 1 {
            return Err(Refusal::new(at, "`endcache` takes no arguments"));
        }
        match self.open.pop() {
            Some(Opened { block: Some((open, args)), .. }) => {
                self.blocks.push(Block { open, close: Some(number), args });
                Ok(())
            }
            Some(other) if self.inside() => Err(Refusal::new(
                at,
                format!("`endcache`, but `{}` of line {} is still open", other.name, self.line(other.at)),
            )),
            _ => Err(Refusal::new(at, "`endcache` without `cache`")),
        }
    }

    /// An `end…` of another tag. One that fits nothing is left to the engine, unless a cached block is in between.
    fn end(&mut self, at: usize, ended: &str) -> Result<(), Refusal> {
        match self.open.last() {
            Some(opened) if opened.block.is_some() => {
                let line = self.line(opened.at);
                Err(Refusal::new(at, format!("`end{ended}`, but `cache` of line {line} is still open")))
            }
            Some(opened) if opened.name == ended => {
                self.open.pop();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn alternative(&mut self, at: usize, word: &str) -> Result<(), Refusal> {
        match self.open.last_mut() {
            Some(opened) if opened.block.is_some() => Err(Refusal::new(
                at,
                format!(
                    "`{word}` inside of `cache`: what it belongs to was opened outside; close `cache` before it"
                ),
            )),
            Some(opened) => {
                opened.over = true;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn jump(&self, at: usize, word: &str) -> Result<(), Refusal> {
        for opened in self.open.iter().rev() {
            match opened.name {
                "cache" => {
                    return Err(Refusal::new(
                        at,
                        format!(
                            "`{word}` out of `cache` of line {}: a stored text can't leave the loop; put the loop, or the \
                             condition, to one side of the block",
                            self.line(opened.at),
                        ),
                    ));
                }
                "for" if !opened.over => return Ok(()),
                // The engine refuses these.
                "macro" | "call" | "block" => return Ok(()),
                _ => {}
            }
        }
        Ok(())
    }

    /// `self.title()` is a block by another name.
    fn expressions(&self, tag: &Tag) -> Result<(), Refusal> {
        if !self.open.iter().any(|opened| opened.unnamed(self.source)) {
            return Ok(());
        }
        let text = |at: usize| tag.tokens.get(at).map(|(_, range)| &self.source[range.clone()]);
        let named = |at: usize| {
            text(at) == Some("self") && text(at + 1) == Some(".") && (at == 0 || text(at - 1) != Some("."))
        };
        match (0..tag.tokens.len()).find(|at| named(*at)) {
            Some(_) => Err(Refusal::new(
                tag.all.start,
                "a block of `self` inside of a `cache` without a key: templates that extend this one would get each other's \
                 text; give `cache` a key that tells them apart",
            )),
            None => Ok(()),
        }
    }
}
