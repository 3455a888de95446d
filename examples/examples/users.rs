//! Users, their roles and their teams: attributes on the functions that read and write, in the place of a service layer.
//!
//! ```text
//! cargo run -p cachekit-examples --example users
//! ```

use std::collections::HashMap;
use std::error::Error;

use cachekit::{invalidates, memoize};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

#[memoize(timeout = "10m", tags(format!("user:{id}")))]
fn user(id: u64) -> Option<User> {
    db::users(&[id]).remove(&id)
}

/// One query for those that are missing; the entries are those of `user`.
#[memoize(each = ids, of = user, timeout = "10m")]
fn users(ids: &[u64]) -> HashMap<u64, User> {
    db::users(ids)
}

#[memoize(timeout = "1h", tags(format!("user:{id}")))]
fn has_role(id: u64, role: &str) -> bool {
    db::roles(id).iter().any(|one| one == role)
}

/// Served for ten minutes more while one call asks again.
#[memoize(timeout = "1m", stale_while_revalidate = "10m", tags("teams"))]
fn team(name: &str) -> Vec<u64> {
    db::team(name)
}

#[invalidates(user(id))]
fn rename(id: u64, name: &str) {
    db::rename(id, name);
}

#[invalidates(has_role(id, role))]
fn grant(id: u64, role: &str) {
    db::grant(id, role);
}

#[invalidates(tag = format!("user:{id}"), tag = "teams")]
fn remove(id: u64) {
    db::remove(id);
}

/// The names of a team.
fn names(name: &str) -> Vec<String> {
    let ids = team(name);
    let users = users(&ids);
    ids.iter().filter_map(|id| users.get(id)).map(|user| user.name.clone()).collect()
}

/// Runs some calls, and prints and checks how many queries they made.
fn expect<R>(queries: u32, what: &str, calls: impl FnOnce() -> R) -> R {
    db::take_count();
    let result = calls();
    let made = db::take_count();
    println!("  {what:<48} {made} queries");
    assert_eq!(made, queries, "{what}");
    result
}

fn main() -> Result<(), Box<dyn Error>> {
    db::fill();
    let all = ["Ann", "Bob", "Cid"];
    assert_eq!(expect(2, "a team of three", || names("red")), all);
    assert_eq!(expect(0, "the same again", || names("red")), all);
    expect(0, "one of them by itself", || user(2));
    expect(1, "a rename", || rename(2, "Bea"));
    assert_eq!(expect(1, "the team, with one user to read", || names("red")), ["Ann", "Bea", "Cid"]);

    assert!(!expect(1, "a role", || has_role(1, "admin")));
    expect(1, "the role is granted", || grant(1, "admin"));
    assert!(expect(1, "the role, which is read again", || has_role(1, "admin")));

    expect(1, "a user is removed", || remove(3));
    assert_eq!(expect(1, "the team, which is read again", || names("red")), ["Ann", "Bea"]);
    assert_eq!(expect(1, "the user, who is gone", || user(3)), None);
    cachekit::cache().delete_tag("teams")?;
    expect(1, "after delete_tag(\"teams\")", || names("red"));
    Ok(())
}

/// A database, which counts its queries.
mod db {
    use std::collections::{BTreeMap, HashMap};
    use std::sync::Mutex;

    use super::User;

    struct Tables {
        users: BTreeMap<u64, (String, Vec<String>)>,
        queries: u32,
    }

    static TABLES: Mutex<Tables> = Mutex::new(Tables { users: BTreeMap::new(), queries: 0 });

    fn query<R>(work: impl FnOnce(&mut BTreeMap<u64, (String, Vec<String>)>) -> R) -> R {
        let mut tables = TABLES.lock().unwrap();
        tables.queries += 1;
        work(&mut tables.users)
    }

    pub(super) fn take_count() -> u32 {
        std::mem::take(&mut TABLES.lock().unwrap().queries)
    }

    pub(super) fn fill() {
        query(|users| {
            for (id, name) in [(1, "Ann"), (2, "Bob"), (3, "Cid")] {
                users.insert(id, (name.to_owned(), Vec::new()));
            }
        });
    }

    pub(super) fn users(ids: &[u64]) -> HashMap<u64, User> {
        let user = |users: &BTreeMap<u64, (String, Vec<String>)>, id: u64| {
            users.get(&id).map(|(name, _)| (id, User { id, name: name.clone() }))
        };
        query(|users| ids.iter().filter_map(|id| user(users, *id)).collect())
    }

    pub(super) fn roles(id: u64) -> Vec<String> {
        query(|users| users.get(&id).map(|(_, roles)| roles.clone()).unwrap_or_default())
    }

    pub(super) fn team(_name: &str) -> Vec<u64> {
        query(|users| users.keys().copied().collect())
    }

    pub(super) fn rename(id: u64, name: &str) {
        query(|users| {
            users.entry(id).and_modify(|(old, _)| name.clone_into(old));
        });
    }

    pub(super) fn grant(id: u64, role: &str) {
        query(|users| {
            users.entry(id).and_modify(|(_, roles)| roles.push(role.to_owned()));
        });
    }

    pub(super) fn remove(id: u64) {
        query(|users| users.remove(&id));
    }
}
