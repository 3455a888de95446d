//! A text for people is no identity: `Debug` counts only where the attribute says so.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Mutex;

use cachekit::memoize;

#[derive(Debug)]
struct Settings {
    by_name: HashMap<String, f32>,
}

#[memoize]
fn settings(settings: &Settings) -> usize {
    settings.by_name.len()
}

#[memoize]
fn shared(pool: &Mutex<Vec<u8>>, counter: Cell<u8>) -> u8 {
    let _ = pool;
    counter.get()
}

impl Settings {
    #[memoize]
    async fn me(&self) -> usize {
        self.by_name.len()
    }
}

#[memoize]
fn generic<T: std::fmt::Debug>(value: T) -> String {
    format!("{value:?}")
}

fn main() {}
