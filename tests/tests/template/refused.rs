//! Tags that can't work are refused when the template is loaded, at the line.

use cachekit::template::{add_template, rewrite};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind};

#[test]
fn what_cannot_work_is_refused_at_the_line() {
    for (line, what, source) in [
        (
            3,
            "`break` out of `cache` of line 2",
            "{% for x in xs %}\n{% cache 60, x %}\n{% break %}{% endcache %}{% endfor %}",
        ),
        (
            2,
            "`continue` out of",
            "{% for x in xs %}{% cache 60, x %}{% if x %}\n{%- continue %}{% endif %}{% endcache %}{% endfor %}",
        ),
        (
            1,
            "`break` out of",
            "{% for x in a %}{% cache 60, x %}{% for y in b %}{% else %}{% break %}{% endfor %}{% endcache %}{% endfor %}",
        ),
        (2, "`block` inside", "{% cache 60 %}\n{% block a %}{% endblock %}{% endcache %}"),
        (
            1,
            "`block` inside",
            "{% cache %}{% cache 60, 'k' %}{% block a %}{% endblock %}{% endcache %}{% endcache %}",
        ),
        (2, "`self`", "{% cache %}\n{{ self.a() }}{% endcache %}"),
        (1, "`extends`", "{% cache 60, 'k' %}{% extends 'base' %}{% endcache %}"),
        (2, "is not closed", "\n{% cache %}"),
        (2, "`endcache` without `cache`", "\n{% endcache %}"),
        (3, "`if` of line 2 is still open", "{% cache %}\n{% if x %}\n{% endcache %}{% endif %}"),
        (3, "`cache` of line 2 is still open", "{% if x %}\n{% cache %}\n{% endif %}{% endcache %}"),
        (2, "`else` inside of `cache`", "{% if x %}{% cache %}\n{% else %}{% endcache %}{% endif %}"),
        (1, "takes no arguments", "{% cache %}{% endcache 5 %}"),
        (1, "before `,`", "{% cache 60,, 'k' %}{% endcache %}"),
        (1, "bracket", "{% cache 60), ('k' %}{% endcache %}"),
    ] {
        let error = add_template(&mut Environment::new(), "page.html", source).expect_err(source);
        let at = (error.kind(), error.name(), error.line());
        assert_eq!(at, (ErrorKind::SyntaxError, Some("page.html"), Some(line)), "{source}: {error}");
        assert!(error.to_string().contains(what), "{source}: {error}");
    }
}

#[test]
fn what_is_like_it_but_works_is_not_refused() {
    for source in [
        "{% cache %}{% for x in xs %}{% break %}{% endfor %}{% endcache %}",
        "{% for x in xs %}{% cache 60, x %}{% for y in x %}{% if y %}{% continue %}{% endif %}{% endfor %}{% endcache %}{% break %}{% endfor %}",
        "{% cache 60, 'k', page %}{% block a %}{{ self.a() }}{% endblock %}{% endcache %}",
        "{% block a %}{% cache %}{{ x.self.y }}{% endcache %}{% endblock %}",
        "{% set x = 1 %}{% cache %}{% set x %}{% endset %}{% set y = x %}{% set z |upper %}{% endset %}{% endcache %}",
        "{% macro cache() %}{% endmacro %}{{ cache() }}",
        "{% raw %}{% cache %}{% endraw %}{# {% endcache %} #}{{ '{% cache %}' }}",
        "{% set cache = 5 %}{{ cache }}",
    ] {
        add_template(&mut Environment::new(), "page.html", source)
            .unwrap_or_else(|error| panic!("{source}: {error:#}"));
    }
}

/// The engine reports all other mistakes of a template, at their lines.
#[test]
fn the_engines_own_errors_keep_their_lines() {
    for (line, what, source) in [
        (3, "unexpected end of string", "{% cache\n60 %}\n{{ 'x }}{% endcache %}"),
        (2, "unexpected end of comment", "{% cache %}\n{# x"),
        (2, "unknown statement nonsense", "{% cache %}\n{% nonsense %}{% endcache %}"),
        (3, "unexpected", "\n{% cache 60,\n'k' * %}{% endcache %}"),
        (1, "no option `key`", "{% cache key='x' %}{% endcache %}"),
        (2, "no option `sale`", "\n{% cache 60, 'k', sale=60 %}{% endcache %}"),
        (2, "unexpected end of input", "{% cache %}{% endcache %}\n{% if x"),
    ] {
        let error = add_template(&mut Environment::new(), "page.html", source).expect_err(source);
        assert_eq!(error.line(), Some(line), "{source}: {error}");
        assert!(error.to_string().contains(what), "{source}: {error}");
    }
}

#[test]
fn a_tag_end_in_a_line_statement_is_refused() {
    let mut syntax = SyntaxConfig::builder();
    let syntax = syntax.line_statement_prefix("#").block_delimiters("<%", "%>").build().unwrap();
    for mistake in ["x = 5 %> 3", "x = 5 -%> 3", "x = 5 }", "x = 'y"] {
        let error =
            rewrite(&syntax, "page", &format!("# cache 60\n# set {mistake}\n# endcache")).unwrap_err();
        assert_eq!(error.line(), Some(2), "{mistake}: {error}");
    }
    rewrite(&syntax, "page", "# cache 60\n# set x = '%>'\n# set y = [5 %\n 3]\n# endcache").unwrap();
}

#[test]
fn a_template_without_the_tag_is_left_as_it_is() {
    for source in ["no tag", "{{ cache }} {% raw %}{% cache %}{% endraw %}"] {
        let rewritten = rewrite(&SyntaxConfig::default(), "page", source).unwrap();
        assert!(matches!(rewritten, std::borrow::Cow::Borrowed(same) if same == source));
    }
}
