//! What stands under a key in the server: a mark, 16 random bytes, and the value.
//!
//! The random bytes are new for each write, so they tell one state of a key from all others: they are the key's
//! [`Token`]. A key that is absent has a state as well, or a value could come back that was deleted while it was computed:
//! a *lease*, which is a mark and random bytes without a value. Who looks for an absent key leaves a lease there, others
//! who look share it, and a write with its token succeeds only while it is there. Whatever deletes the key deletes the
//! lease, and a lease that expires or is evicted refuses the write. (Leases: Nishtala et al., "Scaling Memcache at
//! Facebook", NSDI 2013.)
//!
//! Since a key is either a value or a lease, one key is all there is: the two can't be lost apart, lie in one slot of a
//! cluster, and are found by one scan.

use crate::{Error, ErrorKind, Result, Token, Version};

/// The mark of a value.
const VALUE: u8 = b'V';
/// The mark of a lease.
const LEASE: u8 = b'L';
/// A mark and its random bytes.
const HEAD: usize = 17;

/// The server's own limit of 512 MiB for what stands under a key, less our head.
pub(super) const MAX_VALUE_LEN: usize = 512 * 1024 * 1024 - HEAD;

fn head(mark: u8, random: Version) -> [u8; HEAD] {
    let mut head = [mark; HEAD];
    head[1..].copy_from_slice(&random.to_bytes());
    head
}

/// A lease that nobody has.
pub(super) fn lease(random: Version) -> Vec<u8> {
    head(LEASE, random).to_vec()
}

/// A fresh version as it is stored.
pub(super) fn version(random: Version) -> Vec<u8> {
    [&head(VALUE, random)[..], &random.to_bytes()].concat()
}

/// A value as it is stored, with new random bytes.
///
/// # Errors
/// [`ErrorKind::Full`] for one that the server wouldn't take.
pub(super) fn stored(value: &[u8]) -> Result<Vec<u8>> {
    if value.len() > MAX_VALUE_LEN {
        return Err(Error::new(
            ErrorKind::Full,
            format!("a value of {} bytes is too large for Redis, which takes {MAX_VALUE_LEN}", value.len()),
        ));
    }
    let mut bytes = Vec::with_capacity(HEAD + value.len());
    bytes.extend_from_slice(&head(VALUE, Version::fresh()));
    bytes.extend_from_slice(value);
    Ok(bytes)
}

/// The state that the bytes under a key are, if we wrote them.
pub(super) fn token(bytes: &[u8]) -> Option<Token> {
    let ours = match bytes.first() {
        Some(&VALUE) => bytes.len() >= HEAD,
        Some(&LEASE) => bytes.len() == HEAD,
        _ => false,
    };
    let random = bytes.get(1..HEAD).filter(|_| ours)?;
    Some(Token(Version::from_bytes(random)?.0))
}

/// The value among the bytes under a key; none if they are a lease. What somebody else wrote is passed on as it is: who reads
/// it finds that it is no entry.
pub(super) fn value(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    if token(&bytes).is_none() {
        return Some(bytes);
    }
    if bytes[0] == LEASE {
        return None;
    }
    bytes.drain(..HEAD);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_lease_is_a_state_without_a_value() {
        let lease = lease(Version(7));
        assert_eq!(token(&lease), Some(Token(7)));
        assert_eq!(value(lease), None);
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let error = stored(&vec![0; MAX_VALUE_LEN + 1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Full);
    }

    proptest! {
        #[test]
        fn values_come_back_under_another_token_each_time(bytes: Vec<u8>) {
            let (one, two) = (stored(&bytes).unwrap(), stored(&bytes).unwrap());
            prop_assert!(token(&one).is_some() && token(&one) != token(&two));
            prop_assert_eq!(value(one), Some(bytes.clone()));
            // Foreign bytes, and ours without their end: never a panic.
            let _ = (token(&bytes), value(bytes));
            let _ = value(two[..two.len().min(9)].to_vec());
        }
    }
}
