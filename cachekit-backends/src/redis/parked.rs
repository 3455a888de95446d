//! The transport that blocks the thread over the one of tasks, for a cluster: only the library's asynchronous side asks several
//! nodes at once and can be stopped at a deadline.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::Server;
use super::limits::Limits;
use super::multiplexed::Multiplexed;
use super::transport::{Failure, Transport};
use super::wire::{Batch, Reply};
use crate::net::block_until;

pub(super) struct Parked(pub(super) Arc<Multiplexed>);

impl Transport for Parked {
    fn limits(&self) -> &Limits {
        self.0.limits()
    }

    fn server(&self) -> &Server {
        self.0.server()
    }

    fn is_scattered(&self) -> bool {
        true
    }

    fn epoch(&self) -> u64 {
        self.0.epoch()
    }

    fn forget(&self) {
        self.0.forget();
    }

    async fn exchange(&self, batch: &Batch, deadline: Instant) -> Result<Vec<Reply>, Failure> {
        /// The future keeps its deadline by itself; this is for the case that it can't.
        const GRACE: Duration = Duration::from_millis(50);
        let deadline_now = self.0.moving(deadline + GRACE);
        block_until(self.0.exchange(batch, deadline), || Some(deadline_now.get()))
            .unwrap_or_else(|| Err(Failure::Final(self.server().timeout("the reply"))))
    }
}
