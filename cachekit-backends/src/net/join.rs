//! Several futures at once.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Returns the results of several futures in their order. They are polled in turns.
pub(crate) async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(|future| Slot::Running(Box::pin(future))).collect();
    poll_fn(|cx| {
        let mut waiting = false;
        for slot in &mut futures {
            waiting |= slot.poll(cx);
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    futures.into_iter().filter_map(Slot::output).collect()
}

enum Slot<F: Future> {
    Running(Pin<Box<F>>),
    Done(F::Output),
}

// A future stays where its box is.
impl<F: Future> Unpin for Slot<F> {}

impl<F: Future> Slot<F> {
    /// Polls the future; returns whether it still runs.
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if let Self::Running(future) = self {
            match future.as_mut().poll(cx) {
                Poll::Pending => return true,
                Poll::Ready(output) => *self = Self::Done(output),
            }
        }
        false
    }

    fn output(self) -> Option<F::Output> {
        match self {
            Self::Running(_) => None,
            Self::Done(output) => Some(output),
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::super::ready;
    use super::*;

    async fn turn() {
        let mut given = false;
        poll_fn(|_| if std::mem::replace(&mut given, true) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    #[test]
    fn all_write_before_any_reads_and_the_order_is_kept() {
        let log = Mutex::new(Vec::new());
        let log = &log;
        let step = |i| async move {
            log.lock().push(format!("write {i}"));
            turn().await;
            log.lock().push(format!("read {i}"));
            i
        };
        assert_eq!(ready(all((0..3).map(step))), [0, 1, 2]);
        assert_eq!(*log.lock(), ["write 0", "write 1", "write 2", "read 0", "read 1", "read 2"]);
    }
}
