//! The work that a cached function does in a scenario: by key, and by how often it was begun.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

pub type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;
pub type Answer = Result<u64, String>;

type Plan = dyn Fn(usize) -> Work<Answer> + Send + Sync;

struct Script {
    begun: AtomicUsize,
    plan: Box<Plan>,
}

static SCRIPTS: LazyLock<Mutex<HashMap<u64, Arc<Script>>>> = LazyLock::new(Mutex::default);

/// Plans the work of a new key: the argument says how often it was begun before. Returns the key.
pub fn plan(plan: impl Fn(usize) -> Work<Answer> + Send + Sync + 'static) -> u64 {
    static KEYS: AtomicU64 = AtomicU64::new(0);
    let key = KEYS.fetch_add(1, Ordering::Relaxed);
    let script = Script { begun: AtomicUsize::new(0), plan: Box::new(plan) };
    SCRIPTS.lock().unwrap().insert(key, Arc::new(script));
    key
}

/// How often the work of a key was begun.
pub fn begun(key: u64) -> usize {
    SCRIPTS.lock().unwrap()[&key].begun.load(Ordering::SeqCst)
}

/// The body of every cached function here.
pub async fn attempt(key: u64) -> Answer {
    let script = Arc::clone(&SCRIPTS.lock().unwrap()[&key]);
    let work = (script.plan)(script.begun.fetch_add(1, Ordering::SeqCst));
    work.await
}

/// The same, of work that doesn't fail.
pub async fn run(key: u64) -> u64 {
    attempt(key).await.expect("planned to succeed")
}
