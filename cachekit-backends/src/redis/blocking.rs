//! The way to one server that blocks the thread: a pool of connections.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use redis::{Cmd, Value};
use rustls::ClientConfig;
use scheduled_thread_pool::ScheduledThreadPool;

use super::command::{Batch, Reply, is_demoted, reply};
use super::error::{Server, is_closed};
use super::line::Line;
use super::place::Place;
use super::route::{Dial, Route, open};
use super::wire::{Failure, Limits, Wire, ready};
use crate::Result;

/// Connections that nobody used for so long are closed: a firewall may have forgotten them.
const IDLE: Duration = Duration::from_secs(60);

/// The pool's own work is to make empty places and to close idle connections, for all caches.
static HOUSEKEEPING: LazyLock<Arc<ScheduledThreadPool>> = LazyLock::new(|| {
    Arc::new(ScheduledThreadPool::builder().num_threads(1).thread_name_pattern("cachekit-redis-pool").build())
});

/// A place for a connection. The pool hands out places, and who gets an empty one connects by itself: within its own deadline,
/// and with the real error.
struct Slot(Option<(Line, u64)>);

struct Slots;

impl r2d2::ManageConnection for Slots {
    type Connection = Slot;
    type Error = Infallible;

    fn connect(&self) -> Result<Slot, Infallible> {
        Ok(Slot(None))
    }

    fn is_valid(&self, _: &mut Slot) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Slot) -> bool {
        false
    }
}

pub(super) struct Pooled {
    pool: r2d2::Pool<Slots>,
    size: u32,
    route: Arc<Route>,
    limits: Arc<Limits>,
    /// Raised when a connection was found dead: all of before are dead as well, or soon will be.
    epoch: AtomicU64,
}

impl Pooled {
    pub(super) fn new(route: Arc<Route>, limits: Arc<Limits>, size: usize) -> Self {
        let size = u32::try_from(size).unwrap_or(u32::MAX).max(1);
        let pool = r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .max_lifetime(None)
            .idle_timeout(Some(IDLE))
            .error_handler(Box::new(r2d2::NopErrorHandler))
            .thread_pool(Arc::clone(&HOUSEKEEPING))
            .build_unchecked(Slots);
        Self { pool, size, route, limits, epoch: AtomicU64::new(0) }
    }

    fn run(&self, batch: &Batch, deadline: Instant) -> Result<Vec<Reply>, Failure> {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut slot = self.pool.get_timeout(left).map_err(|_| {
            let doing = format!("waiting for one of {} connections (`pool_size`)", self.size);
            Failure::Final(self.route.server.timeout(&doing))
        })?;
        let epoch = self.epoch.load(Ordering::Acquire);
        let (mut line, reused) = match slot.0.take() {
            Some((line, made)) if made == epoch => (line, true),
            _ => {
                let by = self.limits.connect_by(deadline);
                (
                    ready(open(&Dialer { server: &self.route.server }, &self.route, by))
                        .map_err(Failure::Final)?,
                    false,
                )
            }
        };
        match line.ask(batch.commands.iter().map(|command| &command.cmd), deadline) {
            Ok(values) => {
                let replies: Vec<Reply> = values.into_iter().map(reply).collect();
                if !replies.iter().any(is_demoted) {
                    slot.0 = Some((line, epoch));
                }
                Ok(replies)
            }
            Err(error) => {
                let stale = reused && is_closed(&error);
                if stale {
                    let _ =
                        self.epoch.compare_exchange(epoch, epoch + 1, Ordering::AcqRel, Ordering::Relaxed);
                }
                let error = self.route.server.error(error);
                Err(if stale { Failure::Stale(error) } else { Failure::Final(error) })
            }
        }
    }
}

impl Wire for Pooled {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn server(&self) -> &Server {
        &self.route.server
    }

    fn is_scattered(&self) -> bool {
        false
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    fn forget(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    async fn exchange(&self, batch: &Batch, deadline: Instant) -> Result<Vec<Reply>, Failure> {
        self.run(batch, deadline)
    }
}

struct Dialer<'a> {
    server: &'a Server,
}

impl Dial for Dialer<'_> {
    type Line = Line;

    async fn dial(&self, place: &Place, tls: Option<&Arc<ClientConfig>>, deadline: Instant) -> Result<Line> {
        Line::connect(place, tls, deadline).map_err(|error| self.server.connecting(place, error))
    }

    async fn ask(&self, line: &mut Line, commands: Vec<Cmd>, deadline: Instant) -> Result<Vec<Value>> {
        line.ask(commands.iter(), deadline).map_err(|error| self.server.error(error))
    }
}
