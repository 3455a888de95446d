//! The encoding, without input or output: commands become bytes, bytes become replies, and what the bytes of a value are.

mod command;
mod framing;
mod glob;
mod layout;
mod reply;

pub(super) use command::{
    Batch, Command, Reply, add, add_and_check, delete, delete_if, is_demoted, is_unknown_script, lease, look,
    mark, prolong, put_if, read, reply, scan, unlink, write,
};
pub(super) use framing::{Framing, MOST_LINE, Malformed, shown};
pub(super) use glob::starting_with;
pub(super) use layout::{MAX_VALUE_LEN, MOST_STORED, is_value, stored_version, token, value};
pub(super) use reply::Replies;
