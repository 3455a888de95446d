//! The bytes under a key in the server: a mark, 16 random bytes, and the value.
//!
//! The random bytes are new for each write, so they identify one state of a key: they are the key's [`Token`]. An absent key
//! has a state as well, or a value could come back that was deleted while it was computed: a *lease*, which is a mark and
//! random bytes without a value. A look at an absent key leaves a lease there, later looks share it, and a write with its
//! token succeeds only while it is there. Deleting the key deletes the lease, and a lease that expired or was evicted refuses
//! the write. (Leases: Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013.)
//!
//! Since a key holds either a value or a lease, the two can't be lost apart, lie in one slot of a cluster, and are found by
//! one scan.

use crate::{Error, ErrorKind, Result, Token, Version};

/// The mark of a value.
const VALUE: u8 = b'V';
/// The mark of a lease.
const LEASE: u8 = b'L';
/// A mark and its random bytes.
const HEAD: usize = 17;

/// The server's own limit for the bytes under a key, 512 MiB.
pub(in crate::redis) const MOST_STORED: usize = 512 << 20;
/// The longest value: that limit less the head.
pub(in crate::redis) const MAX_VALUE_LEN: usize = MOST_STORED - HEAD;

fn head(mark: u8, random: Version) -> [u8; HEAD] {
    let mut head = [mark; HEAD];
    head[1..].copy_from_slice(&random.to_bytes());
    head
}

/// The bytes of a lease.
pub(in crate::redis) fn lease(random: Version) -> Vec<u8> {
    head(LEASE, random).to_vec()
}

/// A fresh version as it is stored.
pub(in crate::redis) fn version(random: Version) -> Vec<u8> {
    [&head(VALUE, random)[..], &random.to_bytes()].concat()
}

/// The bytes before a value that is stored, new random ones among them.
///
/// # Errors
/// [`ErrorKind::Full`] for a value that is larger than the server takes.
pub(in crate::redis) fn fresh_head(value: &[u8]) -> Result<[u8; HEAD]> {
    if value.len() > MAX_VALUE_LEN {
        return Err(Error::new(
            ErrorKind::Full,
            format!("a value of {} bytes is too large for Redis, which takes {MAX_VALUE_LEN}", value.len()),
        ));
    }
    Ok(head(VALUE, Version::fresh()))
}

/// Reads the bytes of a version's key, if they are a version.
pub(in crate::redis) fn stored_version(bytes: &[u8]) -> Option<Version> {
    let (&mark, _) = bytes.split_first()?;
    Version::from_bytes(bytes.get(HEAD..)?).filter(|_| mark == VALUE)
}

/// Returns the state that the bytes under a key stand for, if they are of this layout.
pub(in crate::redis) fn token(bytes: &[u8]) -> Option<Token> {
    let ours = match bytes.first() {
        Some(&VALUE) => bytes.len() >= HEAD,
        Some(&LEASE) => bytes.len() == HEAD,
        _ => false,
    };
    let random = bytes.get(1..HEAD).filter(|_| ours)?;
    Some(Token(Version::from_bytes(random)?.0))
}

/// Whether the bytes under a key begin as those of a value.
pub(in crate::redis) fn is_value(bytes: &[u8]) -> bool {
    bytes.first() == Some(&VALUE)
}

/// Returns the value in the bytes under a key; none if they are a lease. Bytes of another layout are passed on as they are,
/// and are no entry to their reader.
pub(in crate::redis) fn value(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
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
    fn only_a_value_of_sixteen_bytes_is_a_version() {
        let stored = version(Version(7));
        assert_eq!(stored_version(&stored), Some(Version(7)));
        let mut lease = stored.clone();
        lease[0] = LEASE;
        for other in [&lease[..], &stored[..32], &[&stored[..], b"x"].concat(), &stored[17..], b""] {
            assert_eq!(stored_version(other), None, "{other:?}");
        }
    }

    fn stored(value: &[u8]) -> Vec<u8> {
        [&fresh_head(value).unwrap()[..], value].concat()
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let error = fresh_head(&vec![0; MAX_VALUE_LEN + 1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Full);
    }

    proptest! {
        #[test]
        fn values_come_back_under_another_token_each_time(bytes: Vec<u8>) {
            let (one, two) = (stored(&bytes), stored(&bytes));
            prop_assert!(token(&one).is_some() && token(&one) != token(&two));
            prop_assert_eq!(value(one), Some(bytes.clone()));
            // Foreign bytes, and ours without their end: never a panic.
            let _ = (token(&bytes), value(bytes));
            let _ = value(two[..two.len().min(9)].to_vec());
        }
    }
}
