//! The scanner against the engine's own tokenizer, on random input.

#[allow(dead_code, unreachable_pub)]
#[path = "../../../cachekit/src/template/scan/mod.rs"]
mod scan;

use minijinja::machinery::{Token as Theirs, tokenize};
use minijinja::syntax::SyntaxConfig;
use proptest::prelude::*;
use scan::{Kind, Scanned};

/// An item of a template, as both scanners report it: its printed texts and its tags, by their places.
#[derive(Debug, PartialEq)]
enum Item {
    Text(usize, usize),
    Tag(Vec<(usize, usize)>),
}

/// None if the engine refuses the source.
fn theirs(source: &str, syntax: &SyntaxConfig) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    let mut tag = None;
    for token in tokenize(source, false, syntax.clone()) {
        let (token, span) = token.ok()?;
        let range = (span.start_offset as usize, span.end_offset as usize);
        match token {
            Theirs::TemplateData(_) => items.push(Item::Text(range.0, range.1)),
            Theirs::VariableStart | Theirs::BlockStart => tag = Some(Vec::new()),
            Theirs::VariableEnd | Theirs::BlockEnd => items.push(Item::Tag(tag.take()?)),
            _ => tag.as_mut()?.push(range),
        }
    }
    // A tag that isn't closed ends the tokens without an error.
    tag.is_none().then_some(items)
}

fn ours(scanned: Scanned) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    let text = |items: &mut Vec<Item>, range: std::ops::Range<usize>| {
        if !range.is_empty() {
            items.push(Item::Text(range.start, range.end));
        }
    };
    for tag in scanned.tags {
        text(&mut items, tag.lead);
        match tag.kind {
            // The engine emits it even if it is empty.
            Kind::Raw => items.push(Item::Text(tag.inner.start, tag.inner.end)),
            Kind::Variable | Kind::Block | Kind::Line => {
                items.push(Item::Tag(
                    tag.tokens.into_iter().map(|(_, range)| (range.start, range.end)).collect(),
                ));
            }
            Kind::Comment | Kind::LineComment => {}
        }
    }
    text(&mut items, scanned.tail.ok()?);
    Some(items)
}

fn syntaxes() -> Vec<SyntaxConfig> {
    let mut all = Vec::new();
    for bits in 0..8 {
        for delimiters in 0..4 {
            let mut builder = SyntaxConfig::builder();
            builder
                .trim_blocks(bits & 1 != 0)
                .lstrip_blocks(bits & 2 != 0)
                .keep_trailing_newline(bits & 4 != 0);
            match delimiters {
                1 => builder.line_statement_prefix("#").line_comment_prefix("##"),
                2 => builder
                    .block_delimiters("<%", "%>")
                    .variable_delimiters("${", "}")
                    .comment_delimiters("<!--", "-->"),
                3 => builder
                    .block_delimiters("{", "}")
                    .variable_delimiters("{{", "}}")
                    .line_statement_prefix("%"),
                _ => &mut builder,
            };
            all.push(builder.build().unwrap());
        }
    }
    all
}

fn pieces() -> impl Strategy<Value = Vec<&'static str>> {
    let pieces = [
        "{%",
        "%}",
        "{%-",
        "-%}",
        "{%+",
        "+%}",
        "{{",
        "}}",
        "{{-",
        "-}}",
        "{#",
        "#}",
        "{#-",
        "-#}",
        "<%",
        "%>",
        "${",
        "}",
        "<!--",
        "-->",
        "#",
        "##",
        "%",
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        " raw ",
        " endraw ",
        "{% raw %}",
        "{% endraw %}",
        "{%- raw -%}",
        "{%- endraw -%}",
        " cache ",
        " endcache ",
        "{% cache %}",
        "{% endcache %}",
        "{{ x }}",
        "for x in y",
        "endfor",
        "\"",
        "'",
        "\"a\"",
        "'%}'",
        "\\",
        "(",
        ")",
        "[",
        "]",
        "{",
        "a",
        "b1",
        "_c",
        "1",
        "1.5",
        "1.a",
        "a.1.0",
        "1e5",
        "1.e+5",
        "0x1f",
        "1_000",
        "**",
        "//",
        "==",
        ">=",
        "-",
        "+",
        "~",
        "|",
        ".",
        ",",
        ":",
        "é",
        "text",
        "\u{a0}",
        "\n# for x in y\n",
        "\n  # endfor\n",
        "\n## note\n",
        "{{ '}}' }}",
        "{% set x = {'a': 1} %}",
        "{# {% cache %} #}",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_scanner_sees_what_the_engine_sees(pieces in pieces()) {
        let source = pieces.concat();
        for syntax in syntaxes() {
            if let Some(theirs) = theirs(&source, &syntax) {
                prop_assert_eq!(ours(scan::scan(&source, &syntax)), Some(theirs), "{:?} {:?}", source, syntax);
            }
        }
    }
}
