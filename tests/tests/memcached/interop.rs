//! The published `memcache` client as the other side: what one writes under a name on the wire the other reads.

use std::io::{BufRead, BufReader, Write};

use cachekit::Config;
use cachekit_tests::memcached as servers;
use cachekit_tests::server::Server;

use crate::{backend, patient, prefix};

/// The keys of a server that begin so, as the server lists them.
pub(crate) fn keys(server: &Server, begin: &str) -> Vec<String> {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.write_all(b"lru_crawler metadump all\r\n").unwrap();
    let mut keys = Vec::new();
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        if line == "END" {
            return keys;
        }
        let word = line.split(' ').next().unwrap().strip_prefix("key=").unwrap_or_default();
        let key = word.replace("%3A", ":").replace("%23", "#").replace("%3D", "=").replace("%40", "@");
        keys.extend(key.starts_with(begin).then_some(key));
    }
    panic!("the server hung up");
}

/// Items are plain: the value's own bytes under `key@generation`, without flags.
#[test]
fn the_memcache_crate_reads_what_is_written_and_the_other_way_round() {
    let server = servers::server(&[]);
    let store = backend(&patient(Config::memcached([servers::address(&server)]).key_prefix(prefix())));
    for protocol in ["ascii", "binary"] {
        let url = format!("memcache://{}?protocol={protocol}", servers::address(&server));
        let other = memcache::connect(url).unwrap();
        let bytes: Vec<u8> = (0..=255).cycle().take(5_000).collect();
        store.set("interop", &bytes, None).unwrap();
        let key = keys(&server, "interop@").pop().unwrap();
        assert_eq!(other.get::<Vec<u8>>(&key).unwrap(), Some(bytes));
        other.set(&key, "written by the other", 60).unwrap();
        assert_eq!(store.get("interop").unwrap().unwrap(), b"written by the other");
        let token = store.token("interop").unwrap();
        other.set(&key, "again", 60).unwrap();
        assert!(!store.put_if("interop", b"late", None, token).unwrap(), "its write voids a token");
        assert!(other.delete(&key).unwrap());
        assert_eq!(store.get("interop").unwrap(), None);
    }
}
