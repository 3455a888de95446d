//! A gate in the body of a function, at which a test holds it.

use std::sync::mpsc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::World;

/// The signals between `hold` and the body.
type Ends = (mpsc::Sender<()>, mpsc::Receiver<()>);

/// A body that waits inside while a test says so.
pub struct Gate(Mutex<Option<Ends>>);

impl Gate {
    /// One that no body waits at.
    #[expect(clippy::new_without_default, reason = "it stands in a static")]
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// In the body: waits, if it is to be held.
    ///
    /// # Panics
    /// If the test has ended.
    pub fn pass(&self) {
        let ends = self.0.lock().take();
        if let Some((inside, go)) = ends {
            inside.send(()).unwrap();
            go.recv().unwrap();
        }
    }

    /// Runs `call` on another thread of a world, and `meanwhile` while its body is held. Returns how the call ended.
    ///
    /// # Panics
    /// If the body doesn't pass within ten seconds.
    pub fn hold<R: Send + 'static>(
        &self,
        world: &World,
        call: impl FnOnce() -> R + Send + 'static,
        meanwhile: impl FnOnce(),
    ) -> std::thread::Result<R> {
        let ((inside, is_inside), (go, may_go)) = (mpsc::channel(), mpsc::channel());
        *self.0.lock() = Some((inside, may_go));
        let slow = world.spawn(call);
        is_inside.recv_timeout(Duration::from_secs(10)).unwrap();
        meanwhile();
        go.send(()).unwrap();
        slow.join()
    }
}
