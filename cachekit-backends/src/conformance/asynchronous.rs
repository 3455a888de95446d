//! A backend's asynchronous methods as blocking ones, so that the same cases try them.

use std::sync::Arc;
use std::time::Duration;

use super::BlockOn;
use crate::delegate::{for_each_operation, for_each_optional_operation};
use crate::{
    AsyncBackend, Backend, BoxFuture, Capabilities, Cursor, Error, ErrorKind, Fetched, KeyPage, Put, Result,
    Token, Ttl,
};

pub(super) struct Blocking {
    inner: Arc<dyn Backend>,
    block_on: BlockOn,
}

impl Blocking {
    pub(super) fn new(inner: Arc<dyn Backend>, block_on: BlockOn) -> Self {
        Self { inner, block_on }
    }

    fn wait<'a, T: Send>(
        &'a self,
        call: impl FnOnce(&'a dyn AsyncBackend) -> BoxFuture<'a, Result<T>>,
    ) -> Result<T> {
        let missing = |what| Err(Error::new(ErrorKind::Unsupported, what));
        let Some(methods) = self.inner.asynchronous() else { return missing("no asynchronous methods") };
        let future = call(methods);
        let mut result = None;
        (self.block_on)(Box::pin(async { result = Some(future.await) }));
        result.unwrap_or_else(|| missing("`block_on` has not run the future to its end"))
    }
}

macro_rules! wait_for_each {
    ($($name:ident($($arg:ident: $t:ty),*) -> $out:ty;)*) => {$(
        fn $name<'a>(&'a self, $($arg: $t),*) -> Result<$out> {
            self.wait(|methods| methods.$name($($arg),*))
        }
    )*};
}

impl Backend for Blocking {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    for_each_operation!(wait_for_each!);
    for_each_optional_operation!(wait_for_each!);

    fn set_operation_timeout(&self, limit: Duration) {
        self.inner.set_operation_timeout(limit);
    }
}
