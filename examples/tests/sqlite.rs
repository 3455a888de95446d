//! Tests of the backend of the example `custom_backend` beside cachekit's suite: its configuration, and a file that two
//! processes use.

use std::time::Duration;

use cachekit::testing::ManualClock;
use cachekit::{Backend, Config, ErrorKind};
use cachekit_examples::sqlite::Sqlite;

fn refusal(config: &Config) -> String {
    let error = Sqlite::from_config(config).err().expect("it is refused");
    assert_eq!(error.kind(), ErrorKind::Config);
    error.to_string()
}

#[test]
fn a_configuration_names_the_file_and_nothing_else() {
    let config = Config::default().cache_type("sqlite");
    assert!(refusal(&config).contains("needs the option `path`"));
    assert!(refusal(&config.clone().options([("path", "a"), ("pth", "b")])).contains("no option `pth`"));
    assert!(refusal(&config.args(["a"])).contains("takes no `args`"));
}

#[test]
fn what_one_handle_stores_another_one_finds_until_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let open = || Sqlite::open_with_clock(dir.path().join("cache.db"), clock.clock()).unwrap();
    open().set("key", b"value", Some(Duration::from_micros(1_500))).unwrap();
    let other = open();
    clock.advance(Duration::from_millis(1));
    assert_eq!(other.get("key").unwrap().as_deref(), Some(&b"value"[..]), "a fraction is rounded up");
    clock.advance(Duration::from_millis(1));
    assert_eq!(other.get("key").unwrap(), None);
}

#[test]
fn a_deletion_by_one_handle_beats_a_computation_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Sqlite::open(dir.path().join("cache.db")).unwrap();
    let (one, other) = (open(), open());
    let before = one.token("key").unwrap();
    assert!(!other.delete("key").unwrap(), "nothing was there");
    assert!(!one.put_if("key", b"from before", None, before).unwrap());
    assert!(one.put_if("key", b"fresh", None, one.token("key").unwrap()).unwrap());
}
