//! A connection that many tasks share: their requests go out together, and the replies come back in order.
//!
//! A caller appends its request to one buffer and writes the buffer by itself, after the other tasks that are about to run
//! have appended theirs. A task of the [runtime](super::runtime), the driver, reads: one change of threads a round trip,
//! however many requests it has. No caller depends on another one being polled.

mod driver;
mod halves;
mod slot;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::task::AbortHandle;

use self::driver::Driver;
use self::halves::{WriteHalf, split};
use self::slot::Slot;
use super::buffer::Buffer;
use super::pool::IDLE;
use super::task::TaskStream;
use crate::deadline::Extension;

/// A connection without requests is closed after once to twice this time, before a firewall forgets it.
const SPARE: Duration = Duration::from_secs(IDLE.as_secs() / 2);

/// The replies to the requests of one caller.
pub(crate) trait Exchange: Send + 'static {
    type Fault: From<io::Error> + Send + 'static;
    /// Takes bytes that have arrived; returns whether all replies are complete. Leaves the bytes after them.
    ///
    /// # Errors
    /// If the bytes are none of these replies. The connection is closed then.
    fn feed(&mut self, input: &mut Buffer) -> Result<bool, Self::Fault>;
    /// The fault of bytes that nothing was asked for.
    fn unasked(bytes: &[u8]) -> Self::Fault;
    /// Returns the same fault, for another exchange that ends with the connection.
    fn again(fault: &Self::Fault) -> Self::Fault;
}

/// Why an exchange has no replies. The connection is closed.
#[derive(Debug)]
pub(crate) struct Lost<F> {
    pub(crate) fault: F,
    /// Whether the server may have got the requests.
    pub(crate) sent: bool,
}

impl<F: From<io::Error>> Lost<F> {
    fn closed(sent: bool) -> Self {
        Self { fault: io::Error::from(io::ErrorKind::ConnectionAborted).into(), sent }
    }
}

/// An exchange whose replies are awaited.
struct Pending<X: Exchange> {
    exchange: X,
    slot: Arc<Slot<X>>,
    /// None once it is over: the caller has gone, and the replies are still due.
    deadline: Option<Instant>,
}

struct State<X: Exchange> {
    /// The socket's writing half; none under TLS, and at the end: the system closes a connection with its last holder.
    socket: Option<Arc<WriteHalf>>,
    /// The requests that are not written yet.
    output: Vec<u8>,
    /// Where the records of TLS end in the output; empty otherwise.
    cuts: VecDeque<usize>,
    /// An empty buffer that takes the place of one that is written.
    spare: Vec<u8>,
    /// Whether a caller or the driver writes.
    writing: bool,
    /// How many callers had their requests in the last write.
    last_write: usize,
    /// Exchanges that the driver has not taken, in the order of their requests.
    queue: VecDeque<Pending<X>>,
    /// How many of the queue, at its end, have their requests in the output.
    unsent: usize,
    /// How many exchanges are sent and not complete.
    in_flight: usize,
    /// When the driver wakes next by itself.
    armed: Instant,
    driver: Option<Waker>,
    /// Whether later requests go over another connection.
    closed: bool,
    /// Why it is closed, once the driver knows.
    cause: Option<X::Fault>,
    /// Whether a caller has found the connection dead.
    broken: bool,
}

struct Inner<X: Exchange> {
    state: Mutex<State<X>>,
    /// The driver writes, too.
    is_tls: bool,
    closed: AtomicBool,
}

impl<X: Exchange> Inner<X> {
    /// Wakes the driver.
    fn wake(&self) {
        let driver = self.state.lock().driver.clone();
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Writes what is in the output. Leaves the rest to the driver where the socket takes no more.
    fn flush(&self) {
        if self.is_tls {
            return self.wake();
        }
        let mut state = self.state.lock();
        let Some(socket) = state.socket.clone() else { return };
        if state.broken || state.writing || state.output.is_empty() {
            return;
        }
        state.writing = true;
        if state.in_flight == 0 {
            // Nothing is due, so that whatever has arrived was not asked for.
            drop(state);
            let quiet = socket.is_quiet();
            state = self.state.lock();
            if !quiet {
                return self.break_off(state);
            }
        }
        while !state.output.is_empty() && !state.broken {
            let mut chunk = state.take_output();
            drop(state);
            let written = socket.write_now(&chunk);
            state = self.state.lock();
            match written {
                Ok(n) if n == chunk.len() => state.recycle(chunk),
                Ok(n) => {
                    chunk.drain(..n);
                    chunk.append(&mut state.output);
                    state.output = chunk;
                    state.writing = false;
                    drop(state);
                    return self.wake();
                }
                Err(_) => return self.break_off(state),
            }
        }
        state.writing = false;
    }

    /// Ends a connection that a caller has found dead.
    #[cold]
    fn break_off(&self, mut state: MutexGuard<'_, State<X>>) {
        state.broken = true;
        state.cause.get_or_insert_with(|| io::Error::from(io::ErrorKind::UnexpectedEof).into());
        self.close(&mut state);
        drop(state);
        self.wake();
    }

    /// Has later requests sent over another connection.
    fn close(&self, state: &mut State<X>) {
        state.closed = true;
        self.closed.store(true, Ordering::Release);
    }
}

impl<X: Exchange> State<X> {
    /// Takes the output, which counts as sent from now on.
    fn take_output(&mut self) -> Vec<u8> {
        self.last_write = self.unsent;
        self.in_flight += std::mem::take(&mut self.unsent);
        let spare = std::mem::take(&mut self.spare);
        std::mem::replace(&mut self.output, spare)
    }

    fn recycle(&mut self, mut written: Vec<u8>) {
        /// A buffer that a large value made is not kept.
        const KEEP: usize = 64 << 10;
        if written.capacity() <= KEEP {
            written.clear();
            self.spare = written;
        }
    }
}

/// A connection. It is closed with the last clone, whatever the server still sends.
pub(crate) struct Line<X: Exchange>(Arc<Handle<X>>);

struct Handle<X: Exchange> {
    inner: Arc<Inner<X>>,
    driver: AbortHandle,
}

impl<X: Exchange> Clone for Line<X> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<X: Exchange> Drop for Handle<X> {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The bytes of requests.
pub(crate) struct Packed<'a> {
    pub(crate) bytes: &'a [u8],
    /// Where the records end that TLS makes of them, if one is not enough.
    pub(crate) cuts: &'a [usize],
}

impl<X: Exchange> Line<X> {
    /// Shares a connection. Must be called on the runtime. The bytes that arrive add to `further`, for callers that wait for
    /// exchanges they don't see.
    pub(crate) fn start(stream: TaskStream, further: Option<Arc<Extension>>) -> Self {
        let (read, socket) = split(stream);
        let armed = Instant::now() + SPARE;
        let is_tls = socket.is_none();
        let state = State {
            socket: socket.map(Arc::new),
            output: Vec::new(),
            cuts: VecDeque::new(),
            spare: Vec::new(),
            writing: false,
            last_write: 0,
            queue: VecDeque::new(),
            unsent: 0,
            in_flight: 0,
            armed,
            driver: None,
            closed: false,
            cause: None,
            broken: false,
        };
        let inner = Arc::new(Inner { state: Mutex::new(state), is_tls, closed: AtomicBool::new(false) });
        let driver = tokio::spawn(Driver::new(Arc::clone(&inner), read, further)).abort_handle();
        Self(Arc::new(Handle { inner, driver }))
    }

    /// Whether it is closed: by the server, after an error, or because it was not used for long.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.inner.closed.load(Ordering::Acquire)
    }

    /// Whether both are the same connection.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Sends requests and waits for their replies, at most until the deadline.
    pub(crate) fn send(&self, packed: &Packed<'_>, exchange: X, deadline: Instant) -> Sending<X> {
        let inner = &self.0.inner;
        let slot = Arc::new(Slot::new());
        let mut state = inner.state.lock();
        if state.closed {
            let known = state.cause.as_ref().map(|cause| Lost { fault: X::again(cause), sent: false });
            drop(state);
            slot.complete(Err(known.unwrap_or_else(|| Lost::closed(false))));
            return Sending { line: self.clone(), slot, step: Step::Written };
        }
        let alone = state.in_flight == 0 && state.unsent == 0 && state.last_write < 2;
        if inner.is_tls {
            let from = state.output.len();
            let cuts = packed.cuts.iter().map(|cut| from + cut);
            state.cuts.extend(cuts.filter(|&cut| cut < from + packed.bytes.len()));
            state.cuts.push_back(from + packed.bytes.len());
        }
        state.output.extend_from_slice(packed.bytes);
        state.queue.push_back(Pending { exchange, slot: Arc::clone(&slot), deadline: Some(deadline) });
        state.unsent += 1;
        let mut early = None;
        if deadline < state.armed {
            state.armed = deadline;
            early.clone_from(&state.driver);
        }
        drop(state);
        if let Some(driver) = early {
            driver.wake();
        }
        Sending { line: self.clone(), slot, step: if alone { Step::Write } else { Step::Yield } }
    }
}

enum Step {
    /// Others use the connection as well: the tasks that are about to run may append their requests first.
    Yield,
    Write,
    Written,
}

/// The replies to come.
pub(crate) struct Sending<X: Exchange> {
    line: Line<X>,
    slot: Arc<Slot<X>>,
    step: Step,
}

impl<X: Exchange> Future for Sending<X> {
    type Output = Result<X, Lost<X::Fault>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.step {
            Step::Yield => {
                self.step = Step::Write;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Step::Write => {
                self.step = Step::Written;
                self.line.0.inner.flush();
            }
            Step::Written => {}
        }
        self.slot.poll(cx)
    }
}

/// A request that is not written yet is written all the same: its replies are due.
impl<X: Exchange> Drop for Sending<X> {
    fn drop(&mut self) {
        if !matches!(self.step, Step::Written) {
            self.line.0.inner.flush();
        }
    }
}
