//! Promise 5 on real servers, by really doing it: the function runs once and returns, no call waits long, a server in
//! trouble is left alone, recovery is noticed, deletions and the cache's methods say what is wrong.
//!
//! `it::outage` has the same with a backend in memory, which can fail in ways that servers can't.

mod bulkheads;
mod context;
mod corruption;
mod faults;
mod kinds;
mod memory;
mod strangers;
mod subject;
mod surfaces;
mod watch;
