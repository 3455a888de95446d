use std::sync::Arc;
use std::time::Duration;

use super::multiplexed::Multiplexed;
use super::ops::Ops;
use super::recent::Recent;
use super::transport::Transport;
use super::wire::MAX_VALUE_LEN;
use crate::delegate::{for_each_operation, for_each_optional_operation, run_as_task, run_blocking};
use crate::net::Callers;
use crate::{
    AsyncBackend, Backend, BoxFuture, Capabilities, Cursor, Fetched, KeyPage, Put, Result, Token, Ttl,
};

/// How many threads at once have connections of their own. Redis has one thread, whose time goes into system calls for each
/// connection: two callers on one connection already get more done.
const MOST_ALONE: usize = 1;

/// The store: two transports to the same server.
pub(super) struct Redis<B> {
    blocking: B,
    tasks: Arc<Multiplexed>,
    callers: Callers,
    recent: Recent,
}

impl<B: Transport> Redis<B> {
    pub(super) fn new(blocking: B, tasks: Arc<Multiplexed>) -> Self {
        Self { blocking, tasks, callers: Callers::new(MOST_ALONE), recent: Recent::new() }
    }

    fn blocking(&self) -> Ops<'_, B> {
        Ops::new(&self.blocking, &self.recent)
    }

    fn tasks(&self) -> Ops<'_, Multiplexed> {
        Ops::new(&self.tasks, &self.recent)
    }
}

impl<B: Transport + Send + 'static> Backend for Redis<B> {
    fn capabilities(&self) -> Capabilities {
        Capabilities::none()
            .shared(true)
            .atomic_add(true)
            .conditional(true)
            .clear_by_prefix(true)
            .list_keys(true)
            .bounded(true)
            .max_value_len(MAX_VALUE_LEN)
    }

    for_each_operation!(run_blocking!);
    for_each_optional_operation!(run_blocking!);

    fn asynchronous(&self) -> Option<&dyn AsyncBackend> {
        Some(self)
    }

    fn set_operation_timeout(&self, limit: Duration) {
        self.blocking.limits().set_operation(limit);
    }
}

impl<B: Transport + Send + 'static> AsyncBackend for Redis<B> {
    for_each_operation!(run_as_task!);
    for_each_optional_operation!(run_as_task!);
}
