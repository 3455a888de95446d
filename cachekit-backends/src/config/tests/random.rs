//! Foreign text in every reader: no panic, no secret shown, and well-formed values come back.

use proptest::prelude::*;

use crate::config::fields::FIELDS;
use crate::{Config, Result, Value};

/// Text as it is found in settings, and text that is not.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,40}",
        r#"[\[\]{}='",:@/?#%.0-9a-z \t\n-]{0,40}"#,
        Just("[::1]:11211".to_owned()),
        Just("redis://u:p@[::1]:6379/0?db=1".to_owned()),
        Just("{ a = [1, { b = 2 }] }".to_owned()),
        "[0-9]{1,25}(ms|s|m|h|d)?",
    ]
}

fn variable() -> impl Strategy<Value = String> {
    let names: Vec<String> =
        FIELDS.iter().map(|field| format!("CACHE_{}", field.name.to_uppercase())).collect();
    prop_oneof![4 => proptest::sample::select(names), 1 => "CACHE_[A-Z_]{0,20}", 1 => Just("TESTING".to_owned())]
}

/// Checks a configuration in all ways that open nothing; returns all that was shown.
fn shown(read: Result<Config>) -> String {
    match read {
        Err(error) => format!("{error} {error:?} {error:#?}"),
        Ok(config) => {
            let types = ["null", "redis", "memcached", "spreadsaslmemcached", "filesystem", "example"];
            let mut all = vec![format!("{config:?} {config:#?}")];
            for checked in types.map(|word| config.clone().cache_type(word)).iter().chain([&config]) {
                if let Err(error) = checked.validate() {
                    all.extend([error.to_string(), format!("{error:?}")]);
                }
            }
            all.join("\n")
        }
    }
}

/// The places where a secret may stand, as variables.
fn with_secret(place: usize, secret: &str) -> (&'static str, String) {
    match place {
        0 => ("CACHE_REDIS_PASSWORD", secret.to_owned()),
        1 => ("CACHE_MEMCACHED_PASSWORD", secret.to_owned()),
        2 => ("CACHE_REDIS_URL", format!("redis://:{secret}@h/0")),
        3 => ("CACHE_REDIS_URL", format!("redis://u:{secret}@h/x")),
        4 => ("CACHE_REDIS_URL", format!("http://u:{secret}@h")),
        5 => ("CACHE_REDIS_URL", format!("unix:///s?pass={secret}")),
        6 => ("CACHE_REDIS_URL", format!("redis://:{secret}")),
        7 => ("CACHE_REDIS_HOST", format!("u:{secret}@h")),
        8 => ("CACHE_MEMCACHED_SERVERS", format!("a:1,u:{secret}@h:1")),
        9 => ("CACHE_ARGS", secret.to_owned()),
        10 => ("CACHE_OPTIONS", format!("token={secret}")),
        11 => ("CACHE_OPTIONS", format!("tls={secret}")),
        12 => ("CACHE_REDIS_PASSWROD", secret.to_owned()),
        13 => ("CACHE_TYPE", format!("redis://:{secret}@h")),
        14 => ("CACHE_THRESHOLD", format!("redis://:{secret}@h")),
        15 => ("CACHE_REDIS_URL", format!("redis://u:{secret}@a,redis://v:{secret}@b")),
        _ => ("CACHE_REDIS_URL", format!("redis://:{secret}@h#x")),
    }
}

proptest! {
    #[test]
    fn variables_never_panic(vars in proptest::collection::vec((variable(), text()), 0..4)) {
        shown(Config::from_vars(vars, "CACHE_"));
    }

    #[test]
    fn files_never_panic(key in "[a-z_]{1,20}", all in text(), value in text()) {
        shown(Config::from_toml(&all));
        shown(Config::from_toml(&format!("{key} = {value}")));
        for field in FIELDS {
            shown(Config::from_toml(&format!("{} = {value}", field.name)));
            shown(Config::from_toml(&format!("{} = {value:?}", field.name)));
        }
    }

    #[test]
    fn no_secret_is_shown(place in 0..17usize, secret in "Secret[a-zA-Z0-9!$%&*+.;<=>^_|~-]{1,12}Secret") {
        let (name, value) = with_secret(place, &secret);
        let all = shown(Config::from_vars([(name, &*value)], "CACHE_"));
        prop_assert!(!all.contains(&secret), "{name}={value}: {all}");
        let key = name.trim_start_matches("CACHE_").to_lowercase();
        let all = shown(Config::from_toml(&format!("{key} = '{value}'")));
        prop_assert!(!all.contains(&secret), "{key} = '{value}': {all}");
    }

    /// A list in the environment is the list in code, however it is written.
    #[test]
    fn servers_come_back(
        servers in proptest::collection::vec(
            prop_oneof!["[a-z][a-z0-9.-]{0,9}", "[a-z]{1,5}:[1-9][0-9]{0,3}", Just("[::1]".to_owned()),
                        Just("[fe80::1]:11211".to_owned()), Just("/run/m.sock".to_owned())], 1..5),
        blank in "[ \t]{0,2}",
    ) {
        let expected = Config::default().memcached_servers(servers.clone());
        let with_commas = servers.join(&format!("{blank},{blank}"));
        let array = format!("{servers:?}");
        for text in [&with_commas, &array] {
            let read = Config::from_vars([("CACHE_MEMCACHED_SERVERS", text)], "CACHE_");
            prop_assert_eq!(read.unwrap(), expected.clone(), "{}", text);
        }
        let file = Config::from_toml(&format!("memcached_servers = {array}"));
        prop_assert_eq!(file.unwrap(), expected.clone());
        prop_assert_eq!(Config::default().memcached_servers(with_commas), expected);
    }

    /// A resolved configuration stays as it is.
    #[test]
    fn resolving_twice_changes_nothing(dir in " {0,2}[./a-z]{1,12} {0,2}", host in "[ a-z]{0,5}") {
        let config = Config::filesystem(dir.clone());
        if let Ok(once) = config.resolved() {
            prop_assert!(once.dir.as_ref().is_some_and(|dir| dir.is_absolute()));
            prop_assert_eq!(once.resolved().unwrap(), once);
        }
        let options = [("tls_ca", Value::from(dir)), ("tls", Value::from(" no "))];
        if let Ok(once) = Config::memcached([host]).options(options).resolved() {
            prop_assert_eq!(once.resolved().unwrap(), once);
        }
    }
}

/// Deep nesting must not overflow the stack of the parser.
#[test]
fn nested_values_never_overflow_the_stack() {
    for open in ["[", "{a="] {
        let deep = open.repeat(100_000);
        shown(Config::from_vars([("CACHE_ARGS", &deep)], "CACHE_"));
        shown(Config::from_vars([("CACHE_OPTIONS", &deep)], "CACHE_"));
        shown(Config::from_toml(&format!("args = {deep}")));
    }
}
