//! A cached fragment of a template: a table of 200 rows, found instead of rendered.

use cachekit::{Cache, Config, template};
use minijinja::{Environment, Value, context};

use crate::measure::Contest;
use crate::report::{Check, Row};

const ROWS: u32 = 200;
const UNCACHED: &str = "rendered each time";
const TABLE: &str = "<table>{% for row in rows %}<tr><td>{{ row.id }}</td><td>{{ row.name }}</td>\
    <td>{{ row.email }}</td></tr>{% endfor %}</table>";

pub fn rows() -> Vec<Row> {
    let cache = Cache::open(Config::simple()).expect("a cache");
    let mut env = Environment::new();
    template::install(&mut env, &cache);
    let cached = format!("{{% cache 3600, 'table', group %}}{TABLE}{{% endcache %}}");
    template::add_template(&mut env, "plain.html", TABLE).expect("a template");
    template::add_template(&mut env, "cached.html", cached).expect("a template");
    // Made once: what a program pays to bring its rows into the engine is not the rendering's.
    let row = |id| {
        context! { id, name => format!("Name & Son {id}"), email => format!("user-{id}@example.org") }
    };
    let rows = Value::from((0..ROWS).map(row).collect::<Vec<_>>());
    let context = context! { group => "cooks", rows };
    let render = |name: &str| env.get_template(name).and_then(|page| page.render(&context)).expect("a page");
    assert_eq!(render("cached.html"), render("plain.html"));
    let rounds = Contest::new()
        .enter("ours", |_| render("cached.html"))
        .enter(UNCACHED, |_| render("plain.html"))
        .run();
    let share = rounds.ratio("ours", UNCACHED);
    vec![Row::micros("template fragment hit, a table of 200 rows", &rounds, &[UNCACHED]).check(Check {
        goal: "≤ 5 % of rendering it".into(),
        measured: format!("{:.1} %", share * 100.0),
        ok: share <= 0.05,
    })]
}
