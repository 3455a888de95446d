//! The suite that all backends pass, on those that need no server.

use std::sync::Arc;

use cachekit_backends::conformance::Suite;

mod null {
    use super::*;
    use cachekit_backends::null::Null;

    cachekit_backends::conformance_tests!(Suite::new(|_| Arc::new(Null)));
}

mod simple {
    use super::*;
    use cachekit_backends::simple::SimpleBackend;

    cachekit_backends::conformance_tests!(
        Suite::new(|clock| Arc::new(SimpleBackend::new(2_000, clock.clone())))
            .threshold(10, |clock| Arc::new(SimpleBackend::new(10, clock.clone())))
    );
}

mod filesystem {
    use super::*;
    use cachekit_backends::Clock;
    use cachekit_backends::filesystem::{FileSystem, Options};
    use tempfile::tempdir;

    /// Handles know as little of each other as those of two processes.
    fn open(dir: &std::path::Path, clock: &Clock, threshold: usize) -> Arc<FileSystem> {
        let options = Options::default().clock(clock.clone()).threshold(threshold);
        Arc::new(FileSystem::open(dir, options).unwrap())
    }

    fn suite() -> Suite {
        let (dir, bounded, file) = (tempdir().unwrap(), tempdir().unwrap(), tempdir().unwrap());
        Suite::new(move |clock| open(dir.path(), clock, 10_000))
            .threshold(10, move |clock| open(bounded.path(), clock, 10))
            .unreachable(move |clock| {
                let dir = file.path().join("cache");
                let store = open(&dir, clock, 10);
                std::fs::remove_dir_all(&dir).unwrap();
                std::fs::write(&dir, "no directory any more").unwrap();
                store
            })
    }

    cachekit_backends::conformance_tests!(suite());
}

/// The least backend that there can be, alone and with what cachekit adds to it.
mod five_methods {
    use super::*;
    use cachekit_backends::layers::ProcessConditional;
    use cachekit_backends::{Backend, Capabilities, Clock, Result, Ttl, ttl_millis};
    use parking_lot::Mutex;
    use std::collections::HashMap;
    use std::time::Duration;

    struct Plain {
        clock: Clock,
        entries: Mutex<HashMap<String, (Vec<u8>, u64)>>,
    }

    impl Plain {
        fn new(clock: &Clock) -> Arc<Self> {
            Arc::new(Self { clock: clock.clone(), entries: Mutex::default() })
        }
    }

    impl Backend for Plain {
        fn capabilities(&self) -> Capabilities {
            Capabilities::none().clear_by_prefix(true)
        }
        fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
            let entries = self.entries.lock();
            let live = entries.get(key).filter(|(_, end)| !self.clock.is_past(*end));
            Ok(live.map(|(value, _)| value.clone()))
        }
        fn set(&self, key: &str, value: &[u8], life: Ttl) -> Result<()> {
            let end = life.map_or(u64::MAX, |life| self.clock.now().saturating_add(ttl_millis(life)));
            self.entries.lock().insert(key.into(), (value.into(), end));
            Ok(())
        }
        fn delete(&self, key: &str) -> Result<bool> {
            let old = self.entries.lock().remove(key);
            Ok(old.is_some_and(|(_, end)| !self.clock.is_past(end)))
        }
        fn clear(&self, prefix: &str) -> Result<()> {
            self.entries.lock().retain(|key, _| !key.starts_with(prefix));
            Ok(())
        }
    }

    mod alone {
        use super::*;
        cachekit_backends::conformance_tests!(Suite::new(|clock| Plain::new(clock)));
    }

    mod with_process_conditional {
        use super::*;

        fn suite() -> Suite {
            let all = Capabilities::none().clear_by_prefix(true).atomic_add(true).conditional(true);
            Suite::new(|clock| Arc::new(ProcessConditional::new(Plain::new(clock), Duration::from_secs(10))))
                .claiming(all)
        }

        cachekit_backends::conformance_tests!(suite());
    }
}
