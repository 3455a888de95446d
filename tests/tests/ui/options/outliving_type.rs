use std::rc::Rc;

use cachekit::memoize;

#[derive(Debug, Hash)]
struct NotClone(u8);

#[memoize(timeout = 9, stale_while_revalidate = 9, revalidate = "background")]
fn by_reference(n: &NotClone) -> u8 {
    n.0
}

#[memoize(timeout = 9, stale_while_revalidate = 9, revalidate = "background")]
fn by_value(n: Rc<u8>) -> u8 {
    *n
}

fn main() {}
