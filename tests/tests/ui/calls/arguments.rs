use cachekit::{delete_memoized, memoize, peek, refresh, uncached};

#[memoize]
fn has_membership(user: u8, role: &str) -> bool {
    usize::from(user) > role.len()
}

fn main() {
    let _ = delete_memoized!(has_membership, 1);
    let _ = delete_memoized!(has_membership, 1, 5);
    let _ = peek!(has_membership, 1, "a", 3);
    refresh!(has_membership, "a", "b");
    refresh!(has_membership, 1);
    uncached!(has_membership, 1, "a", 3);
}
