//! How cachekit reads what users write, in an attribute and in a configuration alike: durations, and names that may be
//! misspelt. Internal to cachekit: the interface may change in any release.

pub mod duration;
pub mod suggest;
