//! Hits and stores on the disk, with values of 1 KiB, and of many small new entries.

use std::path::Path;
use std::time::Instant;

use cached::{ConcurrentCached, RedbCache};
use cachekit::{Cache, Config};

use super::LIFE;
use crate::measure::{Contest, Random, Rounds};
use crate::report::Row;

const KEYS: u64 = 512;
/// How many small entries are stored.
const SMALL: u64 = 200_000;
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
    let mut rows = vec![row("hit", &hits), row("store", &stores)];
    rows.extend(small(folder.path(), &kind));
    rows
}

/// Stores so many new entries of 64 bytes, and looks each of them up once, in turns of a hundredth.
fn small(folder: &Path, kind: &str) -> [Row; 2] {
    const TURN: u64 = SMALL / 100;
    let config = Config::filesystem(folder.join("small")).threshold(0);
    let ours = Cache::open(config).expect("a folder of its own");
    let redb: RedbCache<String, Vec<u8>> = RedbCache::builder("small")
        .disk_dir(folder.join("redb"))
        .ttl(LIFE)
        .durable(false)
        .build()
        .expect("a database of its own");
    let value = vec![7u8; 64];
    let name = |i: u64| format!("small/{i}");
    let store = |i: u64| ours.set(&name(i), &value, 3600).expect("our disk");
    let store_redb = |i: u64| _ = redb.cache_set(name(i), value.clone()).expect("redb");
    let hit = |i: u64| _ = ours.get::<Vec<u8>>(&name(i)).expect("our disk").expect("a hit");
    let hit_redb = |i: u64| _ = redb.cache_get(&name(i)).expect("redb").expect("a hit");
    let time = |first: u64, one: &dyn Fn(u64)| {
        let start = Instant::now();
        (first..first + TURN).for_each(one);
        start.elapsed().as_nanos() as f64 / TURN as f64
    };
    let turns = |ours: &dyn Fn(u64), redb: &dyn Fn(u64)| {
        let turn = |turn: u64| {
            let first = turn * TURN;
            // Each goes first in every other turn.
            if turn % 2 == 0 {
                let own = time(first, ours);
                (own, time(first, redb))
            } else {
                let theirs = time(first, redb);
                (time(first, ours), theirs)
            }
        };
        let (own, theirs) = (0..SMALL / TURN).map(turn).unzip();
        Rounds::of(vec![("ours", own), (REDB, theirs)])
    };
    let (stores, hits) = (turns(&store, &store_redb), turns(&hit, &hit_redb));
    [("first hit", hits), ("store", stores)].map(|(what, rounds)| {
        let title =
            format!("filesystem {what} of each of 200,000 new entries of 64 bytes, {kind}, nothing flushed");
        Row::micros(&title, &rounds, &[]).faster(&rounds, REDB, 1.0)
    })
}
