//! The main job of cachekit on real input: the roles of users, from a database of ten thousand.
//!
//! ```text
//! cargo run --release -p cachekit-quickstart
//! ```
//!
//! It asks the same 10,000 questions without a cache, with the cache in this process, and with the cache in files by two
//! processes, one after the other. Then a user gets a role, and exactly this user's answers are forgotten.
//!
//! A question walks through some 800 groups, which takes longer than it takes to store an answer in a file: on a disk a cache pays
//! from about 100 µs on. In process it pays from one.
//!
//! Choose the backend by configuration, as your program would, and run it twice:
//!
//! ```text
//! CACHE_TYPE=filesystem CACHE_DIR=/tmp/answers cargo run -p cachekit-quickstart
//! CACHE_TYPE=redis CACHE_REDIS_URL=redis://127.0.0.1:6379/0 cargo run -p cachekit-quickstart --features redis
//! CACHE_TYPE=memcached CACHE_MEMCACHED_SERVERS=127.0.0.1:11211 cargo run -p cachekit-quickstart --features memcached
//! ```
//!
//! With `CACHE_NEAR=10000` beside these it asks all questions twice more: another process without a near tier answers them from the
//! server, and this one from its tier.
//!
//! The database is made on the first run, in the system's folder for temporary files, or in the folder that is given as
//! the argument.

mod report;
mod store;

use std::error::Error;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use cachekit::{CacheKey, CacheType, Config, delete_memoized, explain, memoize, stats, uncached};
use report::Pass;
use store::{ROLES, Store, USERS, traffic};

const CALLS: usize = 10_000;

/// Two persons are the same to the cache if their ids are equal.
#[derive(CacheKey)]
struct Person<'a> {
    id: u32,
    #[cache_key(skip)]
    store: &'a Store,
}

impl Person<'_> {
    /// The expensive question. The attribute is all that it needs; an error is never stored.
    #[memoize(timeout = "1h")]
    fn has_membership(&self, role: &str) -> rusqlite::Result<bool> {
        self.store.has_role(self.id, role)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let dir = args.next().map_or_else(|| std::env::temp_dir().join("cachekit-quickstart"), PathBuf::from);
    let is_child = args.next().is_some_and(|word| word == "pass");
    fs::create_dir_all(&dir)?;
    let lock = File::create(dir.join("lock"))?;
    if !is_child {
        lock.lock()?; // One run at a time in this folder, because it changes the database.
    }
    let path = dir.join("members.db");
    let store = Store::open(&path)?;
    let questions = traffic(CALLS);
    if is_child {
        cachekit::init(Config::from_env()?)?;
        println!("{}", cached_pass(&store, &questions)?.to_line());
        return Ok(());
    }

    let chosen = std::env::var_os("CACHE_TYPE").is_some();
    let config = if chosen { Config::from_env()? } else { Config::simple() };
    let name = config.cache_type.to_string();
    let keeps = config.cache_type != CacheType::Null && !config.testing;
    let has_tier = config.near > 0;
    cachekit::init(config)?;

    println!("{USERS} users and {} roles, direct and by nested groups, in {}", ROLES.len(), path.display());
    println!("{CALLS} questions `person.has_membership(role)`, few users asking most of them\n");
    report::heading();
    let plain = plain_pass(&store, &questions)?;
    plain.print("without a cache");
    let show = |name: &str, pass: Pass| {
        pass.print(name);
        assert!(pass.answers == plain.answers, "{name}: the cache gave another answer than the database");
        pass.queries
    };

    let queries = show(&name, cached_pass(&store, &questions)?);
    if !chosen {
        assert!(
            queries < plain.queries / 2,
            "most questions were asked before, but {queries} were asked again"
        );
        // The same program with another configuration, in two processes.
        let files = dir.join("answers");
        cachekit::Cache::open(Config::filesystem(&files))?.clear()?;
        let on_files = [("CACHE_TYPE", OsStr::new("filesystem")), ("CACHE_DIR", files.as_os_str())];
        let cold = show("filesystem, first run", child_pass(&dir, &on_files)?);
        let warm = show("filesystem, second run", child_pass(&dir, &on_files)?);
        assert!(warm < cold / 10, "the second run starts warm, but asked {warm} of {cold} questions again");
    }
    if has_tier {
        show("  without a near tier", child_pass(&dir, &[("CACHE_NEAR", OsStr::new("0"))])?);
        show("  from the near tier", cached_pass(&store, &questions)?);
    }
    if keeps { a_role_is_given(&store) } else { Ok(()) }
}

fn plain_pass(store: &Store, questions: &[(u32, &str)]) -> rusqlite::Result<Pass> {
    let start = Instant::now();
    let answers = questions
        .iter()
        .map(|&(id, role)| uncached!(Person::has_membership, &Person { id, store }, role))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Pass::new(&answers, store.take_queries(), None, start.elapsed()))
}

fn cached_pass(store: &Store, questions: &[(u32, &str)]) -> rusqlite::Result<Pass> {
    let hits_before = stats!(Person::has_membership).hits;
    let start = Instant::now();
    let answers = questions
        .iter()
        .map(|&(id, role)| Person { id, store }.has_membership(role))
        .collect::<Result<Vec<_>, _>>()?;
    let time = start.elapsed();
    let hits = stats!(Person::has_membership).hits - hits_before;
    Ok(Pass::new(&answers, store.take_queries(), Some(hits), time))
}

/// [`cached_pass`] in another process, which finds the backend in its environment.
fn child_pass(dir: &Path, variables: &[(&str, &OsStr)]) -> Result<Pass, Box<dyn Error>> {
    let mut child = Command::new(std::env::current_exe()?);
    child.arg(dir).arg("pass").envs(variables.iter().copied()).env_remove("TESTING");
    let output = child.stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("the second process ended with {}", output.status).into());
    }
    Pass::from_line(&String::from_utf8(output.stdout)?)
        .ok_or_else(|| "the second process printed no numbers".into())
}

/// Changes one user's roles, and shows whose answers are computed again.
fn a_role_is_given(store: &Store) -> Result<(), Box<dyn Error>> {
    let (person, neighbour) = (Person { id: 17, store }, Person { id: 18, store });
    let ask_all = |person: &Person<'_>| -> rusqlite::Result<u64> {
        store.take_queries();
        ROLES.iter().try_for_each(|role| person.has_membership(role).map(drop))?;
        Ok(store.take_queries())
    };
    let missing = |role: &&&str| uncached!(Person::has_membership, &person, role).is_ok_and(|has| !has);
    let role = ROLES.iter().rev().find(missing).ok_or("user 17 has every role")?;

    println!("\nUser 17 gets the role `{role}`\n");
    ask_all(&person)?;
    ask_all(&neighbour)?;
    store.grant(17, role)?;
    println!("before the deletion   has it: {:5}  (the answer from the cache)", person.has_membership(role)?);
    delete_memoized!(person.has_membership)?;
    let now = person.has_membership(role)?;
    println!("after it              has it: {now:5}");
    assert!(now, "user 17 has the role, but an answer from before came back");

    delete_memoized!(person.has_membership, role)?;
    println!("{}", explain!(person.has_membership, role));
    delete_memoized!(person.has_membership)?;
    let (mine, others) = (ask_all(&person)?, ask_all(&neighbour)?);
    println!(
        "queries for all {} roles, after a deletion: {mine} for user 17, {others} for user 18",
        ROLES.len()
    );
    assert_eq!(mine, ROLES.len() as u64, "every answer of user 17 is computed again");
    assert_eq!(others, 0, "no answer of user 18 is");

    // As it was, for the next run.
    store.revoke(17, role)?;
    delete_memoized!(person.has_membership, role)?;
    assert!(!person.has_membership(role)?, "user 17 lost the role again");
    Ok(())
}
