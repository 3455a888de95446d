//! Which renderings share a text, and what makes them render again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cachekit::template::{add_template, fragment_key, make_template_fragment_key, rewrite};
use cachekit_tests::{World, each_keeping};
use minijinja::value::{Object, ValueKind};
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

        // Values of every kind; of numbers, by their text.
        for value in [
            Value::from(7),
            Value::from(-1.5),
            Value::from(true),
            Value::from(()),
            Value::from(vec![1, 2]),
            Value::from_safe_string("<é>".into()),
            Value::from_bytes(b"bytes".to_vec()),
            Value::from_pairs([("k", 1)]),
            Value::from(""),
        ] {
            page("k".into(), value.clone());
            page("k".into(), value.clone());
            assert_eq!(ticks.take(), 1, "{value:?}");
            let key = if value.is_number() {
                make_template_fragment_key("key1", &["k", &value.to_string()])
            } else {
                fragment_key(&["key1".into(), "k".into(), value.clone()]).unwrap()
            };
            assert!(cache.delete(&key).unwrap(), "{value:?}");
        }
    });
}

/// An object of the program, with as much as the engine gives it by itself.
#[derive(Debug)]
struct Account(&'static str);

impl Object for Account {
    fn get_value_by_str(self: &Arc<Self>, field: &str) -> Option<Value> {
        (field == "name").then(|| Value::from(self.0))
    }
}

#[test]
fn a_value_whose_text_is_that_of_another_does_not_get_its_fragment() {
    each_keeping(|world| {
        let source = "{% cache 60, 'o', u %}{{ tick() }}{{ u }} {{ u is string }}{% endcache %}";
        let (env, ticks) = environment(world.cache(), &[("page.html", source), ("name.html", "{{ u }}")]);
        let alike = [
            [Value::from("<b>"), Value::from_safe_string("<b>".into())],
            [Value::from("None"), Value::from(())],
            [Value::from("True"), Value::from(true)],
            [Value::from(1), Value::from(1.0)],
            [Value::from(1), Value::from(true)],
            [Value::from("[1, 2]"), Value::from(vec![1, 2])],
            [Value::from("x"), Value::from_bytes(b"x".to_vec())],
            [Value::from(vec!["1"]), Value::from(vec![1])],
        ];
        for [one, other] in alike {
            world.cache().clear().unwrap();
            let expected = |u: &Value| {
                format!("{} {}", render(&env, "name.html", context! { u }), u.kind() == ValueKind::String)
            };
            for u in [&one, &other, &one] {
                let text = render(&env, "page.html", context! { u }).to_lowercase();
                assert_eq!(text, expected(u).to_lowercase(), "{one:?} {other:?}");
            }
            assert_eq!(ticks.take(), 2, "{one:?} {other:?}: they stand side by side");
        }
    });
}

#[test]
fn values_that_have_no_text_of_their_own_are_refused_at_the_line() {
    let world = World::simple();
    for (source, u) in [
        (
            "\n{% cache 60, 'o', u %}{{ tick() }}{{ u.name }}{% endcache %}",
            Value::from_object(Account("ann")),
        ),
        ("\n{% cache 60, 'o', [u] %}{{ tick() }}{% endcache %}", Value::from_object(Account("ann"))),
        ("\n{% cache 60, 'o', {'a': u} %}{{ tick() }}{% endcache %}", Value::from_object(Account("ann"))),
        ("\n{% cache 60, 'o', u %}{{ tick() }}{% endcache %}", Value::make_one_shot_iterator(0..3)),
        (
            "\n{% for x in u %}{% cache 60, 'o', loop %}{{ tick() }}{% endcache %}{% endfor %}",
            Value::from(vec![1]),
        ),
        ("\n{% cache 60, 'o', range(u) %}{{ tick() }}{% endcache %}", Value::from(3)),
        ("\n{% cache 60, 'o', u %}{{ tick() }}{% endcache %}", Value::from_function(|| 1)),
    ] {
        let (env, ticks) = environment(world.cache(), &[("page", source)]);
        let error = env.get_template("page").unwrap().render(context! { u }).unwrap_err();
        assert_eq!((error.kind(), error.line()), (ErrorKind::InvalidOperation, Some(2)), "{error}");
        assert!(error.to_string().contains("part 2 of the key"), "{error}");
        assert_eq!(ticks.get(), 0, "{source}");
    }
    let (env, ticks) = environment(
        world.cache(),
        &[("page", "{% cache 60, 'o', range(3)|list %}{{ tick() }}{% endcache %}")],
    );
    render(&env, "page", context!());
    assert_eq!(ticks.get(), 1, "the remedy works");
}

#[test]
fn equal_maps_are_equal_parts() {
    let of = |value: Value| fragment_key(&[value]).unwrap();
    let pairs = || (0..50).map(|n| (n.to_string(), n));
    let sorted = of(Value::from(pairs().collect::<BTreeMap<_, _>>()));
    assert_eq!(of(Value::from(pairs().collect::<HashMap<_, _>>())), sorted);
    assert_eq!(of(Value::from_pairs(pairs().rev())), sorted);
    assert_eq!(of(context! { b => 1, a => vec![2] }), of(context! { a => vec![2], b => 1 }));
}

#[test]
fn a_long_key_is_a_short_one() {
    each_keeping(|world| {
        let (env, ticks) = environment(world.cache(), &[("page", PAGE)]);
        let long = "x".repeat(5_000);
        for (x, y) in [(&*long, "y"), (&*long, "z"), (&*long, "y")] {
            render(&env, "page", context! { x, y });
        }
        assert_eq!(ticks.take(), 2);
        let key = make_template_fragment_key("key1", &[&long, "y"]);
        assert!(key.len() < 100 && world.cache().delete(&key).unwrap());
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
    // The engine refuses a template that wasn't rewritten.
    let error = env.render_str("{% cache 60, 'k' %}x{% endcache %}", context!()).unwrap_err();
    assert!(error.to_string().contains("unknown statement cache"), "{error}");
}

#[test]
fn undefined_parts_and_senseless_timeouts_are_errors_at_the_line() {
    let world = World::simple();
    let (mut env, ticks) = environment(world.cache(), &[]);
    for (args, kind, what) in [
        ("60, 'k', missing", ErrorKind::UndefinedError, "part 2 of the key"),
        ("60, missing", ErrorKind::UndefinedError, "part 1 of the key"),
        ("60, x.nothing, 'k'", ErrorKind::UndefinedError, "part 1 of the key"),
        ("60, 'k', [x.nothing]", ErrorKind::UndefinedError, "part 2 of the key"),
        ("missing, 'k'", ErrorKind::UndefinedError, "timeout of `cache` is undefined"),
        ("-1, 'k'", ErrorKind::InvalidOperation, "is -1"),
        ("-0.5, 'k'", ErrorKind::InvalidOperation, "is -0.5"),
        ("true, 'k'", ErrorKind::InvalidOperation, "is True"),
        ("'soon', 'k'", ErrorKind::InvalidOperation, "is 'soon'"),
        ("1 / 0, 'k'", ErrorKind::InvalidOperation, ""),
    ] {
        let source = format!("\n\n{{% cache {args} %}}{{{{ tick() }}}}{{% endcache %}}");
        add_template(&mut env, "page", source).unwrap();
        let context = context! { x => context!() };
        let error = env.get_template("page").unwrap().render(context).unwrap_err();
        assert_eq!((error.kind(), error.line()), (kind, Some(3)), "{args}: {error}");
        assert!(error.to_string().contains(what), "{args}: {error}");
    }
    assert_eq!(ticks.get(), 0);
}
