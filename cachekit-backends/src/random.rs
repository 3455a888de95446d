//! Random numbers from the operating system.

/// 128 bits from the operating system's generator. Versions, leases and tokens rest on their secrecy: a process that could
/// guess one could undo a deletion. Costs one system call; a process that was forked draws other numbers, because nothing is
/// buffered.
///
/// # Panics
/// If the system has no random numbers, as the standard library does for its hash maps: going on with numbers that can be
/// guessed would break what deletion promises.
pub(crate) fn random_u128() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
    u128::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_are_equal_and_no_bit_is_constant() {
        let mut all: Vec<u128> = (0..10_000).map(|_| super::random_u128()).collect();
        assert_eq!(all.iter().fold(0, |ones, number| ones | number), u128::MAX);
        assert_eq!(all.iter().fold(u128::MAX, |ones, number| ones & number), 0);
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 10_000);
    }
}
