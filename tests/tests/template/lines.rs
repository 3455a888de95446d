//! Errors of rendering name the line that they are at, before, in and after a cached block.

use cachekit::{Cache, Config, template};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, context};

fn line_of(syntax: &SyntaxConfig, source: &str) -> Option<usize> {
    let cache = Cache::open(Config::simple()).unwrap();
    let mut env = Environment::new();
    env.set_syntax(syntax.clone());
    template::install(&mut env, &cache);
    template::add_template(&mut env, "page", source.to_owned()).unwrap();
    let error = env.get_template("page").unwrap().render(context! { xs => [1, 2] }).unwrap_err();
    assert!(error.to_string().contains("nothing"), "{error}");
    error.line()
}

#[test]
fn errors_of_rendering_keep_their_lines() {
    let syntax =
        SyntaxConfig::builder().line_statement_prefix("#").line_comment_prefix("##").build().unwrap();
    let sources = [
        "{{ nothing() }}\n{% cache %}\n{% endcache %}",
        "\n{% cache 60,\n nothing()\n%}{% endcache %}",
        "\n{% cache\n60\n%}\n{{ nothing() }}{% endcache %}",
        "{% cache %}\n{% cache 60,\n'k' %}\n\n{{ nothing() }}\n{% endcache %}{% endcache %}",
        "{% cache\n\n60,\n%}\nx{% endcache\n\n%}\n{{ nothing() }}",
        "\n# cache 60, ('k',\n 'l')\n## note\n# for x in xs\n{{ nothing() }}\n# endfor\n# endcache\n",
        "# cache 60\nx\n# endcache\n\n  # set x = nothing()\n",
        "{% for x in xs %}\r\n{%- cache 60, x -%}\r\n{{ nothing() }}{% endcache %}{% endfor %}",
    ];
    for source in sources {
        let line = source.split("nothing").next().unwrap().matches('\n').count() + 1;
        assert_eq!(line_of(&syntax, source), Some(line), "{source}");
    }
}
