use cachekit::cached;

#[cached]
fn parameters(id: u8, name: &str) -> usize {
    usize::from(id) + name.len()
}

#[cached(key_prefix = "user:{id}")]
fn plain_text(id: u8) -> u8 {
    id
}

fn main() {
    let _ = cachekit::delete_cached!(parameters, 1, "a");
}
