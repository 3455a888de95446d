//! The command `cachekit` on files, on a real Redis and on a real memcached, with entries that memoized functions stored.

mod files;
mod servers;
mod transcript;
mod wrong;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cachekit::cli::{Streams, run};
use cachekit::testing::{Entered, Scoped};
use cachekit::{Config, memoize};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Price {
    amount: u64,
    currency: String,
}

#[memoize(name = "shop::price", timeout = "1h", tags(format!("item:{id}")))]
fn price(id: u64, currency: &str) -> Price {
    Price { amount: id * 100, currency: currency.to_owned() }
}

#[memoize(name = "shop::stock", timeout = 0)]
fn stock(id: u64) -> u64 {
    id * 2
}

#[derive(Hash, Debug)]
struct Customer(u64);

impl Customer {
    #[memoize(name = "shop::Customer::roles", timeout = "1h")]
    fn roles(&self) -> BTreeMap<String, bool> {
        BTreeMap::from([("admin".to_owned(), self.0 == 1)])
    }
}

/// A shop whose functions have stored some entries, and what the command needs to find them.
struct Shop {
    scoped: Scoped,
    _entered: Entered,
    arguments: Vec<String>,
}

impl Shop {
    /// `arguments` name the same store as `config`.
    fn open(config: Config, arguments: &[&str]) -> Self {
        let scoped = Scoped::new(config.operation_timeout(Duration::from_secs(20)));
        // The command reads the clock of the system.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        scoped.advance(now.saturating_sub(Duration::from_millis(scoped.clock().clock().now())));
        let entered = scoped.enter();
        let shop =
            Self { scoped, _entered: entered, arguments: arguments.iter().map(|&a| a.to_owned()).collect() };
        shop.fill();
        shop
    }

    fn fill(&self) {
        assert_eq!(price(7, "EUR").amount, 700);
        assert_eq!(price(8, "EUR").amount, 800);
        assert_eq!((stock(7), stock(8), stock(9)), (14, 16, 18));
        assert_eq!((Customer(1).roles().len(), Customer(2).roles().len()), (1, 1));
        self.scoped.cache().set("greeting", "hello", 0).unwrap();
    }

    /// Runs the command: its exit code, its output, its errors.
    fn run(&self, arguments: &[&str]) -> (u8, String, String) {
        let own = self.arguments.iter().map(String::as_str);
        command(&own.chain(arguments.iter().copied()).collect::<Vec<_>>(), "", false)
    }

    /// The output of a command that does what it is asked for.
    fn ok(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(arguments);
        assert_eq!((code, &*err), (0, ""), "{arguments:?}: {out}");
        out
    }

    /// The message of a command that ends with a code.
    fn fails(&self, code: u8, arguments: &[&str]) -> String {
        let (found, out, err) = self.run(arguments);
        assert_eq!(found, code, "{arguments:?}: {out}{err}");
        assert_eq!(err.lines().count(), 1, "one line: {err}");
        err.trim_end().to_owned()
    }

    /// The JSON of a command that prints one value.
    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let out = self.ok(&[&["--json"], arguments].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"))
    }

    /// A key of the store that begins so.
    fn key(&self, begin: &str) -> String {
        let out = self.ok(&["--json", "ls"]);
        let keys = out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        keys.map(|line| line["key"].as_str().unwrap().to_owned())
            .find(|key| key.starts_with(begin))
            .unwrap_or_else(|| panic!("no key begins with {begin}: {out}"))
    }
}

/// Runs the command with an empty environment.
fn command(arguments: &[&str], input: &str, terminal: bool) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut input = input.as_bytes();
    let streams = Streams { out: &mut out, err: &mut err, input: &mut input, terminal };
    let all = ["cachekit"].iter().chain(arguments);
    let code = run(all, [], streams);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

/// How often a function's body has run is seen by its entries: whether a call would be a hit.
fn hits(peeked: cachekit::Result<Option<u64>>) -> bool {
    peeked.unwrap().is_some()
}

/// The behaviour on every backend that can list its keys.
fn works_on_a_store_that_lists(shop: &Shop) {
    use cachekit::{delete_memoized, peek};

    assert!(shop.ok(&["ping"]).contains("answers in"), "ping");
    assert_eq!(
        shop.ok(&["functions"]),
        "function               entries\n\
         shop::Customer::roles        2\n\
         shop::price                  2\n\
         shop::stock                  3\n"
    );
    let sums = shop.json(&["stats"]);
    assert_eq!((&sums["keys"]["entry"], &sums["keys"]["value"]), (&7.into(), &1.into()), "{sums}");
    assert_eq!(shop.json(&["verify"])["entries"]["sound"], 8, "all that was stored is sound");

    // A key is shown with its value, which has no type here.
    let entry = shop.key("shop::price:");
    let shown = shop.json(&["show", &entry]);
    assert_eq!(shown["value"]["currency"], "EUR");
    assert_eq!((&shown["function"], &shown["state"]), (&"shop::price".into(), &"sound".into()));
    assert_eq!(shop.json(&["show", "=greeting"])["value"], "hello");
    assert!(shop.ok(&["ls", "--long", "shop::stock"]).contains("never"), "no end");
    assert_eq!(shop.ok(&["--json", "ls", "shop::sto*"]).lines().count(), 4, "entries and a version");

    // One tag, one instance, one key, one function; nothing else each time.
    shop.ok(&["delete-tag", "item:7"]);
    assert!(peek!(price, 7, "EUR").unwrap().is_none() && peek!(price, 8, "EUR").unwrap().is_some());
    let instance = shop.key("shop::Customer::roles#version:");
    let digest = instance.rsplit_once(':').unwrap().1;
    shop.ok(&["delete", "shop::Customer::roles", "--instance", digest]);
    let left = [1, 2].map(|id| peek!(Customer::roles, &Customer(id)).unwrap().is_some());
    assert_eq!(left.iter().filter(|left| **left).count(), 1);
    let before = [7, 8, 9].iter().filter(|id| hits(peek!(stock, **id))).count();
    shop.ok(&["delete-key", &shop.key("shop::stock:")]);
    let after = [7, 8, 9].iter().filter(|id| hits(peek!(stock, **id))).count();
    assert_eq!((before, after), (3, 2));
    shop.ok(&["delete", "shop::stock"]);
    assert!([7, 8, 9].iter().all(|id| !hits(peek!(stock, *id))));

    // An entry that was deleted by its version is still there, until it is looked for.
    let states = shop.json(&["verify"]);
    assert_eq!(states["entries"]["orphaned"], 4, "{states}");
    assert_eq!(shop.json(&["verify", "--repair"])["removed"], 4);
    let states = shop.json(&["verify"]);
    assert_eq!(
        (&states["entries"]["orphaned"], &states["entries"]["sound"]),
        (&0.into(), &3.into()),
        "{states}"
    );

    assert!(shop.ok(&["bench", "--count", "20"]).contains("get"), "bench");
    assert_eq!(shop.ok(&["watch", "--every", "0.01", "--count", "2"]).matches("backend").count(), 2);
    shop.ok(&["clear", "--yes"]);
    assert!(shop.fails(1, &["ls"]).contains("no key"), "all is gone");
    delete_memoized!(price).unwrap();
}

#[memoize(name = "shop::offer", timeout = "1h", tags(format!("item:{id}"), "offers", "prices", "spring"))]
fn offer(id: u64) -> u64 {
    id
}

impl Customer {
    #[memoize(name = "shop::Customer::orders", timeout = "1h", tags("orders", format!("customer:{}", self.0)))]
    fn orders(&self) -> u64 {
        self.0
    }
}

/// Entries with many tags are sound until one of their tags is deleted, whatever else is in the store.
fn verifies_entries_with_many_tags(shop: &Shop) {
    use cachekit::peek;

    assert_eq!((offer(1), offer(2)), (1, 2));
    assert_eq!((Customer(1).orders(), Customer(2).orders()), (1, 2));
    let states = |removed: u64| {
        let found = shop.json(&["verify", "--repair"]);
        assert_eq!(found["removed"], removed, "{found}");
        let count = |state: &str| found["entries"][state].as_u64().unwrap();
        (count("sound"), count("orphaned"), count("unproven"))
    };
    assert_eq!(states(0), (12, 0, 0), "the eight of the shop and these four");
    assert!(peek!(offer, 1).unwrap().is_some() && peek!(Customer::orders, &Customer(2)).unwrap().is_some());
    shop.ok(&["delete-tag", "customer:2"]);
    assert_eq!(states(1), (11, 1, 0));
    shop.ok(&["delete-tag", "spring"]);
    assert_eq!(states(2), (9, 2, 0));
    let shown = shop.json(&["show", &shop.key("shop::Customer::orders:")]);
    assert_eq!(shown["state"], "sound", "{shown}");
}

/// The behaviour on every backend.
fn deletes_what_is_not_there(shop: &Shop) {
    for arguments in [
        &["delete", "shop::nothing"][..],
        &["delete-tag", "nothing"],
        &["delete-view", "/nothing"],
        &["delete-key", "=nothing"],
        &["show", "=nothing"],
    ] {
        let message = shop.fails(1, arguments);
        assert!(message.contains("nothing"), "{message}");
    }
}
