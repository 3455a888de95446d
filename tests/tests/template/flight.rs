//! Renderings at the same time: one renders, deletions are final, no rendering waits for ever.

use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use cachekit::template::make_template_fragment_key;
use cachekit_tests::{World, each_keeping};
use minijinja::{Environment, Value, context};
use parking_lot::Mutex;

use super::{environment, render};

/// Adds `wait()`, which says that it is there and goes on when it may.
fn gated(env: &mut Environment<'_>) -> (mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (arrived, arrivals) = mpsc::channel();
    let (go, may_go) = mpsc::channel();
    let may_go = Mutex::new(may_go);
    env.add_function("wait", move || {
        let _ = arrived.send(());
        // A test that fails drops the other end.
        let _ = may_go.lock().recv_timeout(Duration::from_secs(30));
        Value::from("")
    });
    (arrivals, go)
}

#[test]
fn renderings_that_miss_together_render_once() {
    each_keeping(|world| {
        let (mut env, ticks) = environment(
            world.cache(),
            &[("page", "{% cache 60, 'k' %}{{ wait() }}{{ tick() }}text{% endcache %}")],
        );
        let (arrivals, go) = gated(&mut env);
        let coalesced = || world.cache().stats().coalesced;
        std::thread::scope(|threads| {
            let all: Vec<_> = (0..6).map(|_| threads.spawn(|| render(&env, "page", context!()))).collect();
            arrivals.recv_timeout(Duration::from_secs(30)).unwrap();
            go.send(()).unwrap();
            for thread in all {
                assert_eq!(thread.join().unwrap(), "text");
            }
        });
        assert_eq!(ticks.get(), 1);
        let stats = world.cache().stats();
        assert_eq!((stats.stores, stats.hits + coalesced()), (1, 5), "{stats:?}");
    });
}

#[test]
fn a_deletion_while_it_is_rendered_keeps_it_from_being_stored() {
    each_keeping(|world| {
        for clear in [false, true] {
            let source = "{% cache 60, 'key1', 'key2' %}{{ wait() }}{{ tick() }}{{ text }}{% endcache %}";
            let (mut env, ticks) = environment(world.cache(), &[("page", source)]);
            let (arrivals, go) = gated(&mut env);
            let page = |text: &str| render(&env, "page", context! { text });
            let key = make_template_fragment_key("key1", &["key2"]);
            std::thread::scope(|threads| {
                let slow = threads.spawn(|| page("old"));
                arrivals.recv_timeout(Duration::from_secs(30)).unwrap();
                if clear {
                    world.cache().clear().unwrap();
                } else {
                    world.cache().delete(&key).unwrap();
                }
                // A rendering after the deletion doesn't get a text that was begun before it.
                let later = threads.spawn(|| page("new"));
                arrivals.recv_timeout(Duration::from_secs(30)).unwrap();
                go.send(()).unwrap();
                go.send(()).unwrap();
                assert_eq!(slow.join().unwrap(), "old");
                assert_eq!(later.join().unwrap(), "new");
            });
            assert_eq!(ticks.take(), 2);
            go.send(()).unwrap();
            assert_eq!(page("newer"), "new", "{}", world.name);
            world.cache().delete(&key).unwrap();
        }
    });
}

#[test]
fn a_key_inside_of_itself_does_not_wait_for_itself() {
    each_keeping(|world| {
        let (env, _) = environment(
            world.cache(),
            &[
                ("same", "{% cache 60, 'k' %}a{% cache 60, 'k' %}b{% endcache %}{% endcache %}"),
                (
                    "self",
                    "{% cache 60, 'r' %}{{ n }}{% if n %}{% with n = n - 1 %}{% include 'self' %}{% endwith %}{% endif %}{% endcache %}",
                ),
            ],
        );
        assert_eq!(render(&env, "same", context!()), "ab");
        assert_eq!(render(&env, "self", context! { n => 3 }), "3210");
    });
}

/// Two threads render two fragments inside of each other, in opposite order, again and again.
#[test]
fn opposite_orders_do_not_wait_for_each_other() {
    let world = World::simple();
    let (mut env, _) = environment(
        world.cache(),
        &[
            ("one", "{% cache 60, 'a', n %}{{ meet() }}1{% cache 60, 'b', n %}2{% endcache %}{% endcache %}"),
            ("two", "{% cache 60, 'b', n %}{{ meet() }}2{% cache 60, 'a', n %}1{% endcache %}{% endcache %}"),
        ],
    );
    let barrier = Arc::new(Barrier::new(2));
    env.add_function("meet", move || {
        barrier.wait();
        Value::from("")
    });
    for n in 0..200 {
        std::thread::scope(|threads| {
            let one = threads.spawn(|| render(&env, "one", context! { n }));
            let two = threads.spawn(|| render(&env, "two", context! { n }));
            // One of them may find the other's whole text.
            assert!(["12", "121"].contains(&one.join().unwrap().as_str()));
            assert!(["21", "212"].contains(&two.join().unwrap().as_str()));
        });
    }
}

#[test]
fn a_rendering_that_panics_hands_over() {
    let world = World::simple();
    let (mut env, ticks) = environment(
        world.cache(),
        &[("page", "{% cache 60, 'k' %}{{ tick() }}{{ wait() }}{{ fail() if p }}text{% endcache %}")],
    );
    let (arrivals, go) = gated(&mut env);
    env.add_function("fail", || -> String { panic!("on purpose") });
    std::thread::scope(|threads| {
        let first = threads.spawn(|| {
            let page = || render(&env, "page", context! { p => true });
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(page)).is_err()
        });
        arrivals.recv_timeout(Duration::from_secs(30)).unwrap();
        let second = threads.spawn(|| render(&env, "page", context! { p => false }));
        go.send(()).unwrap();
        go.send(()).unwrap();
        assert!(first.join().unwrap());
        assert_eq!(second.join().unwrap(), "text");
    });
    assert_eq!(ticks.get(), 2);
}

/// Blocking, but right, whatever the backend is.
#[test]
fn renderings_in_tasks_of_a_runtime_share_as_threads_do() {
    each_keeping(|world| {
        let (env, ticks) =
            environment(world.cache(), &[("page", "{% cache 60, 'k' %}{{ tick() }}text{% endcache %}")]);
        let env = Arc::new(env);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let env = Arc::clone(&env);
                runtime.spawn(async move { render(&env, "page", context!()) })
            })
            .collect();
        for task in tasks {
            assert_eq!(runtime.block_on(task).unwrap(), "text");
        }
        assert_eq!(ticks.get(), 1);
    });
}

#[test]
fn a_memoized_function_in_a_fragment_and_a_rendering_in_a_memoized_function() {
    use cachekit::memoize;

    #[memoize]
    fn total(n: u32) -> u32 {
        n * 2
    }

    #[memoize]
    fn page(n: u32) -> String {
        let (env, _) =
            environment(cachekit::cache(), &[("page", "{% cache 60, n %}{{ total }}{% endcache %}")]);
        render(&env, "page", context! { n, total => total(n) })
    }

    let world = World::simple();
    let _entered = world.enter();
    let (mut env, _) = environment(
        world.cache(),
        &[("outer", "{% cache 60, 'o' %}{{ page(3) }}{{ total(3) }}{% endcache %}")],
    );
    env.add_function("page", page);
    env.add_function("total", total);
    assert_eq!(render(&env, "outer", context!()), "66");
    assert_eq!(render(&env, "outer", context!()), "66");
}
