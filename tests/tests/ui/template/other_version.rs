//! An environment of a minijinja that cachekit doesn't work with.

use cachekit::{Cache, template};

mod minijinja {
    #[derive(Default)]
    pub struct Environment;
}

fn main() {
    let mut env = minijinja::Environment::default();
    template::install(&mut env, &Cache::new());
}
