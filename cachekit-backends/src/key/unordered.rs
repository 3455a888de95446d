//! Digests of collections without an order.

use sha2::{Digest, Sha256};

use super::{CacheKey, KeySecret, StableWriter};

/// The sum of the items' digests, each 128 bits under the process's secret: who can't see the digests can't build two
/// collections of one sum. Allocates nothing.
pub(super) fn keyed_sum<I>(secret: &KeySecret, items: I) -> u128
where
    I: Iterator,
    I::Item: CacheKey,
{
    items.fold(0u128, |sum, item| sum.wrapping_add(secret.digest_128(&item)))
}

/// SHA-256 over the items' sorted SHA-256 digests. (A sum would not do here: anybody can compute the digests, and sums
/// of known terms collide by Wagner's generalised birthday attack.)
pub(super) fn sorted_digest<I>(items: I) -> [u8; 32]
where
    I: Iterator,
    I::Item: CacheKey,
{
    let mut digests: Vec<[u8; 32]> = items
        .map(|item| {
            let mut writer = StableWriter::new();
            item.cache_key(&mut writer);
            writer.sha256()
        })
        .collect();
    digests.sort_unstable();
    let mut sha = Sha256::new();
    for digest in &digests {
        sha.update(digest);
    }
    sha.finalize().into()
}
