//! The task that reads a connection, and ends what takes too long.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::AsyncWrite as _;
use tokio::time::Sleep;

use super::halves::ReadHalf;
use super::slot::Slot;
use super::{Exchange, Inner, Lost, Pending, SPARE, State};
use crate::deadline::{self, Extension};
use crate::net::buffer::Buffer;
use crate::net::task::tls_is_quiet;

pub(super) struct Driver<X: Exchange> {
    inner: Arc<Inner<X>>,
    read: ReadHalf,
    input: Buffer,
    /// Grows with the bytes that arrive, as the deadline of their exchange does.
    further: Option<Arc<Extension>>,
    /// The exchanges whose requests were sent, in order.
    due: VecDeque<Pending<X>>,
    /// Those whose replies are complete, until they are handed over.
    complete: Vec<(Arc<Slot<X>>, X)>,
    /// How many more are complete, too late.
    abandoned: usize,
    /// Under TLS: the requests that are written, how much of them is, and where their records end.
    chunk: Vec<u8>,
    written: usize,
    cuts: VecDeque<usize>,
    /// One timer for all deadlines. It goes off once in the time of an operation, not at each request.
    alarm: Pin<Box<Sleep>>,
    /// Whether there was a reply since the alarm was set for an idle connection.
    active: bool,
}

impl<X: Exchange> Driver<X> {
    pub(super) fn new(inner: Arc<Inner<X>>, read: ReadHalf, further: Option<Arc<Extension>>) -> Self {
        let armed = inner.state.lock().armed;
        Self {
            inner,
            read,
            input: Buffer::default(),
            further,
            due: VecDeque::new(),
            complete: Vec::new(),
            abandoned: 0,
            chunk: Vec::new(),
            written: 0,
            cuts: VecDeque::new(),
            alarm: Box::pin(tokio::time::sleep_until(armed.into())),
            active: false,
        }
    }

    /// Moves bytes until that would wait.
    fn step(&mut self, cx: &mut Context<'_>) -> Result<(), Lost<X::Fault>> {
        loop {
            self.write(cx)?;
            let Poll::Ready(n) = self.hear(cx)? else { break };
            self.input.filled(n);
            self.extend(n);
            self.parse()?;
            // The clock, not the alarm, decides: the timers stand still while a flood keeps the runtime busy.
            let deadline = self.due.iter().find_map(|pending| pending.deadline);
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                self.expire(Instant::now())?;
            }
        }
        self.input.shrink();
        self.watch(cx)
    }

    /// Puts the deadline of the reply that arrives off by what its bytes may take: a large value that keeps coming is not late.
    fn extend(&mut self, bytes: usize) {
        let first = self.due.iter_mut().find_map(|pending| pending.deadline.as_mut());
        if let Some(deadline) = first {
            *deadline += deadline::for_bytes(bytes);
        }
        if let Some(further) = &self.further {
            further.grow(deadline::for_bytes(bytes));
        }
    }

    /// Reads once. What arrives while nothing is due is a fault: it would be taken for the reply to the next request.
    fn hear(&mut self, cx: &mut Context<'_>) -> Result<Poll<usize>, Lost<X::Fault>> {
        let inner = Arc::clone(&self.inner);
        let mut state = inner.state.lock();
        if state.broken {
            return Err(lost(io::ErrorKind::UnexpectedEof.into()));
        }
        self.take_due(&mut state);
        let armed = state.armed;
        if self.alarm.deadline() > armed.into() {
            self.alarm.as_mut().reset(armed.into());
        }
        let idle = self.due.is_empty();
        // While the state is locked no request is sent: what is read now came before the next one.
        let state = idle.then_some(state);
        let heard = self.read.poll_read(cx, self.input.room());
        if let (Some(mut state), Poll::Ready(_)) = (state, &heard) {
            // Whatever it is, it ends the connection. Before the lock is released, so that no request is sent any more.
            state.broken = true;
            inner.close(&mut state);
        }
        match heard {
            Poll::Pending => Ok(Poll::Pending),
            Poll::Ready(Ok(n)) if n > 0 && !idle => Ok(Poll::Ready(n)),
            Poll::Ready(Ok(n)) if n > 0 => {
                self.input.filled(n);
                Err(Lost { fault: X::unasked(self.input.unread()), sent: true })
            }
            Poll::Ready(Ok(_)) => Err(lost(io::ErrorKind::UnexpectedEof.into())),
            Poll::Ready(Err(error)) => Err(lost(error)),
        }
    }

    /// Takes the exchanges whose requests were sent.
    fn take_due(&mut self, state: &mut State<X>) {
        let sent = state.queue.len() - state.unsent;
        self.due.extend(state.queue.drain(..sent));
    }

    /// Gives the bytes that have arrived to the exchanges that are due.
    fn parse(&mut self) -> Result<(), Lost<X::Fault>> {
        while !self.input.is_empty() {
            if self.due.is_empty() {
                let inner = Arc::clone(&self.inner);
                self.take_due(&mut inner.state.lock());
            }
            let Some(pending) = self.due.front_mut() else {
                // The replies before may be in a wrong place, too.
                let fault = X::unasked(self.input.unread());
                for (slot, _) in self.complete.drain(..) {
                    slot.complete(Err(Lost { fault: X::again(&fault), sent: true }));
                }
                return Err(Lost { fault, sent: true });
            };
            match pending.exchange.feed(&mut self.input) {
                Ok(true) => {
                    let complete = self.due.pop_front();
                    let awaited = complete.filter(|pending| pending.deadline.is_some());
                    self.abandoned += usize::from(awaited.is_none());
                    self.complete.extend(awaited.map(|Pending { slot, exchange, .. }| (slot, exchange)));
                }
                Ok(false) => break,
                Err(fault) => {
                    self.hand_over();
                    return Err(Lost { fault, sent: true });
                }
            }
        }
        self.hand_over();
        Ok(())
    }

    fn hand_over(&mut self) {
        let complete = self.complete.len() + mem::take(&mut self.abandoned);
        if complete == 0 {
            return;
        }
        self.active = true;
        // Before the callers go on, which look whether the connection is in use.
        self.inner.state.lock().in_flight -= complete;
        for (slot, exchange) in self.complete.drain(..) {
            slot.complete(Ok(exchange));
        }
    }

    /// Writes what callers could not: the rest after a socket was full, and everything under TLS.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Lost<X::Fault>> {
        let inner = Arc::clone(&self.inner);
        if !inner.is_tls {
            let rest = {
                let state = inner.state.lock();
                let waits = state.in_flight > 0 && !state.writing && !state.output.is_empty();
                state.socket.clone().filter(|_| waits)
            };
            if let Some(socket) = rest
                && let Poll::Ready(ready) = socket.poll_ready(cx)
            {
                ready.map_err(lost)?;
                inner.flush();
            }
            return Ok(());
        }
        self.write_records(cx)
    }

    fn write_records(&mut self, cx: &mut Context<'_>) -> Result<(), Lost<X::Fault>> {
        let inner = Arc::clone(&self.inner);
        let ReadHalf::Tls(tls) = &mut self.read else { return Ok(()) };
        loop {
            if self.written == self.chunk.len() {
                match Pin::new(&mut **tls).poll_flush(cx) {
                    Poll::Ready(flushed) => flushed.map_err(lost)?,
                    Poll::Pending => return Ok(()),
                }
                // Only this task takes the output, so that nothing is sent meanwhile.
                let (empty, first) = {
                    let state = inner.state.lock();
                    (state.output.is_empty(), state.in_flight == 0)
                };
                if empty {
                    return Ok(());
                }
                if first && !tls_is_quiet(tls) {
                    return Err(Lost::closed(true));
                }
                let mut state = inner.state.lock();
                state.recycle(mem::take(&mut self.chunk));
                self.cuts = mem::take(&mut state.cuts);
                (self.chunk, self.written) = (state.take_output(), 0);
            }
            let end = self.cuts.front().copied().unwrap_or(self.chunk.len());
            match Pin::new(&mut **tls).poll_write(cx, &self.chunk[self.written..end]) {
                Poll::Ready(written) => self.written += written.map_err(lost)?,
                Poll::Pending => return Ok(()),
            }
            if self.written == end {
                self.cuts.pop_front();
            }
        }
    }

    /// Sets the alarm, and ends what is late.
    fn watch(&mut self, cx: &mut Context<'_>) -> Result<(), Lost<X::Fault>> {
        while self.alarm.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let Some(next) = self.expire(now)? else { return Err(Lost::closed(false)) };
            let inner = Arc::clone(&self.inner);
            let mut state = inner.state.lock();
            // A request may have come in between.
            let first = state.queue.iter().filter_map(|pending| pending.deadline).fold(next, Instant::min);
            state.armed = first;
            drop(state);
            self.alarm.as_mut().reset(first.into());
        }
        Ok(())
    }

    /// Ends the exchanges whose deadline is over. Returns the earliest one of the others, or how long an idle connection is kept; none
    /// of one that was idle for so long, which is closed: under the lock, so that no request is sent over it any more. No request follows
    /// on a connection that was late once. Those that are under way wait for their own deadlines, and the connection ends with them.
    fn expire(&mut self, now: Instant) -> Result<Option<Instant>, Lost<X::Fault>> {
        let inner = Arc::clone(&self.inner);
        let mut state = inner.state.lock();
        let (mut earliest, mut late) = (None, Vec::new());
        for pending in self.due.iter_mut().chain(&mut state.queue) {
            match pending.deadline {
                Some(deadline) if deadline <= now => {
                    pending.deadline = None;
                    late.push(Arc::clone(&pending.slot));
                }
                Some(deadline) => {
                    earliest = Some(earliest.map_or(deadline, |first: Instant| first.min(deadline)));
                }
                None => {}
            }
        }
        if !late.is_empty() {
            inner.close(&mut state);
            state.cause.get_or_insert_with(|| io::Error::from(io::ErrorKind::TimedOut).into());
        }
        let is_over = state.closed && earliest.is_none();
        let next = earliest.or_else(|| mem::take(&mut self.active).then(|| now + SPARE));
        if next.is_none() {
            state.broken = true;
            inner.close(&mut state);
        }
        drop(state);
        for slot in late {
            slot.complete(Err(lost(io::ErrorKind::TimedOut.into())));
        }
        if is_over { Err(Lost::closed(true)) } else { Ok(next) }
    }

    /// Gives back what has no reply.
    fn end(&mut self, cause: &Lost<X::Fault>) {
        let inner = Arc::clone(&self.inner);
        let mut state = inner.state.lock();
        inner.close(&mut state);
        self.take_due(&mut state);
        let unsent = mem::take(&mut state.queue);
        (state.unsent, state.in_flight, state.output) = (0, 0, Vec::new());
        state.cause.get_or_insert_with(|| X::again(&cause.fault));
        let socket = state.socket.take();
        drop(state);
        drop(socket);
        let due = self.due.drain(..).map(|pending| (pending, true));
        for (pending, sent) in due.chain(unsent.into_iter().map(|pending| (pending, false))) {
            if pending.deadline.is_some() {
                pending.slot.complete(Err(Lost { fault: X::again(&cause.fault), sent }));
            }
        }
    }
}

fn lost<F: From<io::Error>>(error: io::Error) -> Lost<F> {
    Lost { fault: error.into(), sent: true }
}

impl<X: Exchange> Future for Driver<X> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        {
            let inner = Arc::clone(&self.inner);
            let mut state = inner.state.lock();
            if !state.driver.as_ref().is_some_and(|driver| driver.will_wake(cx.waker())) {
                state.driver = Some(cx.waker().clone());
            }
        }
        match self.step(cx) {
            Ok(()) => Poll::Pending,
            Err(cause) => {
                self.end(&cause);
                Poll::Ready(())
            }
        }
    }
}

// Nothing in it is pinned in place.
impl<X: Exchange> Unpin for Driver<X> {}

/// The last clone of the connection is gone, or the runtime is.
impl<X: Exchange> Drop for Driver<X> {
    fn drop(&mut self) {
        self.end(&Lost::closed(true));
    }
}
