//! Fragments that are served past their timeout while one render makes them anew.

use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cachekit::template::make_template_fragment_key;
use cachekit::{Cache, delete_memoized, memoize};
use cachekit_tests::{World, everywhere};
use minijinja::{Environment, Error, ErrorKind, Value, context};

use super::{environment, render};

const SECOND: Duration = Duration::from_secs(1);

/// A function of templates that counts, fails if it is told to, and stops between two meetings with the test.
#[derive(Default)]
struct Body {
    runs: AtomicU64,
    stops: AtomicBool,
    fails: AtomicBool,
    meet: Meet,
}

struct Meet(Barrier);

impl Default for Meet {
    fn default() -> Self {
        Self(Barrier::new(2))
    }
}

impl Body {
    fn run(&self) -> Result<Value, Error> {
        let number = self.runs.fetch_add(1, Ordering::SeqCst);
        if self.stops.swap(false, Ordering::SeqCst) {
            self.meet.0.wait();
            self.meet.0.wait();
        }
        if self.fails.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::InvalidOperation, "the body fails"));
        }
        Ok(Value::from(format!("text {number}")))
    }
}

fn with_body(cache: &Cache, page: &'static str) -> (Environment<'static>, Arc<Body>) {
    let (mut env, _) = environment(cache, &[("page", page)]);
    let body = Arc::new(Body::default());
    let mine = Arc::clone(&body);
    env.add_function("body", move || mine.run());
    (env, body)
}

#[test]
fn past_its_timeout_one_render_makes_a_fragment_anew() {
    for page in [
        "{% cache 10, 'k', stale=20 %}{{ body() }}{% endcache %}",
        "{% cache 10 'k' stale = 10 + 10 %}{{ body() }}{% endcache %}",
        "{% cache 10, stale=20.0 %}{{ body() }}{% endcache %}",
    ] {
        everywhere(|world| {
            world.cache().clear().unwrap();
            let (env, body) = with_body(world.cache(), page);
            let text = || render(&env, "page", context!());
            assert_eq!(text(), "text 0");
            world.advance(Duration::from_millis(9_999));
            assert_eq!(text(), "text 0");
            world.advance(15 * SECOND);
            body.stops.store(true, Ordering::SeqCst);
            std::thread::scope(|scope| {
                let one = world.spawn_in(scope, text);
                body.meet.0.wait();
                assert_eq!((text(), text()), ("text 0".into(), "text 0".into()), "stale, at once");
                body.meet.0.wait();
                assert_eq!(one.join().unwrap(), "text 1");
            });
            assert_eq!((text(), body.runs.load(Ordering::SeqCst)), ("text 1".into(), 2));
            world.advance(30 * SECOND);
            assert_eq!(text(), "text 2", "the window is over");
        });
    }
}

#[test]
fn a_render_that_fails_leaves_the_text_and_another_one_tries_after_a_while() {
    everywhere(|world| {
        let (env, body) =
            with_body(world.cache(), "{% cache 10, 'fails', stale=20 %}{{ body() }}{% endcache %}");
        let text = || env.get_template("page").unwrap().render(context!());
        assert_eq!(text().unwrap(), "text 0");
        world.advance(10 * SECOND);
        body.fails.store(true, Ordering::SeqCst);
        assert!(text().is_err(), "of the render that makes it anew");
        assert_eq!((text().unwrap(), text().unwrap()), ("text 0".into(), "text 0".into()));
        assert_eq!(body.runs.load(Ordering::SeqCst), 2);
        body.fails.store(false, Ordering::SeqCst);
        world.advance(SECOND);
        assert_eq!(text().unwrap(), "text 2");
    });
}

#[memoize(timeout = 600, tags("stale prices"))]
fn price(n: u64) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    n + NEXT.fetch_add(1, Ordering::Relaxed)
}

#[test]
fn a_deleted_fragment_is_served_to_no_later_render() {
    type Delete = fn(&World);
    let deletions: [Delete; 5] = [
        |_| delete_memoized!(price).unwrap(),
        |world| world.cache().delete_tag("stale prices").unwrap(),
        |world| world.cache().delete_fragments("deleted").unwrap(),
        |world| assert!(world.cache().delete(&make_template_fragment_key("deleted", &["1"])).unwrap()),
        |world| world.cache().clear().unwrap(),
    ];
    everywhere(|world| {
        let page = "{% cache 10, 'deleted', 1, stale=600 %}{{ price(1) }} {{ body() }}{% endcache %}";
        let (mut env, body) = with_body(world.cache(), page);
        env.add_function("price", price);
        for (number, delete) in deletions.iter().enumerate() {
            let text = || render(&env, "page", context!());
            let first = text();
            world.advance(10 * SECOND);
            body.stops.store(true, Ordering::SeqCst);
            std::thread::scope(|scope| {
                let one = world.spawn_in(scope, text);
                body.meet.0.wait();
                assert_eq!(text(), first, "stale");
                delete(world);
                // It may wait for the other one, but doesn't take its text.
                let second = world.spawn_in(scope, text);
                body.meet.0.wait();
                let (late, second) = (one.join().unwrap(), second.join().unwrap());
                assert!(second != first && second != late, "deleted by {number}");
                let now = text();
                assert!(now != first && now != late, "what began before the deletion {number} is served");
            });
            world.cache().clear().unwrap();
        }
    });
}

#[test]
fn times_that_are_none_are_errors() {
    let world = World::simple();
    for (tag, what) in [
        ("cache 10, 'k', stale='x'", "write seconds"),
        ("cache 10, 'k', stale=-1", "must not be negative"),
        ("cache 10, 'k', stale=missing", "undefined"),
    ] {
        let source: &'static str = format!("{{% {tag} %}}{{% endcache %}}").leak();
        let (env, _) = environment(world.cache(), &[("page", source)]);
        let error = env.get_template("page").unwrap().render(context!()).unwrap_err();
        assert!(error.to_string().contains(what), "{tag}: {error}");
    }
    // None is no window, and an equation is a part of the key.
    for tag in ["cache 10, 'k', stale=none", "cache 10, 'k', stale=0", "cache 10, 'k' == 'k', 1"] {
        let source: &'static str = format!("{{% {tag} %}}text{{% endcache %}}").leak();
        let (env, _) = environment(world.cache(), &[("page", source)]);
        assert_eq!(render(&env, "page", context!()), "text", "{tag}");
    }
}
