//! Backends by name, and the way from a configuration to a backend.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::{Backend, CacheType, Clock, Config, Error, ErrorKind, Result, null};

type Factory = Arc<dyn Fn(&Config) -> Result<Arc<dyn Backend>> + Send + Sync>;

static FACTORIES: RwLock<BTreeMap<String, Factory>> = RwLock::new(BTreeMap::new());

/// Makes a backend of your own available as a cache type: `Config::default().cache_type("mine")`, `CACHE_TYPE=mine`.
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

/// What [`open`] made of a configuration.
pub enum Opened {
    /// The store in this process, which keeps values instead of bytes; its owner makes it.
    Simple,
    /// A store of bytes.
    Shared(Arc<dyn Backend>),
}

/// Checks a configuration and opens its backend.
///
/// # Errors
/// Those of [`Config::validate`], and of the backend.
pub fn open(config: &Config, clock: &Clock) -> Result<Opened> {
    config.validate()?;
    if config.testing {
        // Who asks for it by this switch needs no warning.
        return Ok(Opened::Shared(Arc::new(null::Null)));
    }
    let backend: Arc<dyn Backend> = match &config.cache_type {
        CacheType::Simple => return Ok(Opened::Simple),
        CacheType::Null => {
            null::warn_once(config.no_null_warning);
            Arc::new(null::Null)
        }
        CacheType::FileSystem => filesystem(config, clock)?,
        CacheType::Redis => redis(config)?,
        CacheType::Memcached
        | CacheType::GaeMemcached
        | CacheType::SaslMemcached
        | CacheType::SpreadSaslMemcached => memcached(config)?,
        CacheType::Custom(name) => {
            // A factory may register or open others, so it runs outside of the lock.
            let factory = FACTORIES.read().get(name).cloned();
            let Some(factory) = factory else { return Err(not_built(&config.cache_type)) };
            factory(config)?
        }
    };
    Ok(Opened::Shared(backend))
}

#[cfg(feature = "filesystem")]
fn filesystem(config: &Config, clock: &Clock) -> Result<Arc<dyn Backend>> {
    use crate::filesystem::{FileSystem, Options};
    let Some(dir) = &config.dir else { return Err(not_built(&config.cache_type)) };
    let options = Options::default().threshold(config.threshold).clock(clock.clone());
    Ok(Arc::new(FileSystem::open(dir, options)?))
}

#[cfg(not(feature = "filesystem"))]
fn filesystem(config: &Config, _clock: &Clock) -> Result<Arc<dyn Backend>> {
    Err(not_built(&config.cache_type))
}

#[cfg(feature = "redis")]
fn redis(config: &Config) -> Result<Arc<dyn Backend>> {
    crate::redis::open(config)
}

#[cfg(not(feature = "redis"))]
fn redis(config: &Config) -> Result<Arc<dyn Backend>> {
    Err(not_built(&config.cache_type))
}

#[cfg(feature = "memcached")]
fn memcached(config: &Config) -> Result<Arc<dyn Backend>> {
    crate::memcached::open(config)
}

#[cfg(not(feature = "memcached"))]
fn memcached(config: &Config) -> Result<Arc<dyn Backend>> {
    Err(not_built(&config.cache_type))
}

/// What [`Config::validate`] lets through and nothing opens.
fn not_built(cache_type: &CacheType) -> Error {
    Error::new(ErrorKind::Unsupported, format!("no backend for the cache type `{cache_type}` in this build"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Capabilities, Lifetime};

    /// What the factory was given is told by `max_value_len`.
    struct Mine(Capabilities);

    impl Backend for Mine {
        fn capabilities(&self) -> Capabilities {
            self.0
        }
        fn get(&self, _key: &str) -> Result<Option<Vec<u8>>> {
            Ok(Some(b"mine".to_vec()))
        }
        fn set(&self, _key: &str, _value: &[u8], _life: Lifetime) -> Result<()> {
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
