//! A backend behind a pointer is a backend. Every method is passed on, because the one inside may do better than the
//! trait's defaults.

use std::sync::Arc;
use std::time::Duration;

use crate::{AsyncBackend, Backend, Capabilities, Fetched, Lifetime, Result, Token, Version};

macro_rules! delegate {
    ($($pointer:ty,)*) => {$(
        impl<B: Backend + ?Sized> Backend for $pointer {
            fn capabilities(&self) -> Capabilities {
                (**self).capabilities()
            }
            fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
                (**self).get(key)
            }
            fn set(&self, key: &str, value: &[u8], life: Lifetime) -> Result<()> {
                (**self).set(key, value, life)
            }
            fn delete(&self, key: &str) -> Result<bool> {
                (**self).delete(key)
            }
            fn clear(&self, prefix: &str) -> Result<()> {
                (**self).clear(prefix)
            }
            fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>> {
                (**self).get_many(keys)
            }
            fn set_many(&self, items: &[(&str, &[u8])], life: Lifetime) -> Result<()> {
                (**self).set_many(items, life)
            }
            fn delete_many(&self, keys: &[&str]) -> Result<u64> {
                (**self).delete_many(keys)
            }
            fn add(&self, key: &str, value: &[u8], life: Lifetime) -> Result<bool> {
                (**self).add(key, value, life)
            }
            fn token(&self, key: &str) -> Result<Token> {
                (**self).token(key)
            }
            fn put_if(&self, key: &str, value: &[u8], life: Lifetime, token: Token) -> Result<bool> {
                (**self).put_if(key, value, life, token)
            }
            fn fetch(&self, entry: &str, versions: &[&str]) -> Result<Fetched> {
                (**self).fetch(entry, versions)
            }
            fn make_version(&self, key: &str, replace: bool) -> Result<Version> {
                (**self).make_version(key, replace)
            }
            fn asynchronous(&self) -> Option<&dyn AsyncBackend> {
                (**self).asynchronous()
            }
            fn set_operation_timeout(&self, limit: Duration) {
                (**self).set_operation_timeout(limit);
            }
        }
    )*};
}
delegate! { Box<B>, Arc<B>, }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, ErrorKind};
    use parking_lot::Mutex;

    /// Notes which method was called, and answers every one with an error where it can.
    #[derive(Default)]
    struct Spy(Mutex<Vec<&'static str>>);

    impl Spy {
        fn note<T>(&self, method: &'static str) -> Result<T> {
            self.0.lock().push(method);
            Err(Error::new(ErrorKind::Other, method))
        }
    }

    impl Backend for Spy {
        fn capabilities(&self) -> Capabilities {
            self.0.lock().push("capabilities");
            Capabilities::none()
        }
        fn get(&self, _: &str) -> Result<Option<Vec<u8>>> {
            self.note("get")
        }
        fn set(&self, _: &str, _: &[u8], _: Lifetime) -> Result<()> {
            self.note("set")
        }
        fn delete(&self, _: &str) -> Result<bool> {
            self.note("delete")
        }
        fn clear(&self, _: &str) -> Result<()> {
            self.note("clear")
        }
        fn get_many(&self, _: &[&str]) -> Result<Vec<Option<Vec<u8>>>> {
            self.note("get_many")
        }
        fn set_many(&self, _: &[(&str, &[u8])], _: Lifetime) -> Result<()> {
            self.note("set_many")
        }
        fn delete_many(&self, _: &[&str]) -> Result<u64> {
            self.note("delete_many")
        }
        fn add(&self, _: &str, _: &[u8], _: Lifetime) -> Result<bool> {
            self.note("add")
        }
        fn token(&self, _: &str) -> Result<Token> {
            self.note("token")
        }
        fn put_if(&self, _: &str, _: &[u8], _: Lifetime, _: Token) -> Result<bool> {
            self.note("put_if")
        }
        fn fetch(&self, _: &str, _: &[&str]) -> Result<Fetched> {
            self.note("fetch")
        }
        fn make_version(&self, _: &str, _: bool) -> Result<Version> {
            self.note("make_version")
        }
        fn asynchronous(&self) -> Option<&dyn AsyncBackend> {
            self.0.lock().push("asynchronous");
            None
        }
        fn set_operation_timeout(&self, _: Duration) {
            self.0.lock().push("set_operation_timeout");
        }
    }

    /// Calls every method of the trait once; the order is that of the names expected below.
    fn call_all(backend: &impl Backend) {
        let _ = backend.capabilities();
        let _ = backend.get("k");
        let _ = backend.set("k", b"", None);
        let _ = backend.delete("k");
        let _ = backend.clear("k");
        let _ = backend.get_many(&["k"]);
        let _ = backend.set_many(&[("k", b"")], None);
        let _ = backend.delete_many(&["k"]);
        let _ = backend.add("k", b"", None);
        let _ = backend.token("k");
        let _ = backend.put_if("k", b"", None, Token(0));
        let _ = backend.fetch("k", &["v"]);
        let _ = backend.make_version("k", false);
        let _ = backend.asynchronous();
        backend.set_operation_timeout(Duration::ZERO);
    }

    /// A method that isn't passed on would run the trait's default, which calls others or none.
    #[test]
    fn every_method_is_passed_on() {
        let spy = Arc::new(Spy::default());
        call_all(&(Box::new(Arc::clone(&spy) as Arc<dyn Backend>) as Box<dyn Backend>));
        let methods = [
            "capabilities",
            "get",
            "set",
            "delete",
            "clear",
            "get_many",
            "set_many",
            "delete_many",
            "add",
            "token",
            "put_if",
            "fetch",
            "make_version",
            "asynchronous",
            "set_operation_timeout",
        ];
        assert_eq!(*spy.0.lock(), methods);
    }
}
