//! Crates beside the workspace: programs that are built and run more than once.
#![allow(missing_docs)]

mod fixes;
mod identity;
