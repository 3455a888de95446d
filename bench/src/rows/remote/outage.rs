//! The cost of a call beyond the function itself while the server is gone and the circuit breaker is open.

use tokio::runtime::Runtime;

use super::server::Server;
use crate::measure::{Contest, Rounds};
use crate::report::{Check, Row};
use crate::rows::hits::triple;

const PLAIN: &str = "the function itself";
/// Goal: nanoseconds above the function itself.
const MOST: f64 = 1000.0;

/// Kills the server and calls functions over it.
pub fn rows<F: Future<Output = u64>>(
    name: &str,
    server: Server,
    runtime: &Runtime,
    ours: fn(u64) -> u64,
    ours_async: fn(u64) -> F,
) -> Vec<Row> {
    drop(server);
    // More failures than open the circuit.
    for n in 0..20 {
        ours(n);
    }
    let blocking = Contest::new().enter("ours", ours).enter(PLAIN, triple).run();
    let _inside = runtime.enter();
    let tasks = Contest::new()
        .enter("ours", |n| runtime.block_on(ours_async(n)))
        .enter(PLAIN, |n| runtime.block_on(async { triple(n) }))
        .run();
    let row = |way: &str, rounds: &Rounds| {
        let added = rounds.median("ours") - rounds.median(PLAIN);
        Row::nanos(&format!("call while {name} is down, {way}"), rounds, &[PLAIN]).check(Check {
            goal: format!("< {MOST:.0} ns above the function itself"),
            measured: format!("{added:+.0} ns"),
            ok: added < MOST,
        })
    };
    vec![row("blocking", &blocking), row("async", &tasks)]
}
