//! Which renderings share a text, and what makes them render again.

use cachekit::template::{add_template, make_template_fragment_key, rewrite};
use cachekit_tests::{World, each_keeping};
use minijinja::{ErrorKind, Value, context};

use super::{environment, render};

const PAGE: &str = "{% cache 60, 'key1', x, y %}{{ tick() }}{{ x }}{{ y }}{% endcache %}";

#[test]
fn a_key_is_deleted_by_the_text_of_its_parts() {
    each_keeping(|world| {
        let cache = world.cache();
        let (env, ticks) = environment(cache, &[("page", PAGE)]);
        let page = |x: Value, y: Value| render(&env, "page", context! { x, y });
        page("key2".into(), "key3".into());
        page("key2".into(), "other".into());
        assert_eq!(ticks.take(), 2);
        let key = make_template_fragment_key("key1", &["key2", "key3"]);
        assert!(cache.contains(&key).unwrap());
        assert!(cache.delete(&key).unwrap() && !cache.delete(&key).unwrap());
        page("key2".into(), "other".into());
        assert_eq!(ticks.take(), 0, "another key");
        page("key2".into(), "key3".into());
        assert_eq!(ticks.take(), 1);

        // Printable values of every type, by their printed text.
        for (value, text) in [
            (Value::from(7), "7"),
            (Value::from(-1.5), "-1.5"),
            (Value::from(true), "True"),
            (Value::from(()), "None"),
            (Value::from(vec![1, 2]), "[1, 2]"),
            (Value::from_safe_string("<é>".into()), "<é>"),
            (Value::from_bytes(b"bytes".to_vec()), "bytes"),
            (Value::from_pairs([("k", 1)]), "{'k': 1}"),
            (Value::from(""), ""),
        ] {
            page("k".into(), value.clone());
            page("k".into(), value);
            assert_eq!(ticks.take(), 1, "{text}");
            assert!(cache.delete(&make_template_fragment_key("key1", &["k", text])).unwrap(), "{text}");
        }
    });
}

#[test]
fn parts_are_not_glued() {
    let world = World::simple();
    let (env, ticks) =
        environment(world.cache(), &[("page", "{% cache 60, x, y, z %}{{ tick() }}{% endcache %}")]);
    for (x, y, z) in [("a", "b", "c"), ("a_b", "c", ""), ("a", "b_c", ""), ("ab", "", "c"), ("", "ab", "c")] {
        render(&env, "page", context! { x, y, z });
    }
    assert_eq!(ticks.get(), 5);
}

#[test]
fn del_deletes_and_renders_and_stores_nothing() {
    each_keeping(|world| {
        let source = "{% cache how, 'k', x %}{{ tick() }}{{ text }}{% endcache %}";
        let (env, ticks) = environment(world.cache(), &[("page", source)]);
        let page = |how: Value, text| render(&env, "page", context! { how, text, x => 1 });
        assert_eq!(page(60.into(), "one"), "one");
        assert_eq!(page(60.into(), "two"), "one");
        assert_eq!(page("del".into(), "three"), "three");
        assert!(!world.cache().contains(&make_template_fragment_key("k", &["1"])).unwrap());
        assert_eq!(page("del".into(), "four"), "four");
        assert_eq!(page(60.into(), "five"), "five");
        assert_eq!(ticks.get(), 4);
    });
}

#[test]
fn without_a_key_the_place_and_the_source_are_one() {
    let world = World::simple();
    let cache = world.cache();
    let one = "{% cache %}{{ tick() }}1{% endcache %}";
    let (env, ticks) = environment(
        cache,
        &[
            ("a", one),
            ("b", one),
            ("line", "\n{% cache %}{{ tick() }}1{% endcache %}"),
            ("two", "{% cache %}{{ tick() }}1{% endcache %}{% cache %}{{ tick() }}1{% endcache %}"),
        ],
    );
    for _ in 0..2 {
        for name in ["a", "b", "line", "two"] {
            render(&env, name, context!());
        }
    }
    assert_eq!(ticks.take(), 5, "each place has its own");
    // The same template in another process, of a persistent cache.
    let (env, ticks) = environment(cache, &[("a", one)]);
    assert_eq!(render(&env, "a", context!()), "1");
    assert_eq!(ticks.take(), 0);
    // Edited, it is another one.
    let (env, ticks) = environment(cache, &[("a", "{% cache %}{{ tick() }}2{% endcache %}")]);
    assert_eq!(render(&env, "a", context!()), "2");
    assert_eq!(ticks.take(), 1);
}

#[test]
fn a_template_without_a_name_must_give_a_key() {
    let world = World::simple();
    let (env, ticks) = environment(world.cache(), &[]);
    let unnamed = |source: &str| {
        let source = rewrite(env.syntax(), "<string>", source).unwrap().into_owned();
        env.render_str(&source, context!())
    };
    let error = unnamed("\n\n{% cache 60 %}x{% endcache %}").unwrap_err();
    assert!(error.to_string().contains("without a key") && error.line() == Some(3), "{error}");
    for _ in 0..2 {
        assert_eq!(unnamed("{% cache 60, 'k' %}x{{ tick() }}{% endcache %}").unwrap(), "x");
    }
    assert_eq!(ticks.get(), 1);
    // What wasn't rewritten is refused by the engine.
    let error = env.render_str("{% cache 60, 'k' %}x{% endcache %}", context!()).unwrap_err();
    assert!(error.to_string().contains("unknown statement cache"), "{error}");
}

#[test]
fn undefined_parts_and_senseless_timeouts_are_errors_at_the_line() {
    let world = World::simple();
    let (mut env, ticks) = environment(world.cache(), &[]);
    for (args, kind, what) in [
        ("60, 'k', nobody", ErrorKind::UndefinedError, "part 2 of the key"),
        ("60, nobody", ErrorKind::UndefinedError, "part 1 of the key"),
        ("60, x.nothing, 'k'", ErrorKind::UndefinedError, "part 1 of the key"),
        ("60, bytes", ErrorKind::InvalidOperation, "bytes"),
        ("nobody, 'k'", ErrorKind::UndefinedError, "timeout of `cache` is undefined"),
        ("-1, 'k'", ErrorKind::InvalidOperation, "is -1"),
        ("-0.5, 'k'", ErrorKind::InvalidOperation, "is -0.5"),
        ("true, 'k'", ErrorKind::InvalidOperation, "is True"),
        ("'soon', 'k'", ErrorKind::InvalidOperation, "is 'soon'"),
        ("1 / 0, 'k'", ErrorKind::InvalidOperation, ""),
    ] {
        let source = format!("\n\n{{% cache {args} %}}{{{{ tick() }}}}{{% endcache %}}");
        add_template(&mut env, "page", source).unwrap();
        let context = context! { x => context!(), bytes => Value::from_bytes(vec![0xff]) };
        let error = env.get_template("page").unwrap().render(context).unwrap_err();
        assert_eq!((error.kind(), error.line()), (kind, Some(3)), "{args}: {error}");
        assert!(error.to_string().contains(what), "{args}: {error}");
    }
    assert_eq!(ticks.get(), 0);
}
