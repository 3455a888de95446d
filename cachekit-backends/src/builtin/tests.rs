//! A built-in backend is its folder and its row: `example`, which only tests have, is added by these alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{BACKENDS, Row};
use crate::config::Config;
use crate::{Backend, CacheType, Clock, ManualClock, Opened, open};

fn example(config: &Config, clock: &Clock) -> Arc<dyn Backend> {
    match open(config, clock).unwrap() {
        Opened::Shared(backend) => backend,
        Opened::Simple => panic!("not a store of bytes"),
    }
}

#[test]
fn the_row_is_enough_to_choose_configure_and_open_a_backend() {
    let manual = ManualClock::new();
    let config =
        Config::from_vars([("CACHE_TYPE", " Example "), ("CACHE_OPTIONS", "max_value_len=7")], "CACHE_")
            .unwrap();
    assert_eq!(config.cache_type, CacheType::Example);
    assert_eq!(config, Config::from_toml("type = 'example'\noptions = { max_value_len = '7' }").unwrap());
    let store = example(&config, &manual.clock());
    assert_eq!(store.capabilities().max_value_len, Some(7));
    store.set("k", b"v", Some(Duration::from_secs(1))).unwrap();
    assert_eq!(store.get("k").unwrap().as_deref(), Some(&b"v"[..]));
    manual.advance(Duration::from_secs(1));
    assert_eq!(store.get("k").unwrap(), None);
}

#[test]
fn messages_know_the_backend_by_its_row() {
    let said = |config: &Config| config.validate().unwrap_err().to_string();
    let example = || Config::default().cache_type("example");
    assert!(said(&Config::default().cache_type("exampel")).ends_with("did you mean `example`?"));
    assert_eq!(
        said(&example().options([("max_value_length", 7)])),
        "cache type `example` has no option `max_value_length`: valid are max_value_len; did you mean `max_value_len`?"
    );
    assert_eq!(
        said(&example().options([("max_value_len", 0)])),
        "option `max_value_len` must be a number of bytes from 1 to 1048576"
    );
    assert!(said(&example().dir("/d")).starts_with("`dir` (`CACHE_DIR`) is a setting of `filesystem`"));
    assert!(said(&example().args(["a"])).starts_with("cache type `example` takes no `args`"));
}

#[cfg(feature = "conformance")]
#[test]
fn the_example_passes_the_suite() {
    let config = Config::default().cache_type("example");
    crate::conformance::Suite::new(move |clock| example(&config, clock)).run();
}

/// Each word, and each field that belongs to a backend, stands in one row.
#[test]
fn rows_do_not_overlap() {
    let words: Vec<&str> = BACKENDS.iter().flat_map(|row| row.types).map(|(word, _)| *word).collect();
    let fields: Vec<&str> = BACKENDS.iter().flat_map(|row| row.fields).copied().collect();
    for list in [words, fields] {
        let mut once = list.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), list.len(), "{list:?}");
    }
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let (dirs, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    files.chain(dirs.iter().flat_map(|dir| sources(dir))).collect()
}

/// The tests of other files may choose a backend; product code outside of its folder may not.
#[test]
fn no_file_but_the_table_names_the_types_of_a_backend() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    // The constructors of `Config` are for the everyday types; `testing` stands for `null`.
    let known = ["builtin/mod.rs", "config/mod.rs"];
    let mut seen = 0;
    for file in sources(&root) {
        let name = file.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        if known.contains(&name.as_str()) || name.contains("tests") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code: Vec<&str> = product.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let code = code.join("\n");
        for row in BACKENDS.iter().filter(|row| row.name() != "null") {
            let folder = format!("{}/", row.name());
            for (_, kind) in row.types {
                let used = code.contains(&format!("CacheType::{kind:?}"));
                assert!(!used || name.starts_with(&folder), "{name} names `CacheType::{kind:?}`");
                seen += usize::from(used);
            }
        }
    }
    assert!(seen > 0, "memcached's own folder names its types");
}

/// Sibling folders have the same files at their top.
#[test]
fn each_folder_has_its_part_of_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for row in BACKENDS {
        assert!(root.join(row.name()).join("builtin.rs").is_file(), "{}", row.name());
    }
    assert!(Row::of(&CacheType::Custom("example".into())).is_none());
}
