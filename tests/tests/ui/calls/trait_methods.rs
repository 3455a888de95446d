use cachekit::{delete_memoized, memoize, peek, refresh};

trait Rates {
    fn rate(&self, day: u32) -> u32;
    fn plain(&self) -> u32;
}

#[derive(cachekit::CacheKey)]
struct Bank(u32);

impl Rates for Bank {
    #[memoize]
    fn rate(&self, day: u32) -> u32 {
        self.0 + day
    }

    fn plain(&self) -> u32 {
        self.0
    }
}

// A type of another crate: there is no room for the hidden functions.
impl Rates for u64 {
    #[memoize]
    fn rate(&self, day: u32) -> u32 {
        day
    }

    fn plain(&self) -> u32 {
        0
    }
}

fn main() {
    let bank = Bank(1);
    let _ = delete_memoized!(bank.rate, "x");
    let _ = delete_memoized!(<Bank as Rates>::rate, &bank);
    let _ = delete_memoized!(<Bank as Rates>::rate, &1_u64, 1);
    let _ = peek!(<Bank as Rates>::plain, &bank);
    let _ = refresh!(<u64 as Rates>::rate, &7, 1);
}
