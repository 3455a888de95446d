//! Values that `==` of their crate merges and a function tells apart are two keys; equal ones are one.

use super::super::CacheKey;
#[allow(unused_imports, reason = "each feature uses them")]
use super::{differ, recorded, same};

/// Each value is a key of its own, which its clone shares, and which is no prefix of another one's.
fn all_differ<T: CacheKey + Clone>(values: &[T]) {
    for (i, a) in values.iter().enumerate() {
        same(a, &a.clone());
        for (j, b) in values.iter().enumerate() {
            if i != j {
                differ(a, b);
                assert!(!recorded(a).starts_with(&recorded(b)), "{i} begins as {j}");
            }
        }
    }
}

#[cfg(feature = "bytes")]
#[test]
fn of_bytes() {
    use bytes::{Bytes, BytesMut};
    all_differ(&[Bytes::new(), Bytes::from_static(b"a"), Bytes::from_static(b"ab")]);
    same(&Bytes::from_static(b"ab"), &BytesMut::from(&b"ab"[..]));
}

#[cfg(feature = "camino")]
#[test]
fn of_camino() {
    use camino::Utf8PathBuf;
    let paths = ["a/b", "a//b", "a/b/", "./a/b", "a/./b"].map(Utf8PathBuf::from);
    assert_eq!(paths[0], paths[1], "`==` merges them");
    all_differ(&paths);
    same(&paths[0], paths[0].as_path());
}

#[cfg(feature = "chrono")]
#[test]
fn of_chrono() {
    use chrono::{DateTime, FixedOffset, Month, NaiveDate, NaiveTime, TimeDelta, Weekday};
    let utc = DateTime::from_timestamp(1_700_000_000, 5).unwrap();
    let east = utc.with_timezone(&FixedOffset::east_opt(3600).unwrap());
    let west = utc.with_timezone(&FixedOffset::west_opt(3600).unwrap());
    assert_eq!(east, west, "`==` merges them");
    all_differ(&[
        east,
        west,
        utc.fixed_offset(),
        east + TimeDelta::nanoseconds(1),
        east - TimeDelta::days(1),
    ]);
    all_differ(&[
        utc,
        utc + TimeDelta::nanoseconds(1),
        DateTime::UNIX_EPOCH,
        DateTime::<chrono::Utc>::MIN_UTC,
    ]);
    let leap = NaiveTime::from_hms_nano_opt(23, 59, 59, 1_000_000_000).unwrap();
    all_differ(&[leap, NaiveTime::MIN, NaiveTime::from_hms_opt(23, 59, 59).unwrap()]);
    all_differ(&[NaiveDate::MIN, NaiveDate::MAX, utc.date_naive()]);
    all_differ(&[utc.naive_utc(), east.naive_local()]);
    all_differ(&[TimeDelta::zero(), TimeDelta::nanoseconds(1), TimeDelta::nanoseconds(-1), TimeDelta::MAX]);
    all_differ(&[Weekday::Mon, Weekday::Sun]);
    all_differ(&[Month::January, Month::December]);
}

#[cfg(feature = "indexmap")]
#[test]
fn of_indexmap() {
    use indexmap::{IndexMap, IndexSet};
    let map = |pairs: &[(u8, u8)]| pairs.iter().copied().collect::<IndexMap<_, _>>();
    assert_eq!(map(&[(1, 2), (3, 4)]), map(&[(3, 4), (1, 2)]), "`==` merges them");
    all_differ(&[map(&[]), map(&[(1, 2)]), map(&[(1, 2), (3, 4)]), map(&[(3, 4), (1, 2)])]);
    let set = |items: &[u8]| items.iter().copied().collect::<IndexSet<_>>();
    all_differ(&[set(&[]), set(&[1]), set(&[1, 2]), set(&[2, 1])]);
}

#[cfg(feature = "rust_decimal")]
#[test]
fn of_rust_decimal() {
    use rust_decimal::Decimal;
    let (one, padded) = (Decimal::new(10, 1), Decimal::new(100, 2));
    assert_eq!(one, padded, "`==` merges them");
    let mut negative = Decimal::ZERO;
    negative.set_sign_negative(true);
    all_differ(&[one, padded, Decimal::ONE, Decimal::ZERO, negative, Decimal::MAX, Decimal::MIN]);
}

#[cfg(feature = "smallvec")]
#[test]
fn of_smallvec() {
    use smallvec::SmallVec;
    let vec = |items: &[u8]| SmallVec::<[u8; 2]>::from_slice(items);
    all_differ(&[vec(&[]), vec(&[1]), vec(&[1, 2]), vec(&[1, 2, 3])]);
    same(&vec(&[1, 2, 3]), &vec![1_u8, 2, 3]);
}

#[cfg(feature = "time")]
#[test]
fn of_time() {
    use time::{Date, Duration, Month, OffsetDateTime, Time, UtcOffset, Weekday};
    let utc = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();
    let east = utc.to_offset(UtcOffset::from_hms(1, 0, 0).unwrap());
    assert_eq!(utc, east, "`==` merges them");
    all_differ(&[utc, east, utc + Duration::NANOSECOND, utc - Duration::DAY]);
    all_differ(&[utc.to_utc(), (utc + Duration::NANOSECOND).to_utc()]);
    all_differ(&[Date::MIN, Date::MAX, utc.date()]);
    all_differ(&[Time::MIDNIGHT, Time::from_hms_nano(0, 0, 0, 1).unwrap(), Time::from_hms(1, 0, 0).unwrap()]);
    all_differ(&[Duration::ZERO, Duration::NANOSECOND, -Duration::NANOSECOND, Duration::MAX]);
    all_differ(&[Month::January, Month::December]);
    all_differ(&[Weekday::Monday, Weekday::Sunday]);
}

#[cfg(feature = "url")]
#[test]
fn of_url() {
    let urls =
        ["http://a/", "http://a/b", "http://a/?b", "http://a/#b"].map(|url| url::Url::parse(url).unwrap());
    all_differ(&urls);
}

#[cfg(feature = "uuid")]
#[test]
fn of_uuid() {
    use uuid::Uuid;
    all_differ(&[Uuid::nil(), Uuid::max(), Uuid::from_u128(1)]);
}
