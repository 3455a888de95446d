//! The operations of [`Backend`] as a list, and their delegation by pointers.
//!
//! An operation is written once in the trait, with its behavior and its default, and once in `for_each_operation`. Every
//! place that passes all operations on is made from that list.

use std::sync::Arc;
use std::time::Duration;

use crate::{
    AsyncBackend, Backend, Capabilities, Cursor, Fetched, KeyPage, Put, Result, Token, Ttl, Usage, Version,
};

/// Calls a macro with every operation that a backend has in both forms, blocking and asynchronous: its name, parameters and
/// result. The lifetime `'a` is that of `self`, too.
macro_rules! for_each_operation {
    ($callback:ident!) => {
        $callback! {
            get(key: &'a str) -> Option<Vec<u8>>;
            set(key: &'a str, value: &'a [u8], life: Ttl) -> ();
            delete(key: &'a str) -> bool;
            clear(prefix: &'a str) -> ();
            get_many(keys: &'a [&'a str]) -> Vec<Option<Vec<u8>>>;
            set_many(items: &'a [(&'a str, &'a [u8])], life: Ttl) -> ();
            delete_many(keys: &'a [&'a str]) -> u64;
            add(key: &'a str, value: &'a [u8], life: Ttl) -> bool;
            token(key: &'a str) -> Token;
            put_if(key: &'a str, value: &'a [u8], life: Ttl, token: Token) -> bool;
            fetch(entry: &'a str, versions: &'a [&'a str]) -> Fetched;
        }
    };
}
pub(crate) use for_each_operation;

/// The same for the operations that have a default in [`AsyncBackend`], too.
macro_rules! for_each_optional_operation {
    ($callback:ident!) => {
        $callback! {
            put_under(key: &'a str, value: &'a [u8], life: Ttl, token: Token, versions: &'a [&'a str]) -> bool;
            delete_if(key: &'a str, token: Token) -> bool;
            add_and_check(key: &'a str, value: &'a [u8], life: Ttl, other: &'a str, token: Token) -> Option<bool>;
            keys(prefix: &'a str, at: Option<&'a Cursor>) -> KeyPage;
            fetch_many(entries: &'a [(&'a str, &'a [&'a str])]) -> Vec<Fetched>;
            put_under_many(items: &'a [Put<'a>]) -> Vec<bool>;
        }
    };
}
#[cfg(any(feature = "redis", feature = "memcached", feature = "conformance", test))]
pub(crate) use for_each_optional_operation;

/// Implements the operations of a [`Backend`] that has them as `async fn`s over two transports: `blocking()` returns them over the
/// one that blocks the thread, `tasks()` over the one that all callers share. `callers` decides.
#[cfg(any(feature = "redis", feature = "memcached"))]
macro_rules! run_blocking {
    ($($name:ident($($arg:ident: $t:ty),*) -> $out:ty;)*) => {$(
        fn $name<'a>(&'a self, $($arg: $t),*) -> Result<$out> {
            self.callers.run(
                || crate::net::ready(self.blocking().$name($($arg),*)),
                || crate::net::block_on(self.tasks().$name($($arg),*)),
            )
        }
    )*};
}
#[cfg(any(feature = "redis", feature = "memcached"))]
pub(crate) use run_blocking;

/// The same for [`AsyncBackend`]: `tasks()` returns the operations over the transport that waits as a task.
#[cfg(any(feature = "redis", feature = "memcached"))]
macro_rules! run_as_task {
    ($($name:ident($($arg:ident: $t:ty),*) -> $out:ty;)*) => {$(
        fn $name<'a>(&'a self, $($arg: $t),*) -> BoxFuture<'a, Result<$out>> {
            Box::pin(async move { self.tasks().$name($($arg),*).await })
        }
    )*};
}
#[cfg(any(feature = "redis", feature = "memcached"))]
pub(crate) use run_as_task;

macro_rules! pass_on {
    ($($name:ident($($arg:ident: $t:ty),*) -> $out:ty;)*) => {$(
        fn $name<'a>(&'a self, $($arg: $t),*) -> Result<$out> {
            (**self).$name($($arg),*)
        }
    )*};
}

/// A backend behind a pointer is a backend. All methods are passed on, because the one inside may do better than the
/// trait's defaults.
macro_rules! delegate {
    ($($pointer:ty,)*) => {$(
        impl<B: Backend + ?Sized> Backend for $pointer {
            for_each_operation!(pass_on!);
            for_each_optional_operation!(pass_on!);

            fn capabilities(&self) -> Capabilities {
                (**self).capabilities()
            }
            fn usage(&self) -> Usage {
                (**self).usage()
            }
            fn mark(&self) -> Result<Option<u64>> {
                (**self).mark()
            }
            fn renew_mark(&self) -> Result<()> {
                (**self).renew_mark()
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

    /// Notes the methods that are called, and answers each with an error where it can.
    #[derive(Default)]
    struct Spy(Mutex<Vec<&'static str>>);

    impl Spy {
        fn note<T>(&self, method: &'static str) -> Result<T> {
            self.0.lock().push(method);
            Err(Error::new(ErrorKind::Other, method))
        }
    }

    macro_rules! note_each {
        ($($name:ident($($arg:ident: $t:ty),*) -> $out:ty;)*) => {$(
            fn $name<'a>(&'a self, $(_: $t),*) -> Result<$out> {
                self.note(stringify!($name))
            }
        )*};
    }

    impl Backend for Spy {
        fn capabilities(&self) -> Capabilities {
            self.0.lock().push("capabilities");
            Capabilities::none()
        }
        for_each_operation!(note_each!);
        for_each_optional_operation!(note_each!);

        fn usage(&self) -> Usage {
            self.0.lock().push("usage");
            Usage::default()
        }

        fn mark(&self) -> Result<Option<u64>> {
            self.note("mark")
        }
        fn renew_mark(&self) -> Result<()> {
            self.note("renew_mark")
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
        let _ = backend.put_under("k", b"", None, Token(0), &[]);
        let _ = backend.fetch("k", &["v"]);
        let _ = backend.delete_if("k", Token(0));
        let _ = backend.add_and_check("k", b"", None, "o", Token(0));
        let _ = backend.keys("k", None);
        let _ = backend.fetch_many(&[("k", &["v"])]);
        let _ = backend.put_under_many(&[Put {
            key: "k",
            value: b"",
            life: None,
            token: Token(0),
            versions: &[],
        }]);
        let _ = backend.usage();
        let _ = backend.mark();
        let _ = backend.renew_mark();
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
            "put_under",
            "fetch",
            "delete_if",
            "add_and_check",
            "keys",
            "fetch_many",
            "put_under_many",
            "usage",
            "mark",
            "renew_mark",
            "make_version",
            "asynchronous",
            "set_operation_timeout",
        ];
        assert_eq!(*spy.0.lock(), methods);
    }
}
