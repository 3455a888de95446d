//! A lock among processes, as `single_flight = "fleet"` makes it: an `add`, renewed and locks over by `put_if`.

use std::time::Duration;

use crate::conformance::case::{Case, race};
use crate::conformance::outcome::{Outcome, same, same_value};

const LIFE: Option<Duration> = Some(Duration::from_secs(60));

/// Of eight that take over a lock whose owner has stood still, at most one has it, and the owner that comes back can't renew it;
/// through two handles if the store is shared.
pub(in crate::conformance) fn a_lock_has_one_owner(case: &Case<'_>) -> Outcome {
    if !(case.caps.atomic_add && case.caps.conditional) {
        return case.skip("`atomic_add` and `conditional` are not claimed");
    }
    let handles = [case.store.clone(), case.another()?];
    let claim = |i: usize| format!("caller {i}").into_bytes();
    let mut locks = 0;
    for round in 0..20 {
        let key = case.key(format_args!("lock {round}"));
        same("`add` of a lock that is free", true, handles[1].add(&key, b"first", LIFE)?)?;
        same("`add` of one that is held", false, handles[0].add(&key, b"other", LIFE)?)?;
        let former = handles[1].token(&key)?;
        let won = race(8, |i| {
            let handle = &handles[i % 2];
            // The token before the bytes: a change in between voids it.
            let token = handle.token(&key)?;
            let is_first = handle.get(&key)?.as_deref() == Some(b"first");
            Ok(is_first && handle.put_if(&key, &claim(i), LIFE, token)?)
        })?;
        let owners: Vec<usize> = (0..8).filter(|&i| won[i]).collect();
        same("whether a lock has more than one owner", false, owners.len() > 1)?;
        if let [owner] = owners[..] {
            locks += 1;
            same("`put_if` by the former owner", false, handles[1].put_if(&key, b"first", LIFE, former)?)?;
            same_value("the lock", Some(&claim(owner)), case.store.get(&key)?)?;
        }
        case.store.delete(&key)?;
        same("`add` of a lock that was given back", true, handles[0].add(&key, b"next", LIFE)?)?;
    }
    same("whether any of 20 locks was locks over", true, locks > 0)
}
