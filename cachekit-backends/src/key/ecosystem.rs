//! [`CacheKey`] for types of widely used crates, each behind the feature that is named like its crate.
//!
//! Their `Hash` follows their `Eq`, which is coarser than what a function sees: the same instant in another zone, `1.0` and
//! `1.00`, maps in another order. Here two values are one key only if no function can tell them apart.

#[allow(unused_imports, reason = "each feature uses one")]
use super::impls::{leaves, wrappers};

#[cfg(feature = "bytes")]
mod bytes {
    use bytes::{Bytes, BytesMut};

    super::leaves! {
        Bytes: |x, w| x.as_ref().cache_key(w);
        BytesMut: |x, w| x.as_ref().cache_key(w);
    }
}

#[cfg(feature = "camino")]
mod camino {
    use camino::{Utf8Path, Utf8PathBuf};

    super::leaves! {
        Utf8Path: |x, w| x.as_str().cache_key(w);
        Utf8PathBuf: |x, w| x.as_str().cache_key(w);
    }
}

/// Zones with a name, as those of `chrono-tz`, have no key: their offset alone doesn't tell them apart.
#[cfg(feature = "chrono")]
mod chrono {
    use chrono::{
        DateTime, Datelike as _, FixedOffset, Month, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta,
        Timelike as _, Utc, Weekday,
    };

    super::leaves! {
        NaiveDate: |x, w| w.write_i32(x.num_days_from_ce());
        // A leap second is told by its nanoseconds.
        NaiveTime: |x, w| { w.write_u32(x.num_seconds_from_midnight()); w.write_u32(x.nanosecond()) };
        NaiveDateTime: |x, w| { x.date().cache_key(w); x.time().cache_key(w) };
        FixedOffset: |x, w| w.write_i32(x.local_minus_utc());
        Utc: |_x, _w| {};
        DateTime<Utc>: |x, w| x.naive_utc().cache_key(w);
        DateTime<FixedOffset>: |x, w| { x.naive_utc().cache_key(w); x.offset().cache_key(w) };
        TimeDelta: |x, w| { w.write_i64(x.num_seconds()); w.write_i32(x.subsec_nanos()) };
        Weekday: |x, w| w.write_u32(x.num_days_from_monday());
        Month: |x, w| w.write_u32(x.number_from_month());
    }
}

#[cfg(feature = "indexmap")]
mod indexmap {
    use indexmap::{IndexMap, IndexSet};

    use super::super::impls::feed_items;

    // In their order, which `==` leaves out and a function sees.
    super::wrappers! {
        [T; S] IndexSet<T, S>: |x, w| feed_items(x.len(), x.iter(), w);
        [K, V; S] IndexMap<K, V, S>: |x, w| feed_items(x.len(), x.iter(), w);
    }
}

#[cfg(feature = "rust_decimal")]
mod rust_decimal {
    use rust_decimal::Decimal;

    super::leaves! {
        // With the scale and the sign of zero.
        Decimal: |x, w| w.write_delimited(&x.serialize());
    }
}

#[cfg(feature = "smallvec")]
mod smallvec {
    use smallvec::{Array, SmallVec};

    use super::super::{CacheKey, KeyWriter};

    impl<A: Array<Item: CacheKey>> CacheKey for SmallVec<A> {
        #[inline]
        fn cache_key<W: KeyWriter>(&self, writer: &mut W) {
            self.as_slice().cache_key(writer);
        }
    }
}

#[cfg(feature = "time")]
mod time {
    use time::{
        Date, Duration, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcDateTime, UtcOffset, Weekday,
    };

    super::leaves! {
        Date: |x, w| w.write_i32(x.to_julian_day());
        Time: |x, w| {
            let (hour, minute, second, nanosecond) = x.as_hms_nano();
            w.write_delimited(&[hour, minute, second]);
            w.write_u32(nanosecond);
        };
        PrimitiveDateTime: |x, w| { x.date().cache_key(w); x.time().cache_key(w) };
        UtcOffset: |x, w| w.write_i32(x.whole_seconds());
        OffsetDateTime: |x, w| { x.date().cache_key(w); x.time().cache_key(w); x.offset().cache_key(w) };
        UtcDateTime: |x, w| { x.date().cache_key(w); x.time().cache_key(w) };
        Duration: |x, w| { w.write_i64(x.whole_seconds()); w.write_i32(x.subsec_nanoseconds()) };
        Month: |x, w| w.write_u8(u8::from(*x));
        Weekday: |x, w| w.write_u8(x.number_days_from_monday());
    }
}

#[cfg(feature = "url")]
mod url {
    super::leaves! {
        url::Url: |x, w| x.as_str().cache_key(w);
    }
}

#[cfg(feature = "uuid")]
mod uuid {
    super::leaves! {
        uuid::Uuid: |x, w| w.write_delimited(x.as_bytes());
    }
}
