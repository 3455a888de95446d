//! Binding a cache: once, by a configuration or by its first use.

use cachekit::{Cache, CacheType, Config, ErrorKind, memoize, register_backend};
use cachekit_tests::{Calls, Child, Mem, Plain, role, say};

#[test]
fn a_cache_is_bound_once() {
    let cache = Cache::new();
    cache.init(Config::simple()).unwrap();
    assert_eq!(cache.init(Config::simple()).unwrap_err().kind(), ErrorKind::AlreadyInitialized);
    let used = Cache::new();
    used.set("a", &1u8, 0).unwrap();
    let error = used.init(Config::simple()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyInitialized);
    assert!(error.to_string().contains("init"), "{error}");
    assert_eq!(used.get::<u8>("a").unwrap(), Some(1));
}

#[test]
fn a_wrong_configuration_binds_nothing() {
    let cache = Cache::new();
    let error = cache.init(Config::default().cache_type("unheard-of")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    for word in ["unheard-of", "null", "simple", "filesystem", "redis", "memcached"] {
        assert!(error.to_string().contains(word), "{error}");
    }
    assert_eq!(
        Cache::open(Config::default().cache_type(CacheType::FileSystem)).unwrap_err().kind(),
        ErrorKind::Config
    );
    cache.init(Config::simple()).unwrap();
}

#[test]
fn clones_are_one_cache() {
    let cache = Cache::open(Config::simple()).unwrap();
    let other = cache.clone();
    other.set("a", &1u8, 0).unwrap();
    assert_eq!(cache.get::<u8>("a").unwrap(), Some(1));
    assert_eq!(Cache::open(Config::simple()).unwrap().get::<u8>("a").unwrap(), None);
}

#[test]
fn testing_means_null() {
    let cache = Cache::open(Config::simple().testing(true)).unwrap();
    cache.set("a", &1u8, 0).unwrap();
    assert_eq!(cache.get::<u8>("a").unwrap(), None);
}

#[test]
fn a_registered_backend_gets_args_and_options() {
    register_backend("config-mine", |config: &Config| {
        assert_eq!(config.args.first().and_then(cachekit::Value::as_str), Some("first"));
        assert_eq!(config.options.get("size").and_then(cachekit::Value::as_integer), Some(7));
        Ok(Plain(Mem::new()))
    })
    .unwrap();
    let config = Config::default().cache_type("config-mine").args(["first"]).options([("size", 7)]);
    let cache = Cache::open(config).unwrap();
    cache.set("a", &1u8, 0).unwrap();
    assert_eq!(cache.get::<u8>("a").unwrap(), Some(1));
    assert_eq!(Cache::open(Config::simple().args(["x"])).unwrap_err().kind(), ErrorKind::Config);
}

/// The default cache is one a process, so each part has a process of its own.
#[test]
fn the_default_cache() {
    static CALLS: Calls = Calls::new();
    #[memoize]
    fn f(n: u64) -> u64 {
        CALLS.hit() + n
    }
    let dir = tempfile::tempdir().unwrap();
    match role().as_deref() {
        Some("unbound") => {
            assert_eq!((f(10), f(10)), (10, 10));
            assert_eq!(cachekit::init(Config::simple()).unwrap_err().kind(), ErrorKind::AlreadyInitialized);
            assert_eq!(cachekit::cache().stats().stores, 1);
            say("done");
        }
        Some("bound") => {
            cachekit::init(Config::filesystem(dir.path())).unwrap();
            assert_eq!((f(10), f(10)), (10, 10));
            assert_ne!(cachekit_tests::files(dir.path()).len(), 0);
            assert_eq!(cachekit::init(Config::simple()).unwrap_err().kind(), ErrorKind::AlreadyInitialized);
            say("done");
        }
        Some("environment") => {
            let config = Config::from_env().unwrap();
            cachekit::init(config).unwrap();
            assert_eq!((f(10), f(10)), (10, 11), "null keeps nothing");
            say("done");
        }
        Some("orchestrated") => {
            // A Kubernetes service named `cache` sets these.
            assert_eq!(Config::from_env().unwrap(), Config::default());
            cachekit::init(Config::from_env_prefixed("SHOP_CACHE_").unwrap()).unwrap();
            assert_eq!((f(10), f(10)), (10, 11), "null keeps nothing");
            say("done");
        }
        Some("wrong environment") => {
            let error = Config::from_env().and_then(cachekit::init).unwrap_err();
            say(&error.to_string());
        }
        _ => {
            let variables = |role| match role {
                "environment" => {
                    vec![("CACHE_TYPE", "filesystem"), ("CACHE_DIR", "/nowhere"), ("TESTING", "true")]
                }
                "orchestrated" => vec![
                    ("CACHE_PORT", "tcp://10.0.0.1:6379"),
                    ("CACHE_SERVICE_HOST", "10.0.0.1"),
                    ("CACHE_KEY_PREFIX", ""),
                    ("SHOP_CACHE_TYPE", " null "),
                ],
                "wrong environment" => vec![("CACHE_TYPE", "simpel")],
                _ => vec![],
            };
            for role in ["unbound", "bound", "environment", "orchestrated", "wrong environment"] {
                let mut child = Child::start("config::the_default_cache", role, &variables(role));
                let said = child.hear();
                child.finish();
                match role {
                    "wrong environment" => {
                        assert!(said.contains("simpel") && said.contains("simple"), "{said}");
                    }
                    _ => assert_eq!(said, "done"),
                }
            }
        }
    }
}

/// The working directory is one a process, so the part that changes it has a process of its own.
#[test]
fn a_relative_directory_stays_where_it_was_at_init() {
    if role().as_deref() == Some("moves") {
        let cache = Cache::open(Config::filesystem("cache")).unwrap();
        cache.set("a", &1u8, 0).unwrap();
        std::env::set_current_dir("elsewhere").unwrap();
        assert_eq!(cache.get::<u8>("a").unwrap(), Some(1));
        assert!(cache.delete("a").unwrap());
        cache.set("b", &2u8, 0).unwrap();
        say("done");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("elsewhere")).unwrap();
    let mut child =
        Child::start_in(dir.path(), "config::a_relative_directory_stays_where_it_was_at_init", "moves", &[]);
    assert_eq!(child.hear(), "done");
    child.finish();
    let cache = Cache::open(Config::filesystem(dir.path().join("cache"))).unwrap();
    assert_eq!((cache.get::<u8>("a").unwrap(), cache.get::<u8>("b").unwrap()), (None, Some(2)));
    assert_eq!(std::fs::read_dir(dir.path().join("elsewhere")).unwrap().count(), 0, "no stray folder");
}

/// This is the text that `fn main() -> cachekit::Result<()>` prints.
#[test]
fn an_error_of_init_is_readable_where_main_returns_it() {
    let config = Config::from_toml("pool_size = 0\nbreaker_threshold = 0").unwrap();
    let error = Cache::new().init(config).unwrap_err();
    assert_eq!(
        format!("Error: {error:?}"),
        "Error: 2 mistakes in the configuration:\n- `breaker_threshold` must be more than zero\n\
         - `pool_size` must be more than zero"
    );
}
