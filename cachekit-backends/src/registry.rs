//! Backends by name, and the way from a configuration to a backend.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::{Backend, CacheType, Clock, Config, Error, ErrorKind, Result, null};

type Factory = Arc<dyn Fn(&Config) -> Result<Arc<dyn Backend>> + Send + Sync>;

static FACTORIES: RwLock<BTreeMap<String, Factory>> = RwLock::new(BTreeMap::new());

/// Makes a custom backend available as a cache type: `Config::default().cache_type("mine")`, `CACHE_TYPE=mine`.
///
/// The factory is called for each cache that is opened with the name. It reads
/// [`args`](field@Config::args) and [`options`](field@Config::options), and refuses what it doesn't know.
///
/// # Errors
/// [`ErrorKind::Config`] for a name that is taken, empty, or the word for a type of cachekit's own.
pub fn register_backend<B: Backend>(
    name: impl Into<String>,
    factory: impl Fn(&Config) -> Result<B> + Send + Sync + 'static,
) -> Result<()> {
    let refuse = |message: String| Err(Error::new(ErrorKind::Config, message));
    let name = match CacheType::from(name.into()) {
        CacheType::Custom(name) if name.trim().is_empty() => {
            return refuse("a backend's name must not be empty".into());
        }
        CacheType::Custom(name) => name,
        known => {
            return refuse(format!("`{known}` is a cache type of cachekit: register under another name"));
        }
    };
    let mut factories = FACTORIES.write();
    if factories.contains_key(&name) {
        drop(factories);
        return refuse(format!("a backend named `{name}` is registered already"));
    }
    factories.insert(name, Arc::new(move |config| Ok(Arc::new(factory(config)?))));
    Ok(())
}

/// The registered names, in order.
pub(crate) fn names() -> Vec<String> {
    FACTORIES.read().keys().cloned().collect()
}

/// The result of [`open`].
pub enum Opened {
    /// The store in this process, which keeps values instead of bytes; the caller makes it.
    Simple,
    /// A store of bytes.
    Shared(Arc<dyn Backend>),
}

/// Checks a configuration, opens its backend, and logs one line with the backend, the server or directory, and the prefix.
///
/// # Errors
/// Those of [`Config::validate`], and of the backend.
pub fn open(config: &Config, clock: &Clock) -> Result<Opened> {
    let config = config.resolved()?;
    let backend = || config.cache_type.as_str().to_owned();
    let opened = open_resolved(&config, clock)
        .map_err(|error| error.with_operation("open").with_backend(backend()))?;
    log(&config);
    Ok(opened)
}

fn open_resolved(config: &Config, clock: &Clock) -> Result<Opened> {
    if config.testing {
        // Asked for by this switch, it needs no warning.
        return Ok(Opened::Shared(Arc::new(null::Null)));
    }
    if let Some(built) = config.built_in() {
        return (built.open)(config, clock);
    }
    // A factory may register or open others, so it runs outside of the lock.
    let factory = FACTORIES.read().get(config.cache_type.as_str()).cloned();
    let missing = || {
        let message = format!("this build has no backend for the cache type `{}`", config.cache_type);
        Error::new(ErrorKind::Unsupported, message)
    };
    Ok(Opened::Shared(factory.ok_or_else(missing)?(config)?))
}

/// The backend that a configuration opens: its word of `CACHE_TYPE`, and its servers or directory, if it has them. Neither has
/// a secret.
pub fn describe(config: &Config) -> (String, Option<String>) {
    if config.testing {
        return (CacheType::Null.to_string(), None);
    }
    let location = |config: &Config| config.built_in().and_then(|built| (built.location)(config));
    let location = config.resolved().map_or_else(|_| location(config), |resolved| location(&resolved));
    (config.cache_type.to_string(), location)
}

fn log(config: &Config) {
    let ((backend, server), prefix) = (describe(config), &*config.key_prefix);
    // The tier: the most values that this process keeps in front of the backend.
    let near = config.near;
    tracing::info!(target: "cachekit", %backend, server, prefix, near, "the cache is open");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Capabilities, Ttl};

    /// `max_value_len` is the option that the factory was given.
    struct Mine(Capabilities);

    impl Backend for Mine {
        fn capabilities(&self) -> Capabilities {
            self.0
        }
        fn get(&self, _key: &str) -> Result<Option<Vec<u8>>> {
            Ok(Some(b"mine".to_vec()))
        }
        fn set(&self, _key: &str, _value: &[u8], _life: Ttl) -> Result<()> {
            Ok(())
        }
        fn delete(&self, _key: &str) -> Result<bool> {
            Ok(true)
        }
        fn clear(&self, _prefix: &str) -> Result<()> {
            Ok(())
        }
    }

    fn mine(config: &Config) -> Result<Mine> {
        let len = config.options.get("len").and_then(crate::Value::as_integer);
        let len = len.ok_or_else(|| Error::new(ErrorKind::Config, "`mine` needs the option `len`"))?;
        Ok(Mine(Capabilities::none().max_value_len(usize::try_from(len).unwrap_or_default())))
    }

    fn shared(config: &Config) -> Arc<dyn Backend> {
        match open(config, &Clock::system()).unwrap() {
            Opened::Shared(backend) => backend,
            Opened::Simple => panic!("not a store of bytes"),
        }
    }

    fn refused(result: Result<impl Sized>) -> String {
        let error = result.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.to_string()
    }

    #[test]
    fn a_registered_factory_opens_with_the_configuration() {
        register_backend("open-mine", mine).unwrap();
        let config = Config::default().cache_type("open-mine");
        let backend = shared(&config.clone().options([("len", 7)]));
        assert_eq!(backend.capabilities().max_value_len, Some(7));
        assert_eq!(refused(open(&config, &Clock::system())), "`mine` needs the option `len`");
    }

    #[test]
    fn a_factory_may_make_any_backend_or_pointer_to_one_and_open_others() {
        register_backend("boxed", |_: &Config| Ok(Box::new(null::Null) as Box<dyn Backend>)).unwrap();
        register_backend("nested", |config: &Config| {
            register_backend("nested-inner", |_: &Config| Ok(null::Null))?;
            match open(&config.clone().cache_type("boxed"), &Clock::system())? {
                Opened::Shared(backend) => Ok(backend),
                Opened::Simple => Err(Error::new(ErrorKind::Other, "simple")),
            }
        })
        .unwrap();
        assert!(shared(&Config::default().cache_type("nested")).capabilities().discards);
    }

    #[test]
    fn a_name_is_given_once_and_is_none_of_ours() {
        register_backend("twice", mine).unwrap();
        assert_eq!(refused(register_backend("twice", mine)), "a backend named `twice` is registered already");
        assert_eq!(
            refused(register_backend("Redis", mine)),
            "`redis` is a cache type of cachekit: register under another name"
        );
        assert_eq!(refused(register_backend(" ", mine)), "a backend's name must not be empty");
    }

    #[test]
    fn each_type_opens_its_backend() {
        assert!(matches!(open(&Config::simple(), &Clock::system()).unwrap(), Opened::Simple));
        assert!(shared(&Config::null().no_null_warning(true)).capabilities().discards);
    }

    #[cfg(feature = "filesystem")]
    #[test]
    fn filesystem_opens_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        assert!(shared(&Config::filesystem(dir.path())).capabilities().shared);
    }

    #[test]
    fn testing_opens_null_whatever_the_type() {
        for word in ["simple", "redis", "filesystem", "unheard of"] {
            assert!(
                shared(&Config::default().cache_type(word).testing(true)).capabilities().discards,
                "{word}"
            );
        }
    }

    #[test]
    fn a_mistake_is_found_before_anything_is_opened() {
        register_backend("never-opened", |_: &Config| -> Result<Mine> { panic!("it was opened") }).unwrap();
        let config = Config::default().cache_type("never-opened").pool_size(0);
        assert_eq!(refused(open(&config, &Clock::system())), "`pool_size` must be more than zero");
    }
}
