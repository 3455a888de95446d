//! Digests spread evenly, whatever the secret is, over each of the places that are chosen by some of their bits.
#![expect(clippy::cast_precision_loss, reason = "counts are small")]
#![expect(clippy::cast_possible_truncation, reason = "a place takes a few bits of a digest")]

use crate::simple::seeds::Seeds;
use crate::{CacheKey, KeySecret};

const SECRETS: usize = 200;
const KEYS: u64 = 4096;

/// The parts of a digest that choose a place: from which bit, how many bits.
const PARTS: [(&str, u32, u32); 5] = [
    ("one of 256 buckets", 56, 8),
    ("a tag of a bucket", 0, 7),
    ("a set of ghosts", 8, 9),
    ("a mark of a ghost", 32, 8),
    ("one of 1024 stripes", 16, 10),
];

/// Returns keys as programs use them: consecutive numbers, multiples, addresses.
fn keys() -> Vec<(&'static str, Vec<u64>)> {
    let every = |start: u64, stride: u64| (0..KEYS).map(|n| start + n * stride).collect();
    vec![
        ("consecutive", every(0, 1)),
        ("consecutive large", every(1_000_000_007, 1)),
        ("multiples of 8", every(0, 8)),
        ("multiples of 1000", every(0, 1000)),
        ("multiples of 4096", every(0, 4096)),
        ("multiples of 2^20", every(0, 1 << 20)),
        ("multiples of 2^32", every(0, 1 << 32)),
        ("pointers", every(0x7f3a_5c00_1000, 48)),
    ]
}

/// Returns how improbable a count is: an upper bound of the natural logarithm of the probability that a place gets as many
/// of `keys`, or as few, if each key chooses one of `places` by chance (Chernoff's bound of a binomial count).
fn chance(count: u32, keys: f64, places: f64) -> f64 {
    let (share, expected) = (f64::from(count) / keys, 1.0 / places);
    let part = |share: f64, expected: f64| if share > 0.0 { share * (share / expected).ln() } else { 0.0 };
    -keys * (part(share, expected) + part(1.0 - share, 1.0 - expected))
}

/// Asserts that a hash is even, under a secret that `secrets` makes anew.
fn check<S: Fn(u64) -> u64>(secrets: impl Fn() -> S) {
    // One false alarm in a thousand million runs, over all counts that this looks at.
    let counts: u32 = PARTS.iter().map(|&(.., bits)| 1 << bits).sum();
    let least = -(1e9 * f64::from(counts) * (SECRETS * keys().len()) as f64).ln();
    for _ in 0..SECRETS {
        let hash = secrets();
        for (kind, keys) in keys() {
            let hashes: Vec<u64> = keys.iter().map(|&key| hash(key)).collect();
            for (part, from, bits) in PARTS {
                let mut counts = vec![0u32; 1 << bits];
                for hash in &hashes {
                    counts[(hash >> from) as usize & ((1 << bits) - 1)] += 1;
                }
                for count in &counts {
                    let chance = chance(*count, keys.len() as f64, counts.len() as f64);
                    assert!(chance > least, "{kind}: {part} got {count} of {KEYS} keys");
                }
            }
        }
    }
}

#[test]
fn digests_of_numbers_are_even_under_every_secret() {
    check(|| {
        let secret = KeySecret::new();
        move |key| secret.digest(|hasher| (7u32, key).cache_key(hasher))
    });
}

#[test]
fn hashes_of_words_are_even_under_every_secret() {
    check(|| {
        let seeds = Seeds::new();
        move |key| seeds.hash(&[key])
    });
    check(|| {
        let seeds = Seeds::new();
        move |key| seeds.hash(&[7, key])
    });
    check(|| {
        let seeds = Seeds::new();
        move |key| seeds.hash(&[key, 0, 7])
    });
}
