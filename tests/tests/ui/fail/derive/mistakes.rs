use cachekit::CacheKey;

#[derive(CacheKey)]
union Number {
    int: u32,
    float: f32,
}

#[derive(CacheKey)]
#[cache_key(skip)]
struct Person {
    #[cache_key(ignore)]
    id: u8,
}

#[derive(CacheKey)]
enum Role {
    #[cache_key(skip)]
    Admin,
}

fn main() {}
