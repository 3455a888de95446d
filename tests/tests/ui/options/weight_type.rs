use cachekit::memoize;

#[memoize(weight = |text| text.len())]
fn not_u64(n: u8) -> String {
    n.to_string()
}

fn main() {}
