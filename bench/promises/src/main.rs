//! The same scenarios with each library: does it keep what its users take for granted? Prints a table in Markdown.

mod blobs;
mod child;
mod peers;
mod scenarios;
mod script;

use peers::{Amalgam, Cached, Cachekit, Cachet, Memoize, Moka, QuickCache};
use scenarios::{Outcome, SCENARIOS, all};

#[tokio::main(flavor = "multi_thread", worker_threads = 4)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    child::work::<Cachekit>(&arguments);
    child::work::<Cached>(&arguments);
    // Panics are part of the scenarios.
    std::panic::set_hook(Box::new(|_| ()));
    let peers = [
        all::<Cachekit>().await,
        all::<Cached>().await,
        all::<Memoize>().await,
        all::<Moka>().await,
        all::<QuickCache>().await,
        all::<Amalgam>().await,
        all::<Cachet>().await,
    ];
    let names: Vec<&str> = peers.iter().map(|(name, _)| *name).collect();
    println!("| scenario | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(peers.len()));
    for (row, scenario) in SCENARIOS.iter().enumerate() {
        let cells: Vec<String> = peers.iter().map(|(_, outcomes)| outcomes[row].to_string()).collect();
        println!("| {scenario} | {} |", cells.join(" | "));
    }
    let failed = peers[0].1.iter().any(|outcome| matches!(outcome, Outcome::Fails(_)));
    // A blocked call of a peer must not keep the program.
    std::process::exit(i32::from(failed));
}
