//! Stored responses.
//!
//! A page is read back from bytes that any client of the backend may have written. So reading checks each number and
//! each field against the range that it has when the layer writes it: a page outside of it is unreadable, hence a miss.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::rfc9111::{Selecting, is_of_connection, is_storable};
use crate::call::dependencies::Dependency;

/// The most variants of one page; more displace the oldest ones.
const VARIANTS: usize = 16;
/// The most bytes of one page beside its content: fields, selecting fields and dependencies of all its variants. With the
/// default of `max_body` it is within every backend's limit.
const HEADS: usize = 40_000;
/// The bytes that each field counts beside its text.
const OVERHEAD: usize = 64;
/// More items than this are no part of a page.
const ITEMS: usize = HEADS / OVERHEAD + 1;
/// The last millisecond of the year 9999, the last one that a date in HTTP can name.
pub(super) const LAST: u64 = 253_402_300_799_999;
/// How far the clocks of two processes may be apart, in milliseconds: a day.
const SKEW: u64 = 86_400_000;

/// Status and fields of a response whose content is stored beside them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Head")]
pub struct StoredHead {
    #[serde(with = "status")]
    pub(super) status: StatusCode,
    #[serde(with = "fields")]
    pub(super) headers: HeaderMap,
}

/// A response that is kept: its status, its fields and its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Whole")]
pub struct StoredResponse {
    #[serde(with = "status")]
    pub(super) status: StatusCode,
    #[serde(with = "fields")]
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// [`StoredHead`] before its check.
#[derive(Deserialize)]
struct Head {
    #[serde(with = "status")]
    status: StatusCode,
    #[serde(with = "fields")]
    headers: HeaderMap,
}

/// [`StoredResponse`] before its check.
#[derive(Deserialize)]
struct Whole {
    #[serde(with = "status")]
    status: StatusCode,
    #[serde(with = "fields")]
    headers: HeaderMap,
    body: Bytes,
}

impl TryFrom<Head> for StoredHead {
    type Error = &'static str;

    fn try_from(Head { status, headers }: Head) -> Result<Self, &'static str> {
        check_head(status, &headers)?;
        // The server would contradict a length that isn't that of the content.
        if headers.contains_key(CONTENT_LENGTH) {
            Err("a length without content")
        } else {
            Ok(Self { status, headers })
        }
    }
}

impl TryFrom<Whole> for StoredResponse {
    type Error = &'static str;

    fn try_from(Whole { status, headers, body }: Whole) -> Result<Self, &'static str> {
        check_head(status, &headers)?;
        let length = HeaderValue::from(body.len());
        let fits = headers.get_all(CONTENT_LENGTH).iter().all(|told| *told == length);
        if fits { Ok(Self { status, headers, body }) } else { Err("a length that isn't that of the content") }
    }
}

fn check_head(status: StatusCode, headers: &HeaderMap) -> Result<(), &'static str> {
    if !is_storable(status) {
        return Err("a status that isn't stored");
    }
    if headers.keys().any(|name| is_of_connection(name) || *name == SET_COOKIE) {
        return Err("a field that isn't stored");
    }
    Ok(())
}

/// One of the responses of a page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Variant {
    pub(super) response: StoredResponse,
    /// The fields of the request that it depends on.
    #[serde(deserialize_with = "items")]
    pub(super) selecting: Selecting,
    /// When it was received, in milliseconds since the Unix epoch.
    pub(super) received: u64,
    /// How old it was then, in milliseconds.
    pub(super) initial_age: u64,
    /// For how long it is fresh, in milliseconds.
    pub(super) lifetime: u64,
    /// Until when it is kept, in milliseconds since the Unix epoch; longer than it is fresh, if it can be validated.
    /// `u64::MAX` is for ever.
    pub(super) kept_until: u64,
    /// The layer made the `ETag`, so the origin doesn't know it.
    pub(super) own_etag: bool,
    /// The cached functions that took part in it.
    #[serde(deserialize_with = "items")]
    pub(super) depends: Vec<Dependency>,
}

/// The responses to requests for one URI, the newest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Variants")]
pub(super) struct Page {
    pub(super) variants: Vec<Variant>,
}

/// [`Page`] before its check.
#[derive(Deserialize)]
struct Variants {
    #[serde(deserialize_with = "items")]
    variants: Vec<Variant>,
}

impl TryFrom<Variants> for Page {
    type Error = &'static str;

    fn try_from(Variants { variants }: Variants) -> Result<Self, &'static str> {
        // The layer adds an `ETag` after it has weighed the fields.
        let heads: usize = variants.iter().map(Variant::weight).sum();
        if variants.len() > VARIANTS || heads > HEADS + VARIANTS * 4 * OVERHEAD {
            return Err("more than is stored of a page");
        }
        let in_time = |variant: &Variant| {
            variant.received <= LAST && (variant.kept_until <= LAST || variant.kept_until == u64::MAX)
        };
        let shared = |one: &Dependency| matches!(one, Dependency::Shared { .. });
        if !variants.iter().all(|variant| in_time(variant) && variant.depends.iter().all(shared)) {
            return Err("times or dependencies that no page has");
        }
        Ok(Self { variants })
    }
}

impl Variant {
    /// Returns its age in milliseconds.
    pub(super) fn age(&self, now: u64) -> u64 {
        self.initial_age.saturating_add(now.saturating_sub(self.received))
    }

    /// Returns for how many seconds it stays fresh; less than none if it is stale.
    pub(super) fn seconds_left(&self, now: u64) -> i64 {
        let left = (i128::from(self.lifetime) - i128::from(self.age(now))) / 1000;
        i64::try_from(left).unwrap_or(i64::MAX)
    }

    /// Returns the bytes that it takes.
    fn size(&self) -> usize {
        size_of::<Self>() + self.weight() + self.response.body.len()
    }

    /// Returns the bytes that it takes beside its content.
    fn weight(&self) -> usize {
        let fields = self.response.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        let depends = self.depends.iter().map(|one| match one {
            Dependency::Shared { key, .. } => key.len(),
            Dependency::Local { .. } => 0,
        });
        fields.chain(depends).map(|text| text + OVERHEAD).sum::<usize>() + selecting_weight(&self.selecting)
    }

    /// Whether its fields are too long for a page. `None` if they aren't, else whether the request's own fields are the reason.
    pub(super) fn excess(&self) -> Option<Excess> {
        if selecting_weight(&self.selecting) > HEADS / 2 {
            Some(Excess::Selecting)
        } else if self.weight() > HEADS {
            Some(Excess::Head)
        } else {
            None
        }
    }
}

/// Which fields are too long for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// Those of the response.
    Head,
    /// Those of the request that the response depends on.
    Selecting,
}

fn selecting_weight(selecting: &Selecting) -> usize {
    let text = |(name, value): &(String, Option<String>)| name.len() + value.as_ref().map_or(0, String::len);
    selecting.iter().map(|field| text(field) + OVERHEAD).sum()
}

impl Page {
    /// Returns the bytes that it takes.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.variants.iter().map(Variant::size).sum::<usize>()
    }

    /// Returns this page with another variant in front, which replaces the one with the same selecting fields. Older
    /// variants stay as far as `room` bytes of content and the limits of a page go.
    pub(super) fn with(previous: Option<&Self>, variant: Variant, now: u64, room: usize) -> Self {
        let (mut content, mut heads) = (variant.response.body.len(), variant.weight());
        let mut variants = vec![variant];
        let older = previous.map_or(&[][..], |page| &page.variants);
        for other in older {
            if other.selecting == variants[0].selecting || other.kept_until <= now {
                continue;
            }
            content += other.response.body.len();
            heads += other.weight();
            if content > room || heads > HEADS || variants.len() == VARIANTS {
                break;
            }
            variants.push(other.clone());
        }
        Self { variants }
    }

    /// Returns the dependencies of its variants.
    pub(super) fn depends(&self) -> impl Iterator<Item = &Dependency> + Clone {
        self.variants.iter().flat_map(|variant| &variant.depends)
    }

    /// Returns until when any of it is kept, in milliseconds since the Unix epoch.
    pub(super) fn kept_until(&self) -> u64 {
        self.variants.iter().map(|variant| variant.kept_until).max().unwrap_or(0)
    }

    /// Whether it was received in the future, by more than clocks differ. No process has written such a page.
    pub(super) fn is_of_the_future(&self, now: u64) -> bool {
        self.variants.iter().any(|variant| variant.received > now.saturating_add(SKEW))
    }
}

/// A list of at most [`ITEMS`], so that few bytes can't become much memory.
fn items<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Items<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {ITEMS}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(one) = seq.next_element()? {
                if all.len() == ITEMS {
                    return Err(A::Error::invalid_length(ITEMS + 1, &self));
                }
                all.push(one);
            }
            Ok(all)
        }
    }
    deserializer.deserialize_seq(Items(PhantomData))
}

mod status {
    #![expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]

    use super::{Deserialize, Deserializer, Serializer, StatusCode};

    pub(super) fn serialize<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(status.as_u16())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StatusCode, D::Error> {
        StatusCode::from_u16(u16::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

mod fields {
    use super::{
        Bytes, Deserializer, HeaderMap, HeaderName, HeaderValue, SeqAccess, SerializeSeq, Serializer,
        Visitor, fmt,
    };
    use serde::de::Error as _;

    use super::ITEMS;

    pub(super) fn serialize<S: Serializer>(headers: &HeaderMap, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(headers.len()))?;
        for (name, value) in headers {
            seq.serialize_element(&(name.as_str(), Bytes::copy_from_slice(value.as_bytes())))?;
        }
        seq.end()
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HeaderMap, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = HeaderMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the fields of a response")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<HeaderMap, A::Error> {
                let mut headers = HeaderMap::new();
                while let Some((name, value)) = seq.next_element::<(String, Bytes)>()? {
                    if headers.len() == ITEMS {
                        return Err(A::Error::invalid_length(ITEMS + 1, &self));
                    }
                    let name = HeaderName::try_from(name).map_err(A::Error::custom)?;
                    let value = HeaderValue::from_maybe_shared(value).map_err(A::Error::custom)?;
                    headers.try_append(name, value).map_err(A::Error::custom)?;
                }
                Ok(headers)
            }
        }
        deserializer.deserialize_seq(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(user: &str, bytes: usize) -> Variant {
        let mut headers = HeaderMap::new();
        headers.append("x", HeaderValue::from_bytes(&[0xe4, b'a']).unwrap());
        headers.append("x", HeaderValue::from_static("2"));
        Variant {
            response: StoredResponse { status: StatusCode::CREATED, headers, body: vec![7; bytes].into() },
            selecting: vec![("user".into(), Some(user.into()))],
            received: 5,
            initial_age: 6,
            lifetime: 7,
            kept_until: 100,
            own_etag: true,
            depends: vec![Dependency::Shared { key: "f".into(), version: [9; 16] }],
        }
    }

    #[test]
    fn a_page_comes_back_from_bytes_as_it_was() {
        let page = Page { variants: vec![variant("ann", 300), variant("bob", 0)] };
        let mut bytes = Vec::new();
        cachekit_backends::encode(&page, &mut bytes).unwrap();
        assert!(bytes.len() < 700, "content is stored as bytes: {}", bytes.len());
        let back: Page = cachekit_backends::decode(&bytes).unwrap();
        assert_eq!(format!("{back:?}"), format!("{page:?}"));
        for cut in 0..bytes.len() {
            assert!(cachekit_backends::decode::<Page>(&bytes[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn older_variants_stay_as_far_as_there_is_room() {
        let users = |page: &Page| -> Vec<String> {
            page.variants.iter().filter_map(|variant| variant.selecting[0].1.clone()).collect()
        };
        let page = Page::with(None, variant("ann", 4), 0, 10);
        let page = Page::with(Some(&page), variant("bob", 4), 0, 10);
        assert_eq!(users(&page), ["bob", "ann"]);
        assert_eq!(users(&Page::with(Some(&page), variant("ann", 4), 0, 10)), ["ann", "bob"]);
        assert_eq!(users(&Page::with(Some(&page), variant("cid", 4), 0, 10)), ["cid", "bob"]);
        assert_eq!(
            users(&Page::with(Some(&page), variant("cid", 4), 100, 10)),
            ["cid"],
            "the others are over"
        );
        let many = (0..40).fold(Page::default(), |page, user| {
            Page::with(Some(&page), variant(&user.to_string(), 0), 0, 10)
        });
        assert_eq!(many.variants.len(), VARIANTS);
    }
}
