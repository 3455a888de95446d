//! The parts that the examples share: a `SQLite` backend, which the example `custom_backend` is about, and a few lines for
//! printing.
//!
//! The examples themselves are in the folder `examples`; run one with `cargo run -p cachekit-examples --example methods`. The
//! first one, `quickstart`, is a package of its own: `cargo run -p cachekit-quickstart`.

mod print;
pub mod sqlite;

pub use print::{rule, thousands};
