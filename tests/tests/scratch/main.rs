//! Crates beside the workspace: programs that are built and run more than once.
#![allow(missing_docs)]

mod durations;
mod fixes;
mod identity;
