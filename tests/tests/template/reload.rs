//! Loaders: a template is rewritten whenever it is loaded, and loaded again when it changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cachekit::template::{install, set_loader};
use cachekit_tests::{Calls, World};
use minijinja::{Environment, Error, ErrorKind, TemplateSource, context, path_loader};
use parking_lot::Mutex;

use super::{render, ticking};

#[test]
fn files_that_change_are_loaded_again() {
    let world = World::simple();
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let mut env = Environment::new();
    let ticks = ticking(&mut env);
    // Before `install` or after it.
    set_loader(&mut env, path_loader(dir.path()));
    install(&mut env, world.cache());
    write("page.html", "{% cache %}{{ tick() }}one{% endcache %} {% include 'plain.html' %}");
    write("plain.html", "plain");
    for _ in 0..2 {
        assert_eq!(render(&env, "page.html", context!()), "one plain");
    }
    assert_eq!(ticks.take(), 1);

    // Another length, which the loader sees whatever the file's clock is.
    write("page.html", "{% cache %}{{ tick() }}number two{% endcache %} {% include 'plain.html' %}");
    write("plain.html", "edited");
    assert_eq!(render(&env, "page.html", context!()), "number two edited", "the edited block is another one");
    write("page.html", "{% cache %}");
    assert_eq!(env.get_template("page.html").unwrap_err().kind(), ErrorKind::SyntaxError);
    write("page.html", "{% cache %}{{ tick() }}one{% endcache %}");
    assert_eq!(render(&env, "page.html", context!()), "one", "and the first one is still stored");
    assert_eq!(ticks.take(), 1);

    std::fs::remove_file(dir.path().join("page.html")).unwrap();
    assert_eq!(env.get_template("page.html").unwrap_err().kind(), ErrorKind::TemplateNotFound);
    env.set_auto_reload(false);
    write("page.html", "{% cache %}back{% endcache %}");
    assert_eq!(render(&env, "page.html", context!()), "back");
    write("page.html", "{% cache %}not seen{% endcache %}");
    assert_eq!(render(&env, "page.html", context!()), "back");
    env.clear_templates();
    assert_eq!(render(&env, "page.html", context!()), "not seen");
}

#[test]
fn a_loader_of_ones_own_is_asked_as_often_as_without() {
    let world = World::simple();
    let (text, changed, loads) =
        (Arc::new(Mutex::new("one")), Arc::new(AtomicBool::new(false)), Arc::new(Calls::new()));
    let mut env = Environment::new();
    install(&mut env, world.cache());
    let (source, was_changed, counted) = (Arc::clone(&text), Arc::clone(&changed), Arc::clone(&loads));
    set_loader(&mut env, move |name| {
        counted.hit();
        if name == "broken" {
            return Err(Error::new(ErrorKind::InvalidOperation, "no disk"));
        }
        let changed = Arc::clone(&was_changed);
        // As in the engine's own documentation: a check that can be asked once.
        let check = move || !changed.swap(false, Ordering::Relaxed);
        let source = format!("{{% cache %}}{}{{% endcache %}}", source.lock());
        Ok((name == "page").then(|| TemplateSource::new(source).with_uptodate_check(check)))
    });
    for _ in 0..3 {
        assert_eq!(render(&env, "page", context!()), "one");
    }
    assert_eq!(loads.take(), 1);
    *text.lock() = "two";
    assert_eq!(render(&env, "page", context!()), "one");
    changed.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(render(&env, "page", context!()), "two");
    }
    assert_eq!(loads.take(), 1);
    assert_eq!(env.get_template("none").unwrap_err().kind(), ErrorKind::TemplateNotFound);
    assert!(env.get_template("broken").unwrap_err().to_string().contains("no disk"));
}

#[test]
fn a_loader_may_give_strings() {
    let world = World::simple();
    let mut env = Environment::new();
    let ticks = ticking(&mut env);
    install(&mut env, world.cache());
    set_loader(&mut env, |name| {
        Ok(Some(format!("{{% cache 60, 'k' %}}{{{{ tick() }}}}{{{{ 'from' }}}} {name}{{% endcache %}}")))
    });
    for _ in 0..2 {
        assert_eq!(render(&env, "page", context!()), "from page");
    }
    let error = {
        set_loader(&mut env, |_| Ok(Some("\n{% endcache %}".to_owned())));
        env.get_template("other").unwrap_err()
    };
    assert_eq!((error.name(), error.line()), (Some("other"), Some(2)));
    assert_eq!(ticks.get(), 1);
}
