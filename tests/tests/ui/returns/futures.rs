use std::future::Future;
use std::pin::Pin;

use cachekit::memoize;

#[memoize]
fn boxed(n: u8) -> Pin<Box<dyn Future<Output = u8> + Send>> {
    Box::pin(async move { n })
}

trait Rates {
    fn rate<'life0, 'async_trait>(
        &'life0 self,
        n: u8,
    ) -> Pin<Box<dyn Future<Output = u8> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait;
}

struct Bank;

impl Rates for Bank {
    // As `#[async_trait]` leaves it.
    #[memoize]
    fn rate<'life0, 'async_trait>(
        &'life0 self,
        n: u8,
    ) -> Pin<Box<dyn Future<Output = u8> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move { n })
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[memoize]
fn alias(n: u8) -> BoxFuture<'static, u8> {
    Box::pin(async move { n })
}

#[memoize]
fn closure(n: u8) -> impl Fn(u8) -> u8 {
    move |m| n + m
}

#[memoize]
fn boxed_closure(n: u8) -> Box<dyn Fn(u8) -> u8> {
    Box::new(move |m| n + m)
}

fn main() {}
