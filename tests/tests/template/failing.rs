//! A backend that fails, and templates that fail.

use std::sync::Arc;

use cachekit::{Cache, ErrorKind, template};
use cachekit_tests::{Fault, Full, Mem, Op, Plain, World, each_keeping};
use minijinja::{Environment, Error, State, Value, context};

use super::{environment, render};

const PAGE: &str = "<{% cache 60, 'k' %}{{ tick() }}text{% endcache %}>";

#[test]
fn a_failing_backend_renders_the_page_exactly_once() {
    for (what, op) in [("all", None), ("writing", Some(Op::Set)), ("reading", Some(Op::Get))] {
        for world in
            [World::plain_over(&Mem::new(), |config| config), World::full_over(&Mem::new(), |config| config)]
        {
            for fault in [Fault::Fail(ErrorKind::Unavailable), Fault::Fail(ErrorKind::Timeout)] {
                let mem = world.mem.as_ref().unwrap();
                let (env, ticks) = environment(world.cache(), &[("page", PAGE)]);
                world.cache().clear().unwrap();
                let before = world.cache().stats();
                match op {
                    Some(op) => mem.break_op(op, fault),
                    None => mem.break_all(fault),
                }
                for _ in 0..2 {
                    assert_eq!(render(&env, "page", context!()), "<text>", "{what}");
                    assert_eq!(ticks.take(), 1, "{what} {}", world.name);
                }
                assert!(world.cache().stats().errors > before.errors, "{what}: it is counted");
                mem.heal();
            }
        }
    }
}

/// A text that was to be deleted and is served on is worse than a page with an error.
#[test]
fn a_deletion_that_fails_is_an_error() {
    let mem = Mem::new();
    let cache = Cache::with_backend(Full(Arc::clone(&mem)));
    let (env, ticks) = environment(&cache, &[("page", "\n{% cache 'del', 'k' %}{{ tick() }}{% endcache %}")]);
    mem.break_op(Op::Delete, Fault::Fail(ErrorKind::Unavailable));
    let error = env.get_template("page").unwrap().render(context!()).unwrap_err();
    assert!(error.line() == Some(2) && error.to_string().contains("could not delete"), "{error}");
    assert_eq!(ticks.get(), 0);
}

#[test]
fn damaged_bytes_are_a_miss() {
    let mem = Mem::new();
    let cache = Cache::with_backend(Plain(Arc::clone(&mem)));
    let (env, ticks) = environment(&cache, &[("page", PAGE)]);
    render(&env, "page", context!());
    mem.tamper(|_, bytes| bytes.truncate(bytes.len() - 1));
    for _ in 0..2 {
        assert_eq!(render(&env, "page", context!()), "<text>");
    }
    assert_eq!(ticks.get(), 2);
}

fn failing(cache: &Cache, source: &'static str) -> Environment<'static> {
    let (mut env, _) = environment(cache, &[("page", source)]);
    env.add_function("fail_if", |fail: bool| {
        if fail { Err(Error::new(minijinja::ErrorKind::InvalidOperation, "on purpose")) } else { Ok("") }
    });
    env.add_function("panic_if", |fail: bool| {
        assert!(!fail, "on purpose");
        ""
    });
    // Calls a macro and goes on if it fails.
    env.add_function("try", |state: &mut State<'_, '_>, called: Value| {
        called.call(state, &[]).unwrap_or_else(|_| Value::from("failed"))
    });
    env
}

#[test]
fn a_rendering_that_fails_stores_nothing_and_lets_go() {
    each_keeping(|world| {
        let source = "{% cache 60, 'outer' %}{% cache 60, 'inner' %}{{ fail_if(f) }}{{ panic_if(p) }}ok{% endcache %}{% endcache %}";
        let env = failing(world.cache(), source);
        let page = |f: bool, p: bool| env.get_template("page").unwrap().render(context! { f, p });
        for _ in 0..2 {
            page(true, false).unwrap_err();
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| page(false, true)));
            assert!(panicked.is_err());
            for key in ["outer", "inner"] {
                assert!(!world.cache().contains(&template::make_template_fragment_key(key, &[])).unwrap());
            }
        }
        // Another thread isn't kept waiting, and this one is in no computation any more.
        std::thread::scope(|threads| {
            threads.spawn(|| assert_eq!(page(false, false).unwrap(), "ok"));
        });
        assert_eq!(page(false, false).unwrap(), "ok");
    });
}

#[test]
fn a_failure_that_is_caught_inside_of_the_rendering_lets_go_at_once() {
    let world = World::simple();
    let source = "{% macro m() %}{% cache 60, 'm' %}{{ fail_if(f) }}x{% endcache %}{% endmacro %}\
                  {% cache 60, 'o', f %}{{ try(m) }} {% cache 60, 'm' %}again{% endcache %}{% endcache %}";
    let env = failing(world.cache(), source);
    assert_eq!(render(&env, "page", context! { f => true }), "failed again");
    assert_eq!(render(&env, "page", context! { f => false }), "again again");
}
