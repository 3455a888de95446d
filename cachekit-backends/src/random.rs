//! Randomness from the operating system by way of the standard library's hasher keys.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

/// 128 bits that nobody can guess and no two calls share: SHA-256 over a secret of this process, its id, the time and a
/// counter. The secret is what the standard library takes from the operating system for its hash maps.
pub(crate) fn random_u128() -> u128 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut sha = Sha256::new();
    for salt in 0..2u64 {
        // Each `RandomState` of a thread has its own keys, 128 bits from the system plus a step.
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u64(count);
        hasher.write_u64(salt);
        sha.update(hasher.finish().to_le_bytes());
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    sha.update(now.as_nanos().to_le_bytes());
    sha.update(std::process::id().to_le_bytes());
    sha.update(count.to_le_bytes());
    let digest: [u8; 32] = sha.finalize().into();
    u128::from_le_bytes(std::array::from_fn(|i| digest[i]))
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_are_equal() {
        let mut all: Vec<u128> = (0..10_000).map(|_| super::random_u128()).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 10_000);
    }
}
