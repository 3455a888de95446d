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

#[derive(CacheKey)]
#[cache_key(bound = "T, ")]
struct Twice<T> {
    #[cache_key(skip, debug)]
    id: T,
}

#[derive(CacheKey)]
#[cache_key(bound = 1)]
struct NoText<T>(T);

fn main() {}
