//! The table of settings. Each row makes a field of [`Config`], its default, its setter, its readers for files, serde and
//! the environment, and its part of `Debug`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::by_name::{ByName, FunctionConfig};
use super::form::{
    Address, Directory, Form, Fraction, Hidden, Maybe, Number, Password, Read, ServerList, Shown, Span,
    SpanOrNever, Switch, Verbatim, Word,
};
use super::near::When;
use super::{CacheType, NearDeletion, Secret, Servers, Value};
use crate::Timeout;

/// A setting, as the readers and checks see it.
pub(super) struct Field {
    /// The name in files. In the environment it is in upper case, after the prefix.
    pub(super) name: &'static str,
    /// Sets the field to the value of a file.
    pub(super) set: fn(&mut Config, Value) -> Read<()>,
    /// Sets the field to the text of a variable.
    pub(super) set_text: fn(&mut Config, &str) -> Read<()>,
    /// Sets the field to a variable that isn't UTF-8.
    pub(super) set_bytes: fn(&mut Config, OsString) -> Read<()>,
    /// Resolves the field, see [`Form::resolve`].
    pub(super) resolve: fn(&mut Config) -> Read<()>,
    /// Whether the field has another value than its default.
    pub(super) is_given: fn(&Config, &Config) -> bool,
}

/// `name` or `name("key")`: the key is the field's name, unless another one is given. Then the type, the default, the
/// form, and the setter's parameter with the value that it makes.
macro_rules! settings {
    (
        $(#[$config_doc:meta])*
        struct Config;
        $($(#[$doc:meta])* $name:ident $(($key:literal))?: $t:ty = $default:expr, $form:expr,
            |$value:ident: $given:ty| $new:expr;)*
    ) => {
        $(#[$config_doc])*
        #[derive(Clone, PartialEq)]
        pub struct Config {
            $($(#[$doc])* pub $name: $t,)*
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        /// Every field but its secrets: the login of an address and the values of options are left out.
        impl fmt::Debug for Config {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("Config")$(.field(stringify!($name), &Shown(&$form, &self.$name)))*.finish()
            }
        }

        impl Config {$(
            #[doc = concat!("Sets the field [`", stringify!($name), "`](field@Self::", stringify!($name), ").")]
            #[must_use]
            pub fn $name(mut self, $value: $given) -> Self {
                self.$name = $new;
                self
            }
        )*}

        /// Every setting.
        #[expect(clippy::float_cmp, reason = "a number is given if it is not the very default")]
        pub(super) const FIELDS: &[Field] = &[$(Field {
            name: settings!(@key $name $($key)?),
            set: |config, value| {
                config.$name = Form::<$t>::read(&$form, value)?;
                Ok(())
            },
            set_text: |config, text| {
                config.$name = Form::<$t>::read_text(&$form, text)?;
                Ok(())
            },
            set_bytes: |config, bytes| {
                config.$name = Form::<$t>::read_bytes(&$form, bytes)?;
                Ok(())
            },
            resolve: |config| Form::<$t>::resolve(&$form, &mut config.$name),
            is_given: |config, default| config.$name != default.$name,
        }),*];
    };
    (@key $name:ident) => { stringify!($name) };
    (@key $name:ident $key:literal) => { $key };
}

settings! {
    /// The settings of a cache: which backend, where it is, and how it is used.
    ///
    /// Fill it by its constructors and setters, by its fields, from the environment ([`from_env`](Self::from_env)) or
    /// from a file ([`from_toml`](Self::from_toml), or any format of serde). Nothing is checked until
    /// [`validate`](Self::validate), which `init` calls. Passwords never show in `Debug` or in an error.
    ///
    /// In a file a key is the field's name (`type` for `cache_type`) at the top level, such as `key_prefix`; the name of
    /// the environment, `CACHE_KEY_PREFIX`, works as well. An unknown key is an error that names the valid ones.
    /// Durations are whole seconds or text like `90s`, `5m`, `1h30m`, `250ms`, `1d`. Blanks around a value don't count,
    /// but in the quotes of a password or a key prefix.
    ///
    /// ```
    /// use cachekit_backends::Config;
    ///
    /// let config = Config::filesystem("/var/cache/shop").key_prefix("shop:").default_timeout(60);
    /// let file = Config::from_toml(
    ///     r#"
    ///     type = "filesystem"
    ///     dir = "/var/cache/shop"
    ///     key_prefix = "shop:"
    ///     default_timeout = "1m"
    ///     "#,
    /// )?;
    /// assert_eq!(config, file);
    /// # Ok::<(), cachekit_backends::Error>(())
    /// ```
    struct Config;

    /// The backend. Default: [`CacheType::Simple`].
    cache_type("type"): CacheType = CacheType::default(), Word,
        |word: impl Into<CacheType>| word.into();

    /// Silences the warning that the `null` backend logs once. Default: false.
    no_null_warning: bool = false, Switch,
        |yes: bool| yes;

    /// A list for a custom backend; the built-in backends refuse it. Default: empty. In the environment `CACHE_ARGS=a,b`, or
    /// a TOML array such as `[1, "a"]`.
    args: Vec<Value> = Vec::new(), Hidden,
        |list: impl IntoIterator<Item = impl Into<Value>>| list.into_iter().map(Into::into).collect();

    /// A map for a custom backend, and for rarely used settings of the built-in ones: TLS files of `redis` and `memcached`
    /// (`tls_ca`, `tls_cert`, `tls_key`), `lease` of `redis`, `tls`, `auth` and `max_item_size` of `memcached`; others
    /// refuse it. Default: empty. In the environment `CACHE_OPTIONS=k=v,k2=v2`, or an inline TOML table such as `{ k = 1 }`.
    options: BTreeMap<String, Value> = BTreeMap::new(), Hidden,
        |map: impl IntoIterator<Item = (impl Into<String>, impl Into<Value>)>|
            map.into_iter().map(|(name, value)| (name.into(), value.into())).collect();

    /// The TTL of an entry that was stored without a timeout of its own. Default: 300 s; 0 is never.
    default_timeout: Timeout = Timeout::After(Duration::from_secs(300)), SpanOrNever,
        |timeout: impl Into<Timeout>| timeout.into();

    /// The greatest part by which a TTL is shortened at random at each store of functions, fragments and
    /// `get_or_insert_with`, so that entries which were stored together don't expire together. Default: 0; less than 1.
    jitter: f64 = 0.0, Fraction,
        |part: f64| part;

    /// The most entries that `simple` and `filesystem` keep. Default: 10,000; 0 is no limit.
    threshold: usize = 10_000, Number("the most items to keep, 0 for no limit"),
        |items: usize| items;

    /// The most bytes that entries take together: in this process keys, values and what each takes beside them; on `filesystem`
    /// the files of the directory, in blocks of 4 KiB. A heavier value is returned and not kept. Default: 256 MiB in this process,
    /// no limit on `filesystem`; 0 is no limit. On `filesystem` the setting leaves the bound of what stays in this process
    /// (`local`) at 256 MiB.
    max_bytes: Option<u64> = None, Maybe(Number("the most bytes to keep, 0 for no limit")),
        |bytes: u64| Some(bytes);

    /// The text before every key, on every backend. Default: `cachekit:`. An empty one can't be given in the environment,
    /// where an empty value is unset.
    key_prefix: String = "cachekit:".into(), Verbatim,
        |prefix: impl Into<String>| prefix.into();

    /// The memcached servers, each `host`, `host:port`, `[ipv6]:port` or the path of a socket. Default: empty, which means
    /// `127.0.0.1:11211`. Comma separated in the environment. A list that is given and names no server is an error.
    memcached_servers: Vec<String> = Vec::new(), ServerList,
        |servers: impl Into<Servers>| servers.into().into();

    /// The user name for `saslmemcached` and `spreadsaslmemcached`. Default: none.
    memcached_username: Option<String> = None, Maybe(Address),
        |name: impl Into<String>| Some(name.into());

    /// The password of that user. Default: none.
    memcached_password: Option<Secret> = None, Maybe(Password),
        |password: impl Into<Secret>| Some(password.into());

    /// The Redis server's name or address. Default: none, which means `localhost`.
    redis_host: Option<String> = None, Maybe(Address),
        |host: impl Into<String>| Some(host.into());

    /// The Redis server's port. Default: none, which means 6379.
    redis_port: Option<u16> = None, Maybe(Number("a port, 1 to 65535")),
        |port: u16| Some(port);

    /// The password for Redis. Default: none.
    redis_password: Option<Secret> = None, Maybe(Password),
        |password: impl Into<Secret>| Some(password.into());

    /// The number of the Redis database. Default: none, which means 0.
    redis_db: Option<u32> = None, Maybe(Number("the number of a database")),
        |number: u32| Some(number);

    /// The Redis server as one URL, instead of the four parts before: `redis://user:password@host:6379/0`, also `rediss`
    /// (TLS) and `valkey`; `unix:///path?db=0`; several nodes of a cluster, `redis://a:6379,b:6379`; sentinels,
    /// `redis+sentinel://a:26379,b:26379/master/0`. Default: none.
    redis_url: Option<String> = None, Maybe(Address),
        |url: impl Into<String>| Some(url.into());

    /// The directory of `filesystem`, which needs one. Default: none. A relative path is made absolute when the cache is
    /// opened.
    dir: Option<PathBuf> = None, Maybe(Directory),
        |path: impl Into<PathBuf>| Some(path.into());

    /// The longest that a call waits for the computation of another one before it computes by itself. Default: 30 s.
    flight_timeout: Duration = Duration::from_secs(30), Span,
        |limit: Duration| limit;

    /// The most values that this process keeps in front of a backend that is outside of it. Default: 0, none. Such a hit asks the
    /// backend nothing and decodes nothing. `max_bytes` bounds them as well.
    near: usize = 0, Number("the most values to keep in front of the backend, 0 for none"),
        |values: usize| values;

    /// The longest that this process may serve a value of its near tier after another process has overwritten it, 10 ms to 10 s.
    /// Default: 100 ms. The mark of the backend is read four times in this time.
    near_staleness: Duration = Duration::from_millis(100), Span,
        |time: Duration| time;

    /// The longest that a value stays in the near tier. Default: 30 s. It bounds how long a change by other programs than cachekit
    /// (`DEL`, `FLUSHALL`) can go unseen.
    near_max_age: Duration = Duration::from_secs(30), Span,
        |time: Duration| time;

    /// When a deletion returns while processes with a near tier use the backend. Default: [`NearDeletion::Final`].
    near_deletion: NearDeletion = NearDeletion::Final, When,
        |when: NearDeletion| when;

    /// Options of functions by their names, which win over the attributes: the tables `[functions."shop::price"]`. In a name `*`
    /// stands for any text; of the names that match, the narrowest that says an option decides it. A name without `*` that no
    /// function of the program has is an error of `init`. Default: empty. In the environment an inline TOML table, as for `options`.
    functions: BTreeMap<String, FunctionConfig> = BTreeMap::new(), ByName,
        |tables: impl IntoIterator<Item = (impl Into<String>, FunctionConfig)>|
            tables.into_iter().map(|(name, options)| (name.into(), options)).collect();

    /// Options of functions by the policy that their attributes name (`policy = "hot"`): the tables `[policies.hot]`. The attribute's
    /// own options win over them. Default: empty. In the environment as `functions`.
    policies: BTreeMap<String, FunctionConfig> = BTreeMap::new(), ByName,
        |tables: impl IntoIterator<Item = (impl Into<String>, FunctionConfig)>|
            tables.into_iter().map(|(name, options)| (name.into(), options)).collect();

    /// Lets `clear` empty a whole shared server where the key prefix is empty. Default: false.
    allow_flush: bool = false, Switch,
        |yes: bool| yes;

    /// The longest that a call waits for a backend, all its operations together; a second more for each 64 MiB of its values.
    /// Default: 500 ms.
    operation_timeout: Duration = Duration::from_millis(500), Span,
        |limit: Duration| limit;

    /// The longest that making one connection may take, within the operation timeout. Default: 250 ms.
    connect_timeout: Duration = Duration::from_millis(250), Span,
        |limit: Duration| limit;

    /// The time between two probes of a backend that failed. Default: 1 s.
    probe_interval: Duration = Duration::from_secs(1), Span,
        |interval: Duration| interval;

    /// The number of failures in a row after which a backend isn't asked until a probe succeeds. Default: 5.
    breaker_threshold: u32 = 5, Number("a number of failures, at least 1"),
        |failures: u32| failures;

    /// The most connections, or threads for a backend that blocks, that one cache uses at a time. Default: 16.
    pool_size: usize = 16, Number("a number of connections, at least 1"),
        |connections: usize| connections;

    /// Uses `null`, whatever the type. Default: false. In the environment this is `TESTING`, without the prefix.
    testing: bool = false, Switch,
        |yes: bool| yes;
}
