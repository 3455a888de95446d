//! Stored responses.

use std::fmt;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::rfc9111::Selecting;
use crate::call::dependencies::Dependency;

/// A response that is kept: its status, its fields and its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredResponse {
    #[serde(with = "status")]
    pub(super) status: StatusCode,
    #[serde(with = "fields")]
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// One of the responses of a page, with what it was made for and when.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Variant {
    pub(super) response: StoredResponse,
    /// The fields of the request that it depends on.
    pub(super) selecting: Selecting,
    /// When it was received, in milliseconds since the Unix epoch.
    pub(super) received: u64,
    /// How old it was then, in milliseconds.
    pub(super) initial_age: u64,
    /// For how long it is fresh, in milliseconds.
    pub(super) lifetime: u64,
    /// Until when it is kept, in milliseconds since the Unix epoch; longer than it is fresh, if it can be validated.
    pub(super) kept_until: u64,
    /// The `ETag` is ours: whoever made the response doesn't know it.
    pub(super) own_etag: bool,
    /// The cached functions that took part in it.
    pub(super) depends: Vec<Dependency>,
}

/// The responses to requests for one URI, the newest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Page {
    pub(super) variants: Vec<Variant>,
}

/// The most variants of one page; more push the oldest ones out.
const VARIANTS: usize = 16;

impl Variant {
    /// Its age now, in milliseconds.
    pub(super) fn age(&self, now: u64) -> u64 {
        self.initial_age.saturating_add(now.saturating_sub(self.received))
    }
}

impl Page {
    /// This page with another variant in front, in the place of the one with the same selecting fields. Older variants stay
    /// as far as `room` bytes of content go.
    pub(super) fn with(previous: Option<&Self>, variant: Variant, now: u64, room: usize) -> Self {
        let mut total = variant.response.body.len();
        let mut variants = vec![variant];
        let older = previous.map_or(&[][..], |page| &page.variants);
        for other in older {
            if other.selecting == variants[0].selecting || other.kept_until <= now {
                continue;
            }
            total += other.response.body.len();
            if total > room || variants.len() == VARIANTS {
                break;
            }
            variants.push(other.clone());
        }
        Self { variants }
    }

    /// Until when any of it is kept, in milliseconds since the Unix epoch.
    pub(super) fn kept_until(&self) -> u64 {
        self.variants.iter().map(|variant| variant.kept_until).max().unwrap_or(0)
    }
}

mod status {
    #![allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]

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
