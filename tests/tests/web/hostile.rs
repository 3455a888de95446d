//! Pages that were written into the backend by another program: each is a miss, and none is a panic.

use std::sync::Arc;

use bytes::Bytes;
use cachekit::CacheLayer;
use cachekit_backends::{decode, encode, seal, unseal};
use cachekit_tests::{Mem, World};
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use tower::ServiceExt as _;

use crate::support::{App, page, request};

/// A change of a stored page, by name.
type Change = (&'static str, fn(&mut Variant));

/// A page as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Page {
    variants: Vec<Variant>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Variant {
    response: Stored,
    selecting: Vec<(String, Option<String>)>,
    received: u64,
    initial_age: u64,
    lifetime: u64,
    kept_until: u64,
    own_etag: bool,
    depends: Vec<Dependency>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    status: u16,
    headers: Vec<(String, Bytes)>,
    body: Bytes,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Dependency {
    Local { function: u32, at: u64 },
    Shared { key: String, version: [u8; 16] },
}

/// An app whose page is stored, over bytes that can be changed.
struct Target {
    app: App,
    mem: Arc<Mem>,
    world: World,
    runtime: tokio::runtime::Runtime,
}

impl Target {
    fn new() -> Self {
        let mem = Mem::new();
        let world = World::plain_over(&mem, |config| config);
        let app = App::new(CacheLayer::new(world.cache()).timeout(600), |_, number| {
            page(number, &[("x-some", "field")])
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { app, mem, world, runtime }
    }

    /// Stores a page, changes it, and asks for it: whether the handler was asked.
    fn is_a_miss(&self, change: &dyn Fn(&mut Vec<u8>)) -> bool {
        self.runtime.block_on(async {
            self.world.cache().aio().delete_view("/").await.unwrap();
            self.app.get("/", &[]).await;
            let mut changed = 0;
            self.mem.tamper(|key, bytes| {
                if key.contains("web::pages") && !cachekit_tests::is_version(key) {
                    let (header, payload) = unseal(key, bytes).unwrap();
                    let mut payload = payload.to_vec();
                    change(&mut payload);
                    *bytes = seal(key, &header, |out| {
                        out.extend_from_slice(&payload);
                        Ok(())
                    })
                    .unwrap();
                    changed += 1;
                }
            });
            assert_eq!(changed, 1);
            self.app.ran();
            let answer = self.app.router.clone().oneshot(request("GET", "/", &[])).await.unwrap();
            let (parts, body) = answer.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            // hyper asserts it.
            for length in parts.headers.get_all("content-length") {
                assert_eq!(length, &body.len().to_string());
            }
            self.app.ran() == 1
        })
    }

    fn is_a_miss_with(&self, change: impl Fn(&mut Page)) -> bool {
        self.is_a_miss(&|payload| {
            let mut page: Page = decode(payload).unwrap();
            change(&mut page);
            payload.clear();
            encode(&page, payload).unwrap();
        })
    }
}

/// The last millisecond of the year 9999.
const LAST: u64 = 253_402_300_799_999;

#[test]
fn what_no_layer_writes_is_a_miss() {
    let target = Target::new();
    assert!(!target.is_a_miss_with(|_| {}), "the page as it is");
    let set = |change: fn(&mut Variant)| move |page: &mut Page| change(&mut page.variants[0]);
    let changes: [Change; 20] = [
        ("after the year 9999", |variant| variant.received = LAST + 1),
        ("at the end of time", |variant| variant.received = u64::MAX),
        ("from more than a day ahead", |variant| variant.received += 86_400_001),
        ("kept until a time without a date", |variant| variant.kept_until = LAST + 1),
        ("kept until almost for ever", |variant| variant.kept_until = u64::MAX - 1),
        ("no status", |variant| variant.response.status = 0),
        ("a status of one digit", |variant| variant.response.status = 99),
        ("an interim status", |variant| variant.response.status = 101),
        ("a partial status", |variant| variant.response.status = 206),
        ("not modified", |variant| variant.response.status = 304),
        ("a status of four digits", |variant| variant.response.status = 1000),
        ("no field name", |variant| variant.response.headers.push((String::new(), Bytes::from_static(b"x")))),
        ("a line break", |variant| {
            variant.response.headers.push(("x".into(), Bytes::from_static(b"a\r\nb: c")));
        }),
        ("a cookie", |variant| {
            variant.response.headers.push(("set-cookie".into(), Bytes::from_static(b"a=b")));
        }),
        ("chunks", |variant| {
            variant.response.headers.push(("transfer-encoding".into(), Bytes::from_static(b"chunked")));
        }),
        ("a wrong length", |variant| {
            variant.response.headers.push(("content-length".into(), Bytes::from_static(b"5")));
        }),
        ("very many fields", |variant| {
            variant.response.headers = (0..30_000).map(|n| (format!("x-{n}"), Bytes::new())).collect();
        }),
        ("very many selecting fields", |variant| variant.selecting = vec![(String::new(), None); 100_000]),
        ("very many dependencies", |variant| {
            variant.depends = vec![Dependency::Shared { key: String::new(), version: [0; 16] }; 100_000];
        }),
        ("a dependency of a process", |variant| {
            variant.depends = vec![Dependency::Local { function: u32::MAX, at: u64::MAX }];
        }),
    ];
    for (name, change) in changes {
        assert!(target.is_a_miss_with(set(change)), "{name}");
    }
    assert!(
        target.is_a_miss_with(|page| page.variants = vec![page.variants[0].clone(); 1000]),
        "very many variants"
    );
    assert!(target.is_a_miss_with(|page| page.variants.clear()), "no variant");
}

#[test]
fn numbers_at_the_ends_of_their_range_are_reckoned_with() {
    let target = Target::new();
    for change in [
        (|variant| variant.received = 0) as fn(&mut Variant),
        |variant| variant.initial_age = u64::MAX,
        |variant| variant.lifetime = 0,
        |variant| variant.kept_until = 0,
    ] {
        assert!(target.is_a_miss_with(|page| change(&mut page.variants[0])));
    }
    assert!(!target.is_a_miss_with(|page| page.variants[0].kept_until = u64::MAX));
    assert!(!target.is_a_miss_with(|page| page.variants[0].lifetime = u64::MAX));
}

fn number() -> impl Strategy<Value = u64> {
    const ENDS: &[u64] = &[0, 1, 999, LAST - 1, LAST, LAST + 1, u64::MAX / 1000, u64::MAX - 1, u64::MAX];
    prop_oneof![prop::sample::select(ENDS), any::<u64>(), 0..LAST]
}

fn variant() -> impl Strategy<Value = Variant> {
    let name = prop_oneof![
        prop::sample::select(
            &["etag", "date", "age", "vary", "last-modified", "cache-control", "content-length"][..]
        )
        .prop_map(str::to_string),
        "[a-z]{0,8}",
        ".{0,4}",
    ];
    let value = prop_oneof![
        prop::sample::select(&["0", "*", "Fri, 31 Dec 9999 23:59:59 GMT", "max-age=5", "\"a\""][..])
            .prop_map(|text| Bytes::from_static(text.as_bytes())),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(Bytes::from),
    ];
    let response = (
        prop_oneof![Just(200), any::<u16>()],
        prop::collection::vec((name, value), 0..4),
        prop::collection::vec(any::<u8>(), 0..8),
    );
    let dependency = prop_oneof![
        (any::<u32>(), any::<u64>()).prop_map(|(function, at)| Dependency::Local { function, at }),
        (".{0,300}", any::<[u8; 16]>()).prop_map(|(key, version)| Dependency::Shared { key, version }),
    ];
    let selecting = prop::collection::vec((".{0,6}", prop::option::of(".{0,6}")), 0..2);
    let times = (number(), number(), number(), number());
    (response, selecting, times, any::<bool>(), prop::collection::vec(dependency, 0..2)).prop_map(
        |(
            (status, headers, body),
            selecting,
            (received, initial_age, lifetime, kept_until),
            own_etag,
            depends,
        )| Variant {
            response: Stored { status, headers, body: body.into() },
            selecting,
            received,
            initial_age,
            lifetime,
            kept_until,
            own_etag,
            depends,
        },
    )
}

#[test]
fn no_page_panics() {
    let target = Target::new();
    let config = ProptestConfig {
        cases: 3000,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    proptest!(config, |(variants in prop::collection::vec(variant(), 0..3))| {
        target.is_a_miss_with(|page| page.variants.clone_from(&variants));
    });
}

#[test]
fn no_bytes_panic() {
    let target = Target::new();
    let config = ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    proptest!(config, |(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>(), cuts in any::<bool>())| {
        target.is_a_miss(&|payload| {
            for (at, byte) in &edits {
                let at = at.index(payload.len());
                payload[at] = *byte;
            }
            if cuts {
                payload.truncate(cut.index(payload.len()));
            }
        });
    });
}
