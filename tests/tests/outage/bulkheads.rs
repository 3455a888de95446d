//! One cache's trouble is not another's: a backend that hangs takes the threads of its own cache only.

use std::time::{Duration, Instant};

use cachekit::{Config, ErrorKind};
use cachekit_tests::{Fault, Mem, World, block_on};

const CALLERS: u64 = 64;
/// The limit of the cache whose backend hangs.
const SHORT: Duration = Duration::from_millis(100);
/// A limit that a busy machine can't miss by accident.
const AMPLE: Duration = Duration::from_secs(10);

#[test]
fn a_backend_that_hangs_takes_no_thread_of_another_cache() {
    let (hung, healthy) = (Mem::new(), Mem::new());
    let hung_world = World::plain_over(&hung, |config: Config| {
        config.pool_size(2).operation_timeout(SHORT).breaker_threshold(u32::MAX)
    });
    let world = World::plain_over(&healthy, |config| config.operation_timeout(AMPLE));
    hung.break_all(Fault::Hang);
    hung.take_ops();
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let cache = hung_world.cache();
            scope.spawn(move || {
                let key = caller.to_string();
                let error = if caller % 2 == 0 {
                    cache.get::<u64>(&key).unwrap_err()
                } else {
                    block_on(cache.aio().get::<u64>(&key)).unwrap_err()
                };
                assert_eq!(error.kind(), ErrorKind::Timeout);
            });
        }
    });
    assert_eq!(hung.take_ops(), 2, "no more operations are under way than `pool_size` allows");
    // The threads of the other cache hang still.
    let began = Instant::now();
    for n in 0..CALLERS {
        block_on(world.cache().aio().set(&n.to_string(), &n, 60)).unwrap();
        assert_eq!(world.cache().get::<u64>(&n.to_string()).unwrap(), Some(n));
    }
    assert!(began.elapsed() < AMPLE, "{:?}", began.elapsed());
    hung.heal();
    // Its threads are free again, and the calls that were given up don't run late.
    let end = Instant::now() + AMPLE;
    while hung_world.cache().get::<u64>("1").is_err() {
        assert!(Instant::now() < end, "the threads never came back");
    }
}
