use std::time::Duration;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;
use crate::codec;

const NOW: u64 = 1_577_836_800_000;
const KEY: &str = "cachekit:user:1";

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
struct User {
    name: String,
    tags: Vec<Option<Option<u8>>>,
}

fn user() -> User {
    User { name: "Ada".into(), tags: vec![None, Some(None), Some(Some(1))] }
}

fn sealed<T: Serialize + ?Sized + 'static>(value: &T) -> Vec<u8> {
    seal_value(KEY, NOW, Some(Duration::from_secs(60)), 7, value).unwrap()
}

fn unsealed<T: serde::de::DeserializeOwned + 'static>(bytes: &[u8]) -> Unsealed<T> {
    unseal_value(KEY, bytes, NOW, 7)
}

/// The checksum put right again after a change, as only a writer can.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - CHECKSUM_LEN;
    let sum = checksum(KEY, &bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&sum);
    bytes
}

#[test]
fn the_format_does_not_change() {
    let header = Header {
        created: NOW,
        expiry: Some(NOW + 60_000),
        fresh: None,
        generation: 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100,
        content: Content::Value(0x1122_3344_5566_7788),
        is_err: false,
    };
    let value = seal(KEY, &header, |out| codec::encode(&("ß", 1), out)).unwrap();
    assert_eq!(
        hex(&value),
        "c16b02000500000000e8665e6f01000060d2675e6f0100000000000000000000000102030405060708090a0b0c0d0e0f\
         887766554433221192a2c39f012e45e034cae8637c"
    );
    assert_eq!(unseal(KEY, &value).unwrap().0, header);
    let failed = seal(KEY, &Header { is_err: true, ..header }, |_| Ok(())).unwrap();
    assert_eq!(hex(&failed[..4]), "c16b0202");
    assert!(unseal(KEY, &failed).unwrap().0.is_err);
    let integer = seal_value(KEY, NOW, None, 0, &300u16).unwrap();
    assert_eq!(
        hex(&integer),
        "c16b02010300000000e8665e6f01000000000000000000000000000000000000000000000000000000000000000000000000000000000000\
         cd012c847344d9e102c7d1"
    );
}

#[test]
fn what_was_sealed_is_read_until_its_time() {
    let bytes = sealed(&user());
    assert_eq!(unsealed(&bytes), Unsealed::Value(user()));
    assert_eq!(unseal_value(KEY, &bytes, NOW + 59_999, 7), Unsealed::Value(user()));
    assert_eq!(unseal_value::<User>(KEY, &bytes, NOW + 60_000, 7), Unsealed::Expired);
    let bytes = seal_value(KEY, NOW, None, 7, &user()).unwrap();
    assert_eq!(unseal_value(KEY, &bytes, u64::MAX, 7), Unsealed::Value(user()));
    let bytes = seal_value(KEY, NOW, Some(Duration::ZERO), 7, &user()).unwrap();
    assert_eq!(unsealed(&bytes), Unsealed::Value(user()));
    let bytes = seal_value(KEY, NOW, Some(Duration::MAX), 7, &user()).unwrap();
    assert_eq!(unseal_value(KEY, &bytes, NOW * 1000, 7), Unsealed::Value(user()));
}

#[test]
fn a_stored_none_is_a_value() {
    assert_eq!(unsealed(&sealed(&None::<User>)), Unsealed::Value(None::<User>));
    assert_eq!(unsealed(&sealed(&Some(None::<u8>))), Unsealed::Value(Some(None::<u8>)));
    assert_eq!(unsealed(&sealed(&())), Unsealed::Value(()));
}

#[test]
fn another_generation_is_told_apart() {
    assert_eq!(unseal_value::<User>(KEY, &sealed(&user()), NOW, 8), Unsealed::OtherGeneration);
}

#[test]
fn another_key_is_refused() {
    let bytes = sealed(&user());
    for key in ["", "cachekit:user:2", "cachekit:user:1 ", "cachekit:user:"] {
        assert_eq!(unseal(key, &bytes), Err(Reject::Corrupt), "{key:?}");
    }
}

#[test]
fn another_type_is_refused() {
    assert_eq!(unsealed::<String>(&sealed(&user())), Unsealed::Unreadable(Reject::OtherType));
    assert_eq!(unsealed::<u32>(&sealed(&1.0)), Unsealed::Unreadable(Reject::OtherType));
    assert_eq!(unsealed::<f64>(&sealed(&1)), Unsealed::Unreadable(Reject::OtherType));
    assert_eq!(unsealed::<Option<i32>>(&sealed(&1)), Unsealed::Unreadable(Reject::OtherType));
    assert_eq!(unsealed::<Vec<u16>>(&sealed(&vec![1u32])), Unsealed::Unreadable(Reject::OtherType));
}

#[test]
fn a_type_that_changed_under_its_name_is_undecodable() {
    let header = Header::new(NOW, None, 7, Content::Value(fingerprint::<User>()));
    let bytes = seal(KEY, &header, |out| codec::encode(&("Ada", 1), out)).unwrap();
    assert_eq!(unsealed::<User>(&bytes), Unsealed::Unreadable(Reject::Undecodable));
}

#[test]
fn text_is_one_type() {
    assert_eq!(unsealed(&sealed("Ada")), Unsealed::Value("Ada".to_owned()));
    assert_eq!(unsealed(&sealed(&"Ada")), Unsealed::Value("Ada".to_owned()));
    assert_eq!(unsealed(&sealed(&"Ada".to_owned())), Unsealed::Value(Box::<str>::from("Ada")));
}

#[test]
fn integers_read_as_each_other_where_they_fit() {
    assert_eq!(unsealed(&sealed(&5u8)), Unsealed::Value(5u64));
    assert_eq!(unsealed(&sealed(&-5i32)), Unsealed::Value(-5i64));
    assert_eq!(unsealed(&sealed(&u64::MAX)), Unsealed::Value(u64::MAX));
    assert_eq!(unsealed(&sealed(&i64::MIN)), Unsealed::Value(i64::MIN));
    assert_eq!(unsealed(&sealed(&7usize)), Unsealed::Value(7isize));
    assert_eq!(unsealed::<u8>(&sealed(&256)), Unsealed::Unreadable(Reject::Undecodable));
    assert_eq!(unsealed::<u64>(&sealed(&-1)), Unsealed::Unreadable(Reject::Undecodable));
    assert_eq!(unsealed::<i64>(&sealed(&u64::MAX)), Unsealed::Unreadable(Reject::Undecodable));
}

#[test]
fn an_increment_keeps_times_and_generation() {
    let bytes = sealed(&41u32);
    let (header, payload) = unseal(KEY, &bytes).unwrap();
    let number: i64 = read_payload(&header, payload).unwrap();
    let next = seal_integer(KEY, &header, number + 1).unwrap();
    assert_eq!(unseal(KEY, &next).unwrap().0, header);
    assert_eq!(unsealed(&next), Unsealed::Value(42u32));
    assert_eq!(header.life_left(NOW + 1), Some(Duration::from_millis(59_999)));
    assert_eq!(header.life_left(NOW + 60_000), Some(Duration::from_millis(1)));
    assert_eq!(
        read_payload::<i64>(&unseal(KEY, &sealed(&user())).unwrap().0, payload),
        Err(Reject::OtherType)
    );
}

#[test]
fn every_flipped_bit_is_refused() {
    for bytes in [sealed(&user()), sealed(&1), sealed(&"x".repeat(1000)), sealed(&())] {
        let mut damaged = bytes.clone();
        for bit in 0..bytes.len() * 8 {
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal(KEY, &damaged).is_err(), "bit {bit}");
            damaged[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(unseal(KEY, &damaged).is_ok());
    }
}

#[test]
fn an_entry_names_the_versions_that_it_is_given() {
    let header = Header::new(NOW, None, 7, Content::Integer);
    let versions = ["a#version".to_owned(), "tag#version:b".to_owned()];
    let bytes = seal_with(KEY, header, &versions, &user()).unwrap();
    assert_eq!(dependencies(KEY, &bytes), versions.each_ref().map(|key| dependency(key)));
    assert_eq!(unseal_value(KEY, &bytes, NOW, 7), Unsealed::Value(user()));
    assert_eq!(dependencies(KEY, &sealed(&user())), [0; 0], "others name none");
    assert_eq!(dependencies("another", &bytes), [0; 0]);
    for len in 0..bytes.len() {
        assert!(unseal(KEY, &bytes[..len]).is_err(), "{len} bytes");
    }
    let mut without = bytes.clone();
    without[3] = 0;
    assert_eq!(unseal(KEY, &resealed(without)), Err(Reject::Corrupt), "dependencies that no flag tells of");
    let mut none = sealed(&user());
    none[3] |= FLAG_DEPENDENCIES;
    assert_eq!(unseal(KEY, &resealed(none)), Err(Reject::Corrupt));
}

#[test]
fn every_cut_and_every_addition_is_refused() {
    let bytes = sealed(&user());
    for len in 0..bytes.len() {
        assert!(unseal(KEY, &bytes[..len]).is_err(), "{len} bytes");
        assert!(unseal(KEY, &bytes[bytes.len() - len..]).is_err(), "the last {len} bytes");
    }
    for more in [0, 1, 255] {
        assert_eq!(unseal(KEY, &[&bytes[..], &[more]].concat()), Err(Reject::Corrupt));
    }
    assert_eq!(unseal(KEY, &[&bytes[..], &bytes[..]].concat()), Err(Reject::Corrupt));
}

#[test]
fn a_later_format_or_flag_is_refused_as_such() {
    for (at, with) in [(2, 0), (2, 1), (2, 3), (2, 255), (3, 8), (3, 9), (3, 128)] {
        let mut bytes = sealed(&user());
        bytes[at] = with;
        assert_eq!(unseal(KEY, &resealed(bytes)), Err(Reject::OtherFormat), "{with} at {at}");
    }
}

/// An entry with a number of its header changed.
fn with_instant(at: usize, instant: u64) -> Vec<u8> {
    let mut bytes = sealed(&user());
    bytes[at..at + 8].copy_from_slice(&instant.to_le_bytes());
    resealed(bytes)
}

#[test]
fn an_entry_with_an_end_of_freshness_expires_then() {
    assert!(sealed(&user())[24..32].iter().all(|byte| *byte == 0), "no other end than its expiry");
    let bytes = with_instant(24, NOW + 10_000);
    assert_eq!(unseal_value(KEY, &bytes, NOW + 9_999, 7), Unsealed::Value(user()));
    assert_eq!(unseal_value::<User>(KEY, &bytes, NOW + 10_000, 7), Unsealed::Expired);
    assert_eq!(
        unseal_value::<User>(KEY, &with_instant(24, NOW + 90_000), NOW + 60_000, 7),
        Unsealed::Expired
    );
}

#[test]
fn an_entry_that_is_kept_stale_has_its_end_of_freshness() {
    let header = Header::new(NOW, Some(Duration::from_secs(10)), 7, Content::Integer);
    let kept = header.kept_stale(Duration::from_secs(5));
    assert_eq!((kept.fresh, kept.expiry), (Some(NOW + 10_000), Some(NOW + 15_000)));
    let bytes = seal_with(KEY, kept, &[], &user()).unwrap();
    assert_eq!(bytes[24..32], (NOW + 10_000).to_le_bytes());
    assert_eq!(unseal_value::<User>(KEY, &bytes, NOW + 10_000, 7), Unsealed::Expired);
    let serves = |header: &Header| header.fresh == Some(NOW + 10_000) && header.expiry == Some(NOW + 15_000);
    assert_eq!(unseal_if(KEY, &bytes, 7, serves), Unsealed::Value(user()));
    assert_eq!(unseal_if::<User>(KEY, &bytes, 8, |_| true), Unsealed::OtherGeneration);
    assert_eq!(header.kept_stale(Duration::ZERO), header);
    let forever = Header::new(NOW, None, 7, Content::Integer);
    assert_eq!(forever.kept_stale(Duration::from_secs(5)), forever);
    assert_eq!(header.kept_stale(Duration::MAX).expiry, Some(LATEST));
}

#[test]
fn an_instant_after_the_year_9999_is_refused_and_not_written() {
    for at in [8, 16, 24] {
        assert!(unseal(KEY, &with_instant(at, LATEST)).is_ok(), "{at}");
        for instant in [LATEST + 1, u64::MAX] {
            assert_eq!(unseal(KEY, &with_instant(at, instant)), Err(Reject::Corrupt), "{at}");
        }
    }
    let header = Header::new(u64::MAX, Some(Duration::MAX), 7, Content::Integer);
    assert_eq!((header.created, header.expiry), (LATEST, None));
    let last = Header::new(LATEST - 1, Some(Duration::from_millis(1)), 7, Content::Integer);
    assert_eq!(last.expiry, Some(LATEST));
}

#[test]
fn a_value_that_can_not_be_encoded_is_an_error() {
    struct Fails;
    impl Serialize for Fails {
        fn serialize<S: serde::Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }
    assert_eq!(seal_value(KEY, NOW, None, 0, &Fails).unwrap_err().kind(), ErrorKind::Codec);
}

#[test]
fn combined_versions_depend_on_each_and_on_their_order() {
    let (a, b) = (Version(1), Version(2));
    let all =
        [combine(&[]), combine(&[a]), combine(&[b]), combine(&[a, b]), combine(&[b, a]), combine(&[a, a])];
    assert_eq!(all[0], 0);
    for (i, one) in all.iter().enumerate() {
        assert!(!all[..i].contains(one), "{all:x?}");
    }
    // Stored in every entry, so it must not change.
    assert_eq!(combine(&[a, b]), 0xb7f8_a4ae_b67d_fe9e_7b2d_747e_9544_2350);
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

proptest! {
    #[test]
    fn any_bytes_are_no_entry(bytes: Vec<u8>) {
        prop_assert!(unseal(KEY, &bytes).is_err());
        // Also behind a header that looks right.
        let len = u32::try_from(bytes.len()).unwrap().saturating_sub(8);
        let mut headed = Header::new(NOW, None, 7, Content::Integer).to_bytes(len).to_vec();
        headed.extend_from_slice(&bytes);
        prop_assert!(unseal(KEY, &headed).is_err());
    }

    #[test]
    fn any_payload_behind_a_right_checksum_is_a_value_or_undecodable(payload: Vec<u8>) {
        let header = Header::new(NOW, None, 7, Content::Value(fingerprint::<User>()));
        let bytes = seal(KEY, &header, |out| { out.extend_from_slice(&payload); Ok(()) }).unwrap();
        prop_assert_eq!(unseal(KEY, &bytes), Ok((header, &payload[..])));
        let read = unsealed::<User>(&bytes);
        prop_assert!(matches!(read, Unsealed::Value(_) | Unsealed::Unreadable(Reject::Undecodable)));
    }

    #[test]
    fn bytes_are_read_at_once_as_they_are_one_by_one(
        content: Vec<u8>, head in proptest::sample::select(vec![&[0xc7, 0, 2][..], &[0xc4, 0], &[0x90], &[]]), tail: Vec<u8>
    ) {
        // Whole encodings, those of other kinds and what is neither.
        let mut encoded = Vec::new();
        codec::encode(&content, &mut encoded).unwrap();
        let odd = [head, &tail[..]].concat();
        let header = Header::new(NOW, None, 7, Content::Value(fingerprint::<Vec<u8>>()));
        for payload in [encoded.clone(), [&encoded[..], &tail[..]].concat(), odd] {
            let read = read_payload::<Vec<u8>>(&header, &payload);
            prop_assert_eq!(read, codec::decode::<Vec<u8>>(&payload).map_err(|_| Reject::Undecodable));
        }
    }

    #[test]
    fn any_header_behind_a_right_checksum_has_numbers_to_compute_with(head: [u8; HEADER_LEN - 8], now: u64) {
        let mut bytes = sealed(&1u8);
        bytes[8..HEADER_LEN].copy_from_slice(&head);
        let bytes = resealed(bytes);
        if let Ok((header, _)) = unseal(KEY, &bytes) {
            prop_assert!(header.created <= LATEST && header.expiry.is_none_or(|expiry| expiry <= LATEST));
            prop_assert!(header.life_left(now).is_none_or(|left| left <= Duration::from_millis(LATEST)));
            let again = seal_integer(KEY, &header, 2).unwrap();
            prop_assert_eq!(unseal(KEY, &again).unwrap().0.expiry, header.expiry);
        }
        let _ = unseal_value::<u8>(KEY, &bytes, now, 7);
    }

    #[test]
    fn any_header_and_key_come_back(
        created in 0..=LATEST, expiry in proptest::option::of(1..=LATEST), fresh in proptest::option::of(1..=LATEST), generation: u128, print: u64,
        is_err: bool, key: String
    ) {
        let content = Content::Value(print);
        let header = Header { created, expiry, fresh, generation, content, is_err };
        let bytes = seal(&key, &header, |_| Ok(())).unwrap();
        prop_assert_eq!(unseal(&key, &bytes), Ok((header, &[][..])));
        prop_assert!(unseal(&(key + "x"), &bytes).is_err());
    }
}
