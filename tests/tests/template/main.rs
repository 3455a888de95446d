//! Cached fragments of templates: on each kind of cache the same text as without.

mod failing;
mod flight;
mod forms;
mod groups;
mod keys;
mod lines;
mod random;
mod refused;
mod reload;
mod scanner;
mod stale;

use std::sync::Arc;

use cachekit::{Cache, template};
use cachekit_tests::Calls;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Value};

/// An environment whose fragments are stored in a cache, and a function `tick` that counts how often it ran.
fn environment(
    cache: &Cache,
    templates: &[(&'static str, &'static str)],
) -> (Environment<'static>, Arc<Calls>) {
    with_syntax(cache, SyntaxConfig::default(), templates)
}

fn with_syntax(
    cache: &Cache,
    syntax: SyntaxConfig,
    templates: &[(&'static str, &'static str)],
) -> (Environment<'static>, Arc<Calls>) {
    let mut env = Environment::new();
    env.set_syntax(syntax);
    let ticks = ticking(&mut env);
    template::install(&mut env, cache);
    for (name, source) in templates {
        template::add_template(&mut env, *name, *source).unwrap();
    }
    (env, ticks)
}

/// Adds `tick()`, which prints nothing and counts.
fn ticking(env: &mut Environment<'_>) -> Arc<Calls> {
    let ticks = Arc::new(Calls::new());
    let counted = Arc::clone(&ticks);
    env.add_function("tick", move || {
        counted.hit();
        Value::from("")
    });
    ticks
}

fn render(env: &Environment<'_>, name: &str, context: Value) -> String {
    env.get_template(name).unwrap().render(context).unwrap_or_else(|error| panic!("{name}: {error:#}"))
}
