//! A scanner for Rust source that knows just enough to find the block around a place: it skips comments and literals,
//! matches brackets, and classifies a block by the words before it.

/// The kind of the innermost block around a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Block {
    /// `impl Type`
    Impl,
    /// `impl Trait for Type`
    TraitImpl,
    /// `trait Name`
    Trait,
    /// A module, a function's body, or the file itself.
    Other,
}

/// The surroundings of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "the facts are independent of one another")]
pub(crate) struct Surroundings {
    pub(crate) block: Block,
    /// The block, or one around it, is the body of a function or the value of a constant.
    pub(crate) in_body: bool,
    /// A module of the function's name stands in the same block.
    pub(crate) same_named_module: bool,
    /// The function's module has its name, and re-exports it beside itself.
    pub(crate) reexported: bool,
    /// The header of the block has angle brackets, and so may have parameters.
    pub(crate) generic: bool,
}

/// An impl block of a trait.
pub(super) struct Implementation<'a> {
    /// From `impl` to the brace.
    pub(super) header: &'a str,
    /// The names of its associated types.
    pub(super) types: &'a [String],
    /// The headers of the other impl blocks in the file that have a function of the same name.
    pub(super) others: Vec<&'a str>,
}

/// The blocks of a source file. Read in one pass, and asked for each of its functions.
pub(super) struct Source {
    text: String,
    /// Where the lines begin.
    lines: Vec<usize>,
    /// Where the words begin, and the block that each is in.
    words: Vec<(usize, usize)>,
    blocks: Vec<Place>,
    /// The names of the structs, enums and unions, and whether each is an enum.
    types: Vec<(String, bool)>,
}

/// A block of a source file.
struct Place {
    kind: Block,
    parent: Option<usize>,
    /// Its name, if it is a module.
    module: Option<String>,
    /// The names of the modules that stand in it.
    modules: Vec<String>,
    /// It, or a block around it, is the body of a function or the value of a constant.
    in_body: bool,
    /// Its end was found, so that all of it is known.
    complete: bool,
    /// Its header has angle brackets.
    generic: bool,
    /// From its `impl` to its brace.
    header: std::ops::Range<usize>,
    /// The names of the functions and of the types that stand in it.
    functions: Vec<String>,
    aliases: Vec<String>,
}

impl Source {
    pub(super) fn new(text: String) -> Self {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let mut source = Self {
            text,
            lines,
            words: Vec::new(),
            blocks: vec![Place::new(Block::Other, None, None)],
            types: Vec::new(),
        };
        source.read();
        source
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The byte offset of a line and column, both from 1, the column in characters.
    pub(super) fn offset(&self, line: usize, column: usize) -> Option<usize> {
        let start = *self.lines.get(line.checked_sub(1)?)?;
        let (within, _) = self.text.get(start..)?.char_indices().nth(column.checked_sub(1)?)?;
        Some(start + within)
    }

    /// Returns the surroundings of the word at a place; `None` if there is none, or the brackets of its block don't match.
    pub(super) fn around(&self, at: usize, name: &str) -> Option<Surroundings> {
        let word = self.words.binary_search_by_key(&at, |&(start, _)| start).ok()?;
        let block = self.blocks.get(self.words.get(word)?.1)?;
        if !block.complete {
            return None;
        }
        let mut outwards = std::iter::successors(Some(block), |block| {
            block.parent.and_then(|parent| self.blocks.get(parent))
        });
        let module = outwards.find_map(|block| block.module.as_deref());
        Some(Surroundings {
            block: block.kind,
            in_body: block.in_body,
            generic: block.generic,
            same_named_module: block.modules.iter().any(|module| module == name),
            reexported: module == Some(name) && self.reexports(name),
        })
    }

    /// Returns the impl block of a trait around the word at a place.
    pub(super) fn implementation(&self, at: usize, method: &str) -> Option<Implementation<'_>> {
        let word = self.words.binary_search_by_key(&at, |&(start, _)| start).ok()?;
        let block = self.blocks.get(self.words.get(word)?.1)?;
        if block.kind != Block::TraitImpl || !block.complete {
            return None;
        }
        let others = self.blocks.iter().filter(|other| {
            matches!(other.kind, Block::Impl | Block::TraitImpl)
                && other.header != block.header
                && other.functions.iter().any(|function| function == method)
        });
        Some(Implementation {
            header: self.text.get(block.header.clone())?,
            types: &block.aliases,
            others: others.filter_map(|other| self.text.get(other.header.clone())).collect(),
        })
    }

    /// Whether a type of this name is declared here, and then whether it is an enum.
    pub(super) fn declares(&self, name: &str) -> Option<bool> {
        self.types.iter().find(|(declared, _)| declared == name).map(|&(_, is_enum)| is_enum)
    }

    /// Whether a `use` in this text takes a name from this crate.
    pub(super) fn uses_own(&self, name: &str) -> bool {
        let mut lexer = Lexer { text: &self.text, position: 0 };
        while let Some((_, token)) = lexer.next_token() {
            let Token::Word("use") = token else { continue };
            let mut own = None;
            while let Some((_, token)) = lexer.next_token() {
                match token {
                    Token::Punct(';') => break,
                    Token::Punct(_) => {}
                    Token::Word(word) => {
                        let own = *own.get_or_insert(matches!(word, "crate" | "self" | "super"));
                        if own && word == name {
                            return true;
                        }
                    }
                }
            }
        }
        false
    }

    /// Notes the words and blocks, up to the end or a bracket that doesn't match.
    fn read(&mut self) {
        let mut lexer = Lexer { text: &self.text, position: 0 };
        let mut levels = vec![Level::default()];
        while let Some((start, token)) = lexer.next_token() {
            let Some(level) = levels.last_mut() else { return };
            match token {
                Token::Word(word) => {
                    self.words.push((start, level.place));
                    let declares = level.header.item;
                    let place = &mut self.blocks[level.place];
                    if let Some(module) = level.word(start, word) {
                        place.modules.push(module);
                    } else if level.header.item == Item::Named {
                        match declares {
                            Item::Alias => place.aliases.push(word.to_owned()),
                            Item::Struct => self.types.push((word.to_owned(), false)),
                            Item::Enum => self.types.push((word.to_owned(), true)),
                            _ => {}
                        }
                    } else if declares == Item::Fn && !std::mem::replace(&mut level.header.named, true) {
                        place.functions.push(word.to_owned());
                    }
                }
                Token::Punct(open @ ('{' | '(' | '[')) => {
                    let kind = if open == '{' { level.header.block() } else { Block::Other };
                    let module = level.header.module.take().filter(|_| open == '{');
                    let parent = level.place;
                    let generic = level.header.generic;
                    let in_body = self.blocks[parent].in_body || open == '{' && level.header.opens_body();
                    let header = level.header.start..start;
                    levels.push(Level { open, place: self.blocks.len(), ..Level::default() });
                    self.blocks.push(Place {
                        in_body,
                        generic,
                        header,
                        ..Place::new(kind, Some(parent), module)
                    });
                }
                Token::Punct(close @ ('}' | ')' | ']')) => {
                    if !matches!((level.open, close), ('{', '}') | ('(', ')') | ('[', ']')) {
                        return;
                    }
                    self.blocks[level.place].complete = true;
                    levels.pop();
                    if let (Some(outer), '}') = (levels.last_mut(), close) {
                        outer.block_ended();
                    }
                }
                Token::Punct(punct) => level.punct(punct),
            }
        }
        self.blocks[0].complete = levels.len() == 1;
    }

    /// Whether a `use` in this text takes the function `name` out of the module `name`, under that name.
    pub(super) fn reexports(&self, name: &str) -> bool {
        let mut lexer = Lexer { text: &self.text, position: 0 };
        while let Some((_, token)) = lexer.next_token() {
            let Token::Word("use") = token else { continue };
            // The words of one declaration; `as x` is put in the place of the word that it renames.
            let mut words: Vec<&str> = Vec::new();
            let mut renamed = false;
            while let Some((_, token)) = lexer.next_token() {
                match token {
                    Token::Punct(';') => break,
                    Token::Word("as") => renamed = words.pop().is_some(),
                    Token::Word(word) if std::mem::take(&mut renamed) => {
                        words.push(if word == name { word } else { "_" });
                    }
                    Token::Word(word) => words.push(word),
                    Token::Punct(_) => {}
                }
            }
            let mut words = words.iter().skip_while(|word| matches!(**word, "self" | "crate" | "super"));
            if words.any(|word| *word == name) && words.any(|word| *word == name) {
                return true;
            }
        }
        false
    }
}

impl Place {
    fn new(kind: Block, parent: Option<usize>, module: Option<String>) -> Self {
        Self {
            kind,
            parent,
            module,
            modules: Vec::new(),
            in_body: false,
            complete: false,
            generic: false,
            header: 0..0,
            functions: Vec::new(),
            aliases: Vec::new(),
        }
    }
}

/// One open bracket, and the beginning of the item that is being read in it.
struct Level {
    open: char,
    header: Header,
    /// The index of its block.
    place: usize,
}

impl Default for Level {
    fn default() -> Self {
        Self { open: ' ', header: Header::default(), place: 0 }
    }
}

/// The words of an item before its braces.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "the facts are independent of one another")]
struct Header {
    item: Item,
    /// Open angle brackets.
    angles: usize,
    /// There were angle brackets.
    generic: bool,
    /// The last punctuation, to tell `->` from a closing bracket.
    last: char,
    /// `impl … for`
    for_type: bool,
    in_where: bool,
    /// Where its `impl` stands.
    start: usize,
    /// The name of the function was read.
    named: bool,
    /// `mod name`
    module: Option<String>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Item {
    #[default]
    Unknown,
    Impl,
    Trait,
    Mod,
    Fn,
    Struct,
    Enum,
    Alias,
    /// One of the last three, after its name.
    Named,
    Other,
}

impl Header {
    /// Whether a brace that follows opens the body of a function or the value of a constant.
    fn opens_body(&self) -> bool {
        self.angles == 0 && (self.item == Item::Fn || self.last == '=')
    }

    fn block(&self) -> Block {
        match self.item {
            // Braces between angle brackets are a constant's.
            _ if self.angles > 0 => Block::Other,
            Item::Impl if self.for_type => Block::TraitImpl,
            Item::Impl => Block::Impl,
            Item::Trait => Block::Trait,
            _ => Block::Other,
        }
    }
}

impl Level {
    /// Takes a word; gives it back if it is the name of a module.
    fn word(&mut self, start: usize, word: &str) -> Option<String> {
        let mut module = None;
        let header = &mut self.header;
        match (header.item, word) {
            (
                Item::Unknown,
                "pub" | "unsafe" | "default" | "async" | "const" | "auto" | "extern" | "safe",
            ) => {}
            (Item::Unknown, "impl") => {
                header.item = Item::Impl;
                header.start = start;
            }
            (Item::Unknown, "trait") => header.item = Item::Trait,
            (Item::Unknown, "mod") => header.item = Item::Mod,
            (Item::Unknown, "fn") => header.item = Item::Fn,
            (Item::Unknown, "struct" | "union") => header.item = Item::Struct,
            (Item::Unknown, "enum") => header.item = Item::Enum,
            (Item::Unknown, "type") => header.item = Item::Alias,
            (Item::Unknown, _) => header.item = Item::Other,
            (Item::Struct | Item::Enum | Item::Alias, _) => header.item = Item::Named,
            (Item::Impl, "where") => header.in_where = true,
            (Item::Impl, "for") if header.angles == 0 && !header.in_where => header.for_type = true,
            (Item::Mod, name) => {
                module = Some(name.to_owned());
                header.module.clone_from(&module);
                header.item = Item::Other;
            }
            _ => {}
        }
        header.last = ' ';
        module
    }

    fn punct(&mut self, punct: char) {
        let header = &mut self.header;
        let typed = matches!(header.item, Item::Impl | Item::Trait | Item::Fn);
        match punct {
            ';' | ',' if !typed || header.angles == 0 && punct == ';' => self.header = Header::default(),
            '<' if typed => {
                header.angles += 1;
                header.generic = true;
            }
            '>' if typed && !matches!(header.last, '-' | '=') => {
                header.angles = header.angles.saturating_sub(1);
            }
            _ => {}
        }
        self.header.last = punct;
    }

    fn block_ended(&mut self) {
        let header = &self.header;
        if header.angles == 0 || !matches!(header.item, Item::Impl | Item::Trait | Item::Fn) {
            self.header = Header::default();
        }
    }
}

/// A token that matters: words (raw ones without `r#`) and punctuation. Literals and comments are skipped.
enum Token<'a> {
    Word(&'a str),
    Punct(char),
}

struct Lexer<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn next_token(&mut self) -> Option<(usize, Token<'a>)> {
        loop {
            let rest = self.rest();
            let start = self.position;
            let first = rest.chars().next()?;
            if rest.starts_with("//") {
                self.position += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                self.block_comment();
            } else if first.is_whitespace() {
                self.position += first.len_utf8();
            } else if let Some(length) = raw_string(rest) {
                self.position += length;
            } else if first == '"' || ["b\"", "c\""].iter().any(|prefix| rest.starts_with(prefix)) {
                self.position += quoted(rest, '"');
            } else if rest.starts_with("b'") {
                self.position += quoted(rest, '\'');
            } else if first == '\'' {
                self.position += char_or_lifetime(rest);
            } else if first == '_' || first.is_alphanumeric() {
                let raw = if rest.starts_with("r#") { 2 } else { 0 };
                let word = &rest[raw..];
                let length = word.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(word.len());
                self.position += raw + length;
                if !first.is_ascii_digit() {
                    return Some((start, Token::Word(&word[..length])));
                }
            } else {
                self.position += first.len_utf8();
                return Some((start, Token::Punct(first)));
            }
        }
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") {
                depth += 1;
                self.position += 2;
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.position += 2;
                if depth == 0 {
                    return;
                }
            } else if let Some(skipped) = rest.chars().next() {
                self.position += skipped.len_utf8();
            } else {
                return;
            }
        }
    }
}

/// The length of a raw string at the beginning of `rest`.
fn raw_string(rest: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"]
        .iter()
        .find(|prefix| rest.strip_prefix(**prefix).is_some_and(|after| after.starts_with(['"', '#'])))?;
    let after = &rest[prefix.len()..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |found| found + end.len());
    Some(prefix.len() + hashes + 1 + length)
}

/// The length of a quoted literal at the beginning of `rest`, prefix included.
fn quoted(rest: &str, quote: char) -> usize {
    let mut opened = false;
    let mut escaped = false;
    for (index, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote && opened => return index + c.len_utf8(),
            _ if c == quote => opened = true,
            _ => {}
        }
    }
    rest.len()
}

/// `'a'` is a character, `'a` is a lifetime: the length of either.
fn char_or_lifetime(rest: &str) -> usize {
    let mut chars = rest.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted(rest, '\''),
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
