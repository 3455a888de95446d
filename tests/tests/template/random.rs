//! Random templates: the text is the same uncached, on the miss and on the hit.

use std::fmt::Write;

use cachekit::{Cache, Config, template};
use cachekit_tests::{Full, Mem};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value, context};

/// A generator of numbers (xorshift64*): a seed names a template.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let at = usize::try_from(self.roll(from.len() as u64)).unwrap();
        from[at]
    }
}

/// Writes one template twice: as it is, and with `with` for `cache`.
struct Writer {
    dice: Dice,
    /// Of names, so that no two templates have a key in common.
    prefix: &'static str,
    lines: bool,
    cached: String,
    plain: String,
    /// Variables whose value depends on where the rendering is; a fragment's key names them all.
    scope: Vec<String>,
    names: usize,
    /// Where blocks may stand.
    blocks: bool,
    calls: bool,
}

impl Writer {
    fn new(seed: u64, lines: bool, prefix: &'static str) -> Self {
        Self {
            dice: Dice::new(seed),
            prefix,
            lines,
            cached: String::new(),
            plain: String::new(),
            scope: Vec::new(),
            names: 0,
            blocks: false,
            calls: true,
        }
    }

    fn put(&mut self, text: &str) {
        self.cached.push_str(text);
        self.plain.push_str(text);
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("{}{}", self.prefix, self.names)
    }

    /// A tag with random signs, or a line statement.
    fn tag(&mut self, cached: &str, plain: &str) {
        if self.lines && self.dice.roll(3) == 0 {
            let indent = self.dice.pick(&["", "  "]);
            // A line of its own, so that the next line statement finds the beginning of a line.
            let _ = write!(self.cached, "\n{indent}# {cached}\n");
            let _ = write!(self.plain, "\n{indent}# {plain}\n");
            return;
        }
        let (open, close) = (self.dice.pick(&["", "", "-", "+"]), self.dice.pick(&["", "", "-", "+"]));
        let _ = write!(self.cached, "{{%{open} {cached} {close}%}}");
        let _ = write!(self.plain, "{{%{open} {plain} {close}%}}");
    }

    fn same(&mut self, tag: &str) {
        self.tag(tag, tag);
    }

    fn body(&mut self, depth: u64) {
        let kept = self.scope.len();
        for _ in 0..=self.dice.roll(3) {
            self.node(depth);
        }
        self.scope.truncate(kept);
    }

    fn value(&mut self) -> String {
        let mut all: Vec<String> = ["a", "n", "xs[1]", "a|safe", "m.k"].map(String::from).to_vec();
        all.extend(self.scope.iter().filter(|name| *name != "loop.index").cloned());
        let at = usize::try_from(self.dice.roll(all.len() as u64)).unwrap();
        all.swap_remove(at)
    }

    fn node(&mut self, depth: u64) {
        if depth == 0 {
            let text = self.dice.pick(&[
                "x",
                " ",
                "\n",
                "  \n  ",
                "<i>",
                "\r\n",
                "{# {% cache %} #}",
                "{% raw %}{% cache %}{% endraw %}",
            ]);
            self.put(text);
            return;
        }
        match self.dice.roll(14) {
            0..=3 => self.cache(depth),
            4 => {
                let value = self.value();
                self.put(&format!("{{{{ {value} }}}}"));
            }
            5 => {
                let value = self.value();
                self.same(&format!("if {value} == 2 or t"));
                self.body(depth - 1);
                self.same("else");
                self.body(depth - 1);
                self.same("endif");
            }
            6 => {
                let name = self.name();
                self.same(&format!("for {name} in xs"));
                self.scope.extend([name, "loop.index".into()]);
                self.body(depth - 1);
                if self.dice.roll(3) == 0 {
                    self.same("if loop.index == 2");
                    self.same(if self.calls { "break" } else { "continue" });
                    self.same("endif");
                }
                self.scope.truncate(self.scope.len() - 2);
                self.same("endfor");
            }
            7 => {
                let (name, value) = (self.name(), self.value());
                self.same(&format!("set {name} = {value}"));
                self.scope.push(name);
            }
            8 => {
                let name = self.name();
                self.same(&format!("set {name}"));
                self.body(depth - 1);
                self.same("endset");
                self.scope.push(name);
            }
            9 => {
                self.same("filter upper");
                self.body(depth - 1);
                self.same("endfilter");
            }
            10 => {
                let how = self.dice.pick(&["true", "false"]);
                self.same(&format!("autoescape {how}"));
                self.body(depth - 1);
                self.same("endautoescape");
            }
            11 if self.calls => {
                let call = self.dice.pick(&[
                    "{% include 'part.html' %}",
                    "{{ mac('<y>') }}",
                    "{% call wrap() %}in{% endcall %}",
                ]);
                self.put(call);
            }
            12 if self.blocks => {
                let name = self.name();
                self.same(&format!("block b{name}"));
                // A block sees the variables around it only sometimes.
                let scope = std::mem::take(&mut self.scope);
                self.body(depth - 1);
                self.scope = scope;
                self.same("endblock");
            }
            _ => self.node(0),
        }
    }

    fn cache(&mut self, depth: u64) {
        let name = self.name();
        let comma = self.dice.pick(&[", ", " "]);
        let mut args = format!("cache 60{comma}\"{name}\"");
        for part in &self.scope {
            // In brackets, since a literal and a bracket would else be a call.
            let _ = write!(args, "{comma}{part}");
        }
        if self.scope.is_empty() && self.dice.roll(2) == 0 {
            args = self.dice.pick(&["cache", "cache 60", "cache none", "cache 'default'"]).into();
        }
        self.tag(&args, "with");
        let (blocks, kept) = (std::mem::replace(&mut self.blocks, false), self.scope.len());
        // The loop around is not one that may be left from here.
        self.body(depth - 1);
        self.scope.truncate(kept);
        self.blocks = blocks;
        self.tag("endcache", "endwith");
    }
}

const MACROS: &str = "{% macro mac(x) %}[{% cache 60, 'mac', x %}{{ x }}{% endcache %}]{% endmacro %}\
                      {% macro wrap() %}({% cache %}w{% endcache %}{{ caller() }}){% endmacro %}";

/// The templates of a seed, cached and plain, and the one that is rendered.
fn templates(seed: u64, lines: bool) -> (Vec<[String; 3]>, &'static str) {
    let mut all = vec![];
    let mut part = Writer::new(seed ^ 0xabcd, lines, "part");
    part.calls = false;
    part.body(2);
    all.push(["part.html".to_owned(), part.cached, part.plain]);

    let mut page = Writer::new(seed, lines, "page");
    page.blocks = true;
    page.cached.push_str(MACROS);
    page.plain.push_str(&MACROS.replace("cache 60, 'mac', x", "with").replace("cache", "with"));
    page.put("{% block head %}h{% endblock %}");
    page.body(4);
    all.push(["page.html".to_owned(), page.cached, page.plain]);
    if !seed.is_multiple_of(3) {
        return (all, "page.html");
    }
    let mut child = Writer::new(seed ^ 0x1234, lines, "child");
    child.calls = false;
    child.put("{% extends 'page.html' %}{% block head %}");
    child.body(3);
    child.cached.push_str("{% cache %}{{ super() }}{% endcache %}");
    child.plain.push_str("{% with %}{{ super() }}{% endwith %}");
    child.body(2);
    child.put("{% endblock %}");
    all.push(["child.html".to_owned(), child.cached, child.plain]);
    (all, "child.html")
}

fn environment(syntax: &SyntaxConfig) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_syntax(syntax.clone());
    env
}

fn context() -> Value {
    context! { a => "<b>", n => 2, t => false, xs => [1, 2, 3], m => context! { k => "'" } }
}

#[test]
fn random_templates_print_the_same_uncached_missed_and_hit() {
    let (mut hits, mut stores, mut printed) = (0, 0, 0);
    for seed in 0..2500u64 {
        let lines = seed % 4 == 1;
        let mut builder = SyntaxConfig::builder();
        builder
            .trim_blocks(seed & 8 != 0)
            .lstrip_blocks(seed & 16 != 0)
            .keep_trailing_newline(seed & 32 != 0);
        if lines {
            builder.line_statement_prefix("#").line_comment_prefix("##");
        }
        let syntax = builder.build().unwrap();
        let cache = if seed % 5 == 0 {
            Cache::with_backend(Full(Mem::new()))
        } else {
            Cache::open(Config::simple()).unwrap()
        };
        let (templates, main) = templates(seed, lines);
        let (mut plain, mut cached) = (environment(&syntax), environment(&syntax));
        template::install(&mut cached, &cache);
        for [name, source, without] in &templates {
            plain
                .add_template_owned(name.clone(), without.clone())
                .unwrap_or_else(|e| panic!("{seed}: {e:#}"));
            template::add_template(&mut cached, name.clone(), source.clone())
                .unwrap_or_else(|error| panic!("{seed}: {error:#}\n{source}"));
        }
        let expected = plain.get_template(main).unwrap().render(context());
        for round in ["miss", "hit"] {
            let found = cached.get_template(main).unwrap().render(context());
            match (&found, &expected) {
                (Ok(found), Ok(expected)) => {
                    assert_eq!(found, expected, "{seed}, {round}: {templates:#?}");
                    printed += 1;
                }
                (Err(_), Err(_)) => {}
                (found, expected) => panic!("{seed}, {round}: {found:?} {expected:?} {templates:#?}"),
            }
        }
        hits += cache.stats().hits;
        stores += cache.stats().stores;
    }
    // Of the rest, the engine refuses what it is given without a cache, too.
    assert!(printed > 4500, "{printed} of 5000 renderings had a text to compare");
    assert!(hits > 5000 && stores > 5000, "too little was cached: {hits} hits, {stores} stores");
}
