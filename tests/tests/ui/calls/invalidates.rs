use cachekit::{invalidates, memoize};
use std::future::Future;
use std::pin::Pin;

#[memoize]
fn user(id: u64, name: &str) -> u64 {
    id + name.len() as u64
}

struct Shop;
impl Shop {
    #[memoize(ignore(self))]
    fn price(&self, id: u64) -> u64 {
        id
    }
}

#[invalidates]
fn nothing() {}

#[invalidates(user(1))]
fn too_few() {}

#[invalidates(user("a", "b"))]
fn wrong_type() {}

#[invalidates(&user)]
fn reference() {}

#[invalidates(user + 1)]
fn no_function() {}

#[invalidates(&Shop::price)]
fn reference_to_method() {}

#[invalidates(user)]
fn later() -> Pin<Box<dyn Future<Output = u64>>> {
    Box::pin(async { 1 })
}

#[invalidates(user)]
struct Other;

fn main() {
    nothing();
    too_few();
    wrong_type();
    reference();
    no_function();
    reference_to_method();
    let _ = later();
    let _ = (Other, Shop.price(1));
}
