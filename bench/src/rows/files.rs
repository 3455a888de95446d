//! Hits and stores on the disk, with values of 1 KiB.

use cached::{ConcurrentCached, RedbCache};
use cachekit::{Cache, Config};

use super::LIFE;
use crate::measure::{Contest, Random, Rounds};
use crate::report::Row;

const KEYS: u64 = 512;
const REDB: &str = "cached disk (redb), durable = false";
const REDB_DURABLE: &str = "cached disk (redb), durable: fsync";
const CACACHE: &str = "cacache";

pub fn rows() -> Vec<Row> {
    // Beside the program rather than in the folder for temporary files, which may be in memory.
    let program = std::env::current_exe().expect("the program's own file");
    let here = program.parent().expect("a program is in a folder");
    let folder = tempfile::tempdir_in(here).expect("a folder to write to");
    let kind = crate::machine::file_system(folder.path());

    let names: Vec<String> = Random(8).shuffled(KEYS).iter().map(|n| format!("article/{n}")).collect();
    let name = |i: u64| names[(i % KEYS) as usize].as_str();
    let value: Vec<u8> = (0..1024u32).map(|n| n as u8).collect();

    let ours = Cache::open(Config::filesystem(folder.path().join("ours"))).expect("a folder of its own");
    let redb = |name: &str, durable: bool| -> RedbCache<String, Vec<u8>> {
        let builder = RedbCache::builder(name).disk_dir(folder.path().join("redb")).ttl(LIFE);
        builder.durable(durable).build().expect("a database of its own")
    };
    let (lazy, durable) = (redb("lazy", false), redb("durable", true));
    let cacache = folder.path().join("cacache");

    let stores = Contest::new()
        .rounds(201)
        .enter("ours", |i| ours.set(name(i), &value, 3600).expect("our disk"))
        .enter(REDB, |i| lazy.cache_set(name(i).to_string(), value.clone()).expect("redb"))
        .enter(CACACHE, |i| cacache::write_sync(&cacache, name(i), &value).expect("cacache"))
        .enter(REDB_DURABLE, |i| durable.cache_set(name(i).to_string(), value.clone()).expect("redb"))
        .run();
    // Every entrant has every key.
    for i in 0..KEYS {
        ours.set(name(i), &value, 3600).expect("our disk");
        lazy.cache_set(name(i).to_string(), value.clone()).expect("redb");
        cacache::write_sync(&cacache, name(i), &value).expect("cacache");
    }
    let hits = Contest::new()
        .rounds(201)
        .enter("ours", |i| ours.get::<Vec<u8>>(name(i)).expect("our disk").expect("a hit"))
        .enter(REDB, |i| lazy.cache_get(&name(i).to_string()).expect("redb").expect("a hit"))
        .enter(CACACHE, |i| cacache::read_sync(&cacache, name(i)).expect("cacache"))
        .run();
    let row = |what: &str, rounds: &Rounds| {
        Row::micros(&format!("filesystem {what}, 1 KiB, {kind}, nothing flushed"), rounds, &[REDB_DURABLE])
            .faster(rounds, REDB, 1.0)
            .faster(rounds, CACACHE, 1.0)
    };
    vec![row("hit", &hits), row("store", &stores)]
}
