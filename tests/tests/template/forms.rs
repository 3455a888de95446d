//! Each form of the tag: the same text uncached, on the miss and on the hit, on each kind of cache.

use std::time::Duration;

use cachekit_tests::{World, each, each_keeping};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Value, context};

use super::{environment, render, ticking, with_syntax};

/// The template with `with` in the place of `cache`.
fn uncached(source: &str) -> String {
    let mut out = String::new();
    let mut rest = source;
    while let Some((before, after)) = rest.split_once(" cache") {
        let end = after.find(['-', '+', '%']).map_or(after.len(), |_| {
            let tag = after.find("%}").unwrap();
            if after[..tag].ends_with(['-', '+']) { tag - 1 } else { tag }
        });
        out = out + before + " with " + &"\n".repeat(after[..end].matches('\n').count());
        rest = &after[end..];
    }
    (out + rest).replace("endcache", "endwith")
}

const FORMS: [(&str, &str); 23] = [
    ("timeout and keys", "{% cache 60*5, \"key1\", n %}{{ a }}{% endcache %}"),
    ("no commas", "{% cache 60*5 \"key1\" n %}{{ a }}{% endcache %}"),
    ("timeout only", "{% cache 60 %}{{ a }}{% endcache %}"),
    ("nothing", "{% cache %}{{ a }}{% endcache %}"),
    ("no timeout", "{% cache none, 'k' %}{{ a }}{% endcache %}"),
    ("default timeout", "{% cache 'default', 'k' %}{{ a }}{% endcache %}"),
    ("part of a second", "{% cache 0.5, 'k' %}{{ a }}{% endcache %}"),
    ("an expression", "{% cache (60 if n > 1 else 5) * 2, 'k' ~ n, xs|join(',') %}{{ a }}{% endcache %}"),
    ("space", "<p>\n  {%- cache 60, 'k' -%}\n  x {{ a }}\n  {%- endcache -%}\n</p>"),
    ("kept space", "<p>\n  {%+ cache 60, 'k' +%}\n  x\n  {%+ endcache +%}\n</p>"),
    ("several lines", "{% cache\n  60,\n  'k',\n  n\n%}\n{{ a }}{% endcache\n%}"),
    ("two on a line", "{% cache %}1{{ a }}{% endcache %}{% cache %}2{{ a }}{% endcache %}"),
    ("the same twice", "{% cache %}{{ a }}{% endcache %}{% cache %}{{ a }}{% endcache %}"),
    ("nested", "{% cache 60, 'o' %}({% cache 60, 'i' %}{{ a }}{% endcache %}){% endcache %}"),
    ("loop", "{% for x in xs %}{% cache 60, 'x', x %}{{ loop.index }}{{ x }}{% endcache %}{% endfor %}"),
    (
        "loop inside",
        "{% cache 60, 'k' %}{% for x in xs %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}{% endcache %}",
    ),
    (
        "recursion",
        "{% for x in [[1], [2]] recursive %}{% cache 60, 'r', x %}<{{ loop(x) if x is iterable else x }}>{% endcache %}{% endfor %}",
    ),
    ("set", "{% set y = 1 %}{% cache 60, 'k' %}{% set y = 2 %}{{ y }}{% endcache %}{{ y }}"),
    ("set block", "{% set y %}{% cache 60, 'k' %}{{ a }}{% endcache %}{% endset %}{{ y }}"),
    (
        "macro",
        "{% macro m(x) %}{% cache 60, 'm', x %}{{ x }}{{ caller() if caller }}{% endcache %}{% endmacro %}{{ m('<') }}{% call m('>') %}&{% endcall %}",
    ),
    (
        "escaping",
        "{% cache 60, 'k1' %}{{ a }}{% autoescape false %}{{ a }}{% cache 60, 'k2' %}{{ a }}{% endcache %}{% endautoescape %}{% endcache %}",
    ),
    (
        "include and import",
        "{% cache 60, 'k' %}{% include 'part' %}{% import 'macros' as m %}{{ m.hi(a) }}{% endcache %}",
    ),
    ("filter", "{% filter upper %}{% cache 60, 'k' %}x{{ a }}{% endcache %}{% endfilter %}"),
];

const OTHERS: [(&str, &str); 2] = [
    ("part", "[{% cache %}{{ a }}{% endcache %}]"),
    ("macros", "{% macro hi(x) %}hi {% cache 60, 'hi', x %}{{ x }}{% endcache %}{% endmacro %}"),
];

fn values() -> Value {
    context! { a => "<b>", n => 2, xs => [1, 2, 3] }
}

#[test]
fn each_form_prints_the_same_uncached_missed_and_hit() {
    for syntax in 0..4 {
        let syntax = SyntaxConfig::builder()
            .trim_blocks(syntax & 1 != 0)
            .lstrip_blocks(syntax & 2 != 0)
            .build()
            .unwrap();
        each(|world| {
            for (what, form) in FORMS {
                let mut plain = Environment::new();
                plain.set_syntax(syntax.clone());
                for (name, source) in OTHERS.iter().chain(&[("page.html", form)]) {
                    plain.add_template_owned(*name, uncached(source)).unwrap();
                }
                let plain = render(&plain, "page.html", values());
                let cache = world.cache();
                cache.clear().unwrap();
                let (mut env, ticks) = with_syntax(cache, syntax.clone(), &OTHERS);
                let ticking = form.replacen("{% endcache", "{{ tick() }}{% endcache", 1);
                assert!(form == ticking || form.contains("{% endcache"), "{what}");
                cachekit::template::add_template(&mut env, "page.html", ticking).unwrap();
                assert_eq!(render(&env, "page.html", values()), plain, "{what}, missed");
                let rendered = ticks.take();
                assert_eq!(render(&env, "page.html", values()), plain, "{what}, hit");
                let mut again = ticks.take();
                if again == 1 && world.mem.is_some() {
                    // Without conditional writes of its own, a backend may refuse the store of a fragment whose inner one
                    // falls on its counter. The inner one is stored, so that the next store is not refused.
                    assert_eq!(render(&env, "page.html", values()), plain, "{what}, second hit");
                    again = ticks.take();
                }
                assert!(!world.keeps || again == 0, "{what} rendered again; first {rendered}");
            }
        });
    }
}

#[test]
fn the_forms_helper_takes_the_cache_out() {
    assert_eq!(uncached("a {%- cache\n60, 'x' -%} b {% endcache %}"), "a {%- with \n-%} b {% endwith %}");
    for (_, form) in FORMS {
        assert!(!uncached(form).contains("{% cache 6") && uncached(form).contains("with"), "{form}");
    }
}

#[test]
fn inheritance_stores_a_block_for_each_child() {
    each_keeping(|world| {
        let (env, ticks) = environment(
            world.cache(),
            &[
                ("base.html", "<{% block a %}{% cache %}base{{ tick() }}{% endcache %}{% endblock %}>"),
                (
                    "one.html",
                    "{% extends 'base.html' %}{% block a %}{% cache %}one {{ super() }}{% endcache %}{% endblock %}",
                ),
                (
                    "two.html",
                    "{% extends 'base.html' %}{% block a %}{% cache %}two {{ super() }}{% endcache %}{% endblock %}",
                ),
                ("same.html", "{% extends 'base.html' %}{% cache 60 %}not printed{{ tick() }}{% endcache %}"),
            ],
        );
        for _ in 0..2 {
            assert_eq!(render(&env, "base.html", context!()), "<base>");
            assert_eq!(render(&env, "one.html", context!()), "<one base>");
            assert_eq!(render(&env, "two.html", context!()), "<two base>");
            assert_eq!(render(&env, "same.html", context!()), "<base>");
        }
        assert_eq!(ticks.get(), 2, "base, and what is not printed");
    });
}

#[test]
fn times_are_kept() {
    each_keeping(|world| {
        let (env, ticks) = environment(
            world.cache(),
            &[(
                "page",
                "{% cache 0.5, 'a' %}{{ tick() }}{% endcache %}{% cache none, 'b' %}{{ tick() }}{% endcache %}\
                        {% cache 'default', 'c' %}{{ tick() }}{% endcache %}{% cache %}{{ tick() }}{% endcache %}\
                        {% cache 0, 'd' %}{{ tick() }}{% endcache %}",
            )],
        );
        let rendered = || {
            render(&env, "page", context!());
            ticks.take()
        };
        assert_eq!((rendered(), rendered()), (5, 0));
        world.advance(Duration::from_millis(499));
        assert_eq!(rendered(), 0);
        world.advance(Duration::from_millis(1));
        assert_eq!(rendered(), 1, "half a second is over");
        world.advance(Duration::from_secs(300));
        assert_eq!(rendered(), 3, "so is the default timeout, and half a second again");
    });
}

#[test]
fn what_is_escaped_is_not_served_where_nothing_is() {
    each_keeping(|world| {
        let mut env = Environment::new();
        let ticks = ticking(&mut env);
        cachekit::template::install(&mut env, world.cache());
        env.set_auto_escape_callback(|name| match name {
            "page.html" => AutoEscape::Html,
            "page.json" => AutoEscape::Json,
            "page.tex" => AutoEscape::Custom("tex".into()),
            _ => AutoEscape::None,
        });
        let escape = minijinja::escape_formatter;
        env.set_formatter(move |out, state, value| match state.auto_escape() {
            AutoEscape::Custom(_) if !value.is_safe() => Ok(write!(out, "\\{value}")?),
            AutoEscape::Custom(_) => Ok(out.write_str(value.as_str().unwrap())?),
            _ => escape(out, state, value),
        });
        let mut pages = vec![];
        for name in ["page.html", "page.txt", "page.json", "page.tex"] {
            let source = "{% cache 60, 'k' %}{{ a }}{{ tick() }}{% endcache %}";
            cachekit::template::add_template(&mut env, name, source).unwrap();
            pages.push((name, render(&env, name, values())));
        }
        for (name, page) in &pages {
            ticks.take();
            assert_eq!(&render(&env, name, values()), page, "{name}");
            assert_eq!(&render(&env, name, values()), page, "{name}");
            assert_eq!(ticks.take(), 1, "the mode before had another text under the key");
        }
        assert_eq!(pages[0].1, "&lt;b&gt;");
        assert_eq!(pages[1].1, "<b>");
        assert_eq!(pages[3].1, "\\<b>\\");
        // One deletion reaches the key, whatever the mode is.
        assert!(world.cache().delete(&cachekit::template::make_template_fragment_key("k", &[])).unwrap());
    });
}

#[test]
fn other_delimiters() {
    let world = World::simple();
    let syntax = SyntaxConfig::builder()
        .block_delimiters("<%", "%>")
        .variable_delimiters("${", "}")
        .comment_delimiters("<!--", "-->")
        .build()
        .unwrap();
    let source = "{% cache %}<!-- <% cache %> --><%- cache 60, {'k': 1} -%> ${ a } ${ tick() }<% endcache %>";
    let (env, ticks) = with_syntax(world.cache(), syntax, &[("page.html", source)]);
    for _ in 0..2 {
        assert_eq!(render(&env, "page.html", values()), "{% cache %}&lt;b&gt; ");
    }
    assert_eq!(ticks.get(), 1);
}

#[test]
fn tags_that_are_none() {
    let world = World::simple();
    let source = "{% raw %}{% cache %}{% endraw %}{# {% cache %} #}{% cache 60, '%}' %}{# {% endcache %} #}\
                  {{ '{% endcache %}' }}{{ tick() }}{%- raw -%} {% endcache %} {%- endraw -%} {% endcache %}";
    let (env, ticks) = environment(world.cache(), &[("page", source)]);
    for _ in 0..2 {
        assert_eq!(render(&env, "page", values()), "{% cache %}{% endcache %}{% endcache %}");
    }
    assert_eq!(ticks.get(), 1);
}

#[test]
fn line_statements() {
    let world = World::simple();
    let syntax =
        || SyntaxConfig::builder().line_statement_prefix("#").line_comment_prefix("##").build().unwrap();
    let source =
        "a\n  # cache 60, 'k'\n# for x in xs\n  ## note\n {{ x }}{{ tick() }}\n# endfor\n#endcache\nb\n";
    let mut plain = Environment::new();
    plain.set_syntax(syntax());
    ticking(&mut plain);
    plain
        .add_template_owned("page", source.replace("cache 60, 'k'", "with").replace("endcache", "endwith"))
        .unwrap();
    let (env, ticks) = with_syntax(world.cache(), syntax(), &[("page", source)]);
    for _ in 0..2 {
        assert_eq!(render(&env, "page", values()), render(&plain, "page", values()));
    }
    assert_eq!(ticks.get(), 3);
}
