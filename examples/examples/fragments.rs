//! Pieces of a page that are stored: the `cache` tag of templates, in each of its forms.
//!
//! ```text
//! cargo run -p cachekit-examples --example fragments
//! ```

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use cachekit::template::{self, make_template_fragment_key};
use cachekit::{Cache, Config};
use cachekit_examples::rule;
use minijinja::{Environment, Value, context};

const BASE: &str = "\
<title>{% block title %}Shop{% endblock %}</title>
{% cache 60*5, 'menu', lang -%}
<nav>{{ query('menu ' ~ lang) }}</nav>
{%- endcache %}
{% block body %}{% endblock %}
";

const PAGE: &str = "\
{% extends 'base.html' %}
{% from 'macros.html' import person %}
{% block body %}
{%- cache 60*5 'members' group %}
{% for name in names %}{{ person(name) }}{% endfor %}
{%- endcache %}
{% cache %}<p>{{ query('news') }}</p>{% endcache %}
{% cache none, 'imprint' %}<small>{{ query('imprint') }}</small>{% endcache %}
{% endblock %}";

/// A fragment in a macro is one for each key, wherever the macro is imported.
const MACROS: &str = "\
{% macro person(name) -%}
{% cache 60, 'person', name %}<b>{{ query('picture of ' ~ name) }}</b>{% endcache %}
{%- endmacro %}";

const FORGET: &str = "{% cache 'del', 'imprint' %}<small>{{ query('imprint') }}</small>{% endcache %}";

fn main() -> Result<(), Box<dyn Error>> {
    let cache = Cache::open(Config::simple())?;
    let queries = Arc::new(AtomicU32::new(0));
    let mut env = Environment::new();
    template::install(&mut env, &cache);
    for (name, source) in
        [("base.html", BASE), ("page.html", PAGE), ("macros.html", MACROS), ("forget.html", FORGET)]
    {
        template::add_template(&mut env, name, source)?;
    }
    let counted = Arc::clone(&queries);
    env.add_function("query", move |what: String| {
        counted.fetch_add(1, Ordering::Relaxed);
        what
    });

    let show = |heading: &str, name: &str, context: Value| -> Result<(), minijinja::Error> {
        queries.store(0, Ordering::Relaxed);
        let page = env.get_template(name)?.render(context)?;
        rule(&format!("{heading}: {} queries", queries.load(Ordering::Relaxed)));
        println!("{}", page.trim());
        Ok(())
    };
    let cooks = || context! { lang => "en", group => "cooks", names => ["Ada", "Bo"] };
    show("the first time", "page.html", cooks())?;
    show("the second time", "page.html", cooks())?;
    show(
        "another group, with one member of the first",
        "page.html",
        context! { names => ["Bo", "Cy"], group => "waiters", ..cooks() },
    )?;

    cache.delete(&make_template_fragment_key("members", &["cooks"]))?;
    cache.delete(&make_template_fragment_key("person", &["Ada"]))?;
    show("Ada has a new picture", "page.html", cooks())?;
    show("deleted by a template", "forget.html", context!())?;
    show("and rendered again", "page.html", cooks())?;

    rule("what can't work is refused when it is loaded, at its line");
    for source in [
        "{% for x in xs %}\n{% cache 60, x %}{% endfor %}",
        "{% cache %}\n{% block a %}{% endblock %}{% endcache %}",
    ] {
        if let Err(error) = template::add_template(&mut env, "mistake.html", source) {
            println!("{error}");
        }
    }

    rule("what it saves");
    println!("{}", saved(&cache)?);
    Ok(())
}

/// A table of 200 rows, plain and as a stored fragment.
fn saved(cache: &Cache) -> Result<String, minijinja::Error> {
    const TABLE: &str = "<table>{% for row in rows %}<tr><td>{{ row.id }}</td><td>{{ row.name }}</td></tr>\n{% endfor %}</table>";
    let mut env = Environment::new();
    template::install(&mut env, cache);
    template::add_template(&mut env, "plain.html", TABLE)?;
    template::add_template(
        &mut env,
        "cached.html",
        format!("{{% cache 60, 'table' %}}{TABLE}{{% endcache %}}"),
    )?;
    let rows: Vec<_> = (0..200).map(|id| context! { id, name => format!("row {id}") }).collect();
    let context = context! { rows };
    let best = |name: &str| -> Result<f64, minijinja::Error> {
        let page = env.get_template(name)?;
        let mut best = f64::MAX;
        // The best of many short runs, so that what else the machine does counts little.
        for _ in 0..200 {
            let begin = Instant::now();
            for _ in 0..10 {
                std::hint::black_box(page.render(context.clone())?);
            }
            best = best.min(begin.elapsed().as_secs_f64() * 1e6 / 10.0);
        }
        Ok(best)
    };
    let (plain, cached) = (best("plain.html")?, best("cached.html")?);
    Ok(format!("200 rows: {plain:.1} µs rendered, {cached:.1} µs stored ({:.1} %)", cached / plain * 100.0))
}
