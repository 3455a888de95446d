//! Servers that lose what they have, or move it, while a fleet calls and deletes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use cachekit_tests::redis::{Cluster, plain, raw, run, url};

use crate::Place;

/// A thread that does one thing after another to a server, until this is dropped.
pub(crate) struct Torment {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Torment {
    fn start(mut turn: impl FnMut(usize) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for n in 0.. {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                turn(n);
                // Between two turns calls hit.
                std::thread::sleep(Duration::from_millis(3));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Torment {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_none_or(|ended| ended.is_ok()), "it could not go on");
    }
}

impl Place {
    /// A server that forgets its scripts, evicts keys, and is full now and then.
    pub(crate) fn losing_redis() -> Self {
        let server = plain();
        let mut admin = raw(&url(&server));
        let torment = Torment::start(move |n| match n % 4 {
            0 => run::<()>(&mut admin, &["SCRIPT", "FLUSH"]),
            1 => {
                if let Some(key) = run::<Option<String>>(&mut admin, &["RANDOMKEY"]) {
                    run::<()>(&mut admin, &["UNLINK", &key]);
                }
            }
            2 => run::<()>(&mut admin, &["CONFIG", "SET", "maxmemory", "1"]),
            _ => run::<()>(&mut admin, &["CONFIG", "SET", "maxmemory", "0"]),
        });
        let place = Self::new("redis", "CACHE_REDIS_URL", url(&server), vec![server]);
        Self { _torment: Some(torment), ..place }
    }

    /// A cluster whose slots move from node to node, those of the fleet's keys.
    pub(crate) fn moving_cluster() -> Self {
        let cluster = Cluster::start();
        let address = cluster.url();
        let torment = Torment::start(move |n| {
            let keys = cluster.keys("fleet:*");
            if let Some((node, key)) = keys.get(n % keys.len().max(1)) {
                cluster.move_slot(cluster.slot(key), *node, (node + 1) % 3);
            }
        });
        let mut place = Self::new("redis", "CACHE_REDIS_URL", address, Vec::new());
        place.variables.push(("DELETIONS_MAY_FAIL", "yes".into()));
        Self { _torment: Some(torment), ..place }
    }
}
