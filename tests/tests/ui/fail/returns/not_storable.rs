use cachekit::memoize;

struct Plain;

#[derive(Clone)]
struct NotSerde;

#[memoize]
fn not_serde(_a: u8) -> Option<NotSerde> {
    None
}

#[memoize(local)]
fn not_clone(_a: u8) -> Result<Plain, String> {
    Ok(Plain)
}

fn main() {}
