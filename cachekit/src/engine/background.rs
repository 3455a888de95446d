//! Work in the background: computations that no call waits for.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use super::remote::{Job, Pool};

/// The most threads. A computation beyond waits for one of them.
const THREADS: usize = 16;

/// A computation as a task.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Work<F>(F);

impl<F: FnOnce() + Send> Job for Work<F> {
    fn is_awaited(&self) -> bool {
        true
    }

    fn run(self: Box<Self>) {
        (self.0)();
    }
}

/// Runs a computation on a thread of cachekit's. It is dropped where no thread can be started.
pub(crate) fn on_thread(work: impl FnOnce() + Send + 'static) {
    static THREADS_OF_ALL: LazyLock<Arc<Pool>> = LazyLock::new(|| Pool::new("cachekit-refresh", THREADS));
    if let Err(error) = THREADS_OF_ALL.spawn(Box::new(Work(work))) {
        tracing::warn!(target: "cachekit", "a value is not computed in the background: {error}");
    }
}

/// The runtime of a task, if it has one.
pub(crate) struct Runtime {
    #[cfg(feature = "tokio")]
    handle: Option<tokio::runtime::Handle>,
}

impl Runtime {
    /// Returns that of the calling task.
    pub(crate) fn current() -> Self {
        Self {
            #[cfg(feature = "tokio")]
            handle: tokio::runtime::Handle::try_current().ok(),
        }
    }

    /// Runs a computation there, or else on a thread of cachekit's.
    pub(crate) fn run(self, task: Task) {
        let Self {
            #[cfg(feature = "tokio")]
            handle,
        } = self;
        #[cfg(feature = "tokio")]
        if let Some(runtime) = handle {
            drop(runtime.spawn(task));
            return;
        }
        on_thread(move || block_on(task));
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on(task: Task) {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut task = pin!(task);
    while task.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Pending {
        thread::park();
    }
}
