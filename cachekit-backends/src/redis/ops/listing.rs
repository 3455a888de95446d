//! Listing and clearing: the operations that go through all keys of the servers.

use redis::Value;

use super::super::transport::{Transport, perform_each};
use super::super::wire::{self, Batch, Command};
use super::Ops;
use crate::net::Address;
use crate::{Cursor, Error, ErrorKind, KeyPage, Result};

/// The cursor of a scan's first step, and of its end.
const START: &[u8] = b"0";
/// How many keys one `SCAN` looks at, and one `UNLINK` removes.
const SCAN_COUNT: usize = 1000;
/// How often `clear` starts again because the server changed under its cursor.
const CLEAR_TRIES: usize = 3;

/// Where a list of keys goes on.
struct Position {
    /// The transport's, when the list was begun.
    epoch: u64,
    /// The server of a cluster.
    node: Option<Address>,
    cursor: Vec<u8>,
}

impl Position {
    fn write(&self) -> Cursor {
        let mut bytes = format!("{} ", self.epoch).into_bytes();
        bytes.extend_from_slice(&self.cursor);
        if let Some(Address::Tcp { host, port }) = &self.node {
            bytes.extend_from_slice(format!(" {port} {host}").as_bytes());
        }
        Cursor(bytes)
    }

    fn read(Cursor(bytes): &Cursor) -> Option<Self> {
        let mut parts = std::str::from_utf8(bytes).ok()?.split(' ');
        let (epoch, cursor) = (parts.next()?.parse().ok()?, parts.next()?.as_bytes().to_vec());
        let node = match parts.next() {
            None => None,
            Some(port) => Some(Address::tcp(parts.next()?, port.parse().ok()?)),
        };
        Some(Self { epoch, node, cursor })
    }
}

impl<T: Transport> Ops<'_, T> {
    /// Removes all keys with the prefix. Each round trip has a time limit of its own; the whole has none.
    pub(in crate::redis) async fn clear(&self, prefix: &str) -> Result<()> {
        let pattern = wire::starting_with(prefix);
        let mut why = "";
        for _ in 0..CLEAR_TRIES {
            let (epoch, layout) = (self.transport.epoch(), self.layout().await?);
            for (node, _) in &layout {
                self.clear_node(node.clone(), &pattern).await?;
            }
            if self.transport.epoch() != epoch {
                // A cursor is void on another server, and on one that was restarted.
                why = "connections broke again and again during `clear`";
            } else if layout.iter().any(|(_, slots)| slots.contains('[')) || self.layout().await? != layout {
                // A key may have moved from a node that was not cleared yet to one that was.
                why = "slots of the cluster moved during `clear`, which may have missed keys: try again when they stay";
            } else {
                return Ok(());
            }
        }
        Err(self.transport.server().fault(ErrorKind::Unavailable, why))
    }

    /// The servers that hold keys, each with its slots. Those that are on their way stand in brackets.
    async fn layout(&self) -> Result<Vec<(Option<Address>, String)>> {
        let mut layout = Vec::new();
        for node in self.nodes().await? {
            let slots = if node.is_some() {
                let nodes = Command::new("CLUSTER", 1).word(b"NODES");
                let answer = self.ask(Batch::one(nodes).at(node.clone())).await?;
                let lines = self.bytes("CLUSTER NODES", answer)?.unwrap_or_default();
                own_slots(&String::from_utf8_lossy(&lines))
            } else {
                String::new()
            };
            layout.push((node, slots));
        }
        Ok(layout)
    }

    async fn clear_node(&self, node: Option<Address>, pattern: &[u8]) -> Result<()> {
        let mut cursor = START.to_vec();
        loop {
            let (next, keys) = self.scan(node.clone(), &cursor, pattern).await?;
            for keys in keys.chunks(SCAN_COUNT) {
                self.ask(Batch::one(wire::unlink(keys))).await?;
            }
            if next == START {
                return Ok(());
            }
            cursor = next;
        }
    }

    /// One step of a scan: the next cursor, which is [`START`] at the end, and keys.
    async fn scan(
        &self,
        node: Option<Address>,
        cursor: &[u8],
        pattern: &[u8],
    ) -> Result<(Vec<u8>, Vec<Vec<u8>>)> {
        let scan = wire::scan(cursor, pattern, SCAN_COUNT);
        let answer = self.ask(Batch::one(scan).at(node)).await?;
        let mut parts = self.list("SCAN", answer, 2)?.into_iter();
        let next = self.bytes("SCAN", parts.next().unwrap_or_default())?.unwrap_or_default();
        if next.is_empty() {
            return Err(self.transport.server().unexpected("SCAN", &Value::Nil));
        }
        let keys = self.list("SCAN", parts.next().unwrap_or_default(), 0)?.into_iter();
        let keys = keys.map(|key| Ok(self.bytes("SCAN", key)?.unwrap_or_default()));
        Ok((next, keys.collect::<Result<_>>()?))
    }

    /// Lists keys by one step of a scan. A key may come twice, as the server says of its scans.
    pub(in crate::redis) async fn keys(&self, prefix: &str, at: Option<&Cursor>) -> Result<KeyPage> {
        let Position { epoch, node, cursor } = match at {
            Some(at) => {
                Position::read(at).ok_or_else(|| self.void_cursor("the cursor is not of this backend"))?
            }
            None => self.first_position().await?,
        };
        let (next, found) = self.scan(node.clone(), &cursor, &wire::starting_with(prefix)).await?;
        // A cursor is void on another server, and on one that was restarted; that of the first step isn't.
        let now = self.transport.epoch();
        if at.is_some() && now != epoch {
            return Err(self.void_cursor("connections broke meanwhile; list them again"));
        }
        let keys = self.entries(found).await?;
        let next = if next == START {
            let nodes = self.sorted_nodes().await?;
            nodes
                .into_iter()
                .find(|other| order(other.as_ref()) > order(node.as_ref()))
                .map(|node| Position { epoch: now, node, cursor: START.to_vec() })
        } else {
            Some(Position { epoch: now, node, cursor: next })
        };
        Ok(KeyPage::new(keys, next.map(|position| position.write())))
    }

    async fn first_position(&self) -> Result<Position> {
        let node = self.sorted_nodes().await?.into_iter().next().flatten();
        Ok(Position { epoch: self.transport.epoch(), node, cursor: START.to_vec() })
    }

    fn void_cursor(&self, why: &str) -> Error {
        let what = format!("the keys can't be listed any further: {why}");
        self.transport.server().fault(ErrorKind::Unavailable, &what)
    }

    /// The servers in their order.
    async fn sorted_nodes(&self) -> Result<Vec<Option<Address>>> {
        let mut nodes = self.nodes().await?;
        nodes.sort_by_key(|node| order(node.as_ref()));
        Ok(nodes)
    }

    /// Of these keys those that hold a value, not a lease or something foreign.
    async fn entries(&self, keys: Vec<Vec<u8>>) -> Result<Vec<String>> {
        let batch = Batch::of(keys.iter().map(|key| wire::mark(key)).collect());
        let replies = perform_each(self.transport, &batch).await?;
        let mut entries = Vec::new();
        for (key, reply) in keys.into_iter().zip(replies) {
            match reply {
                Ok(Value::BulkString(mark)) if wire::is_value(&mark) => {
                    entries.extend(String::from_utf8(key));
                }
                Ok(_) => {}
                Err(error) if error.code() == Some("WRONGTYPE") => {}
                Err(error) => return Err(self.transport.server().error(error)),
            }
        }
        Ok(entries)
    }

    /// The servers that hold keys: the masters of a cluster, or the only server.
    async fn nodes(&self) -> Result<Vec<Option<Address>>> {
        if !self.transport.is_scattered() {
            return Ok(vec![None]);
        }
        let slots = Command::new("CLUSTER", 1).word(b"SLOTS");
        let answer = self.ask(Batch::one(slots)).await?;
        let mut masters = Vec::new();
        for range in self.list("CLUSTER SLOTS", answer, 0)? {
            let master =
                master(&range).ok_or_else(|| self.transport.server().unexpected("CLUSTER SLOTS", &range))?;
            if !masters.contains(&Some(master.clone())) {
                masters.push(Some(master));
            }
        }
        Ok(masters)
    }
}

/// The text by which the servers of a cluster are sorted.
fn order(node: Option<&Address>) -> Option<String> {
    node.map(ToString::to_string)
}

/// Of a line for each node, `id address flags master ping pong epoch link slots…`, the slots of the node that answers.
fn own_slots(lines: &str) -> String {
    let own = lines.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let own = own.into_iter().find(|words| words.get(2).is_some_and(|flags| flags.contains("myself")));
    own.and_then(|words| Some(words.get(8..)?.join(" "))).unwrap_or_default()
}

/// Of `[first slot, last slot, [host, port, …], replicas …]` the master.
fn master(range: &Value) -> Option<Address> {
    let Value::Array(range) = range else { return None };
    let Some(Value::Array(node)) = range.get(2) else { return None };
    match node.as_slice() {
        [Value::BulkString(host), Value::Int(port), ..] => {
            let host = String::from_utf8(host.clone()).ok()?;
            Some(Address::tcp(host, u16::try_from(*port).ok()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::own_slots;

    #[test]
    fn slots_are_those_of_the_node_that_answers() {
        let lines = "07c 127.0.0.1:1@2 slave e7d 0 1 4 connected\n\
                     292 127.0.0.1:3@4 master - 0 1 3 connected 10923-16383\n\
                     e7d 127.0.0.1:5@6,host myself,master - 0 0 1 connected 0-5460 5462 [93-<-292] [77->-292]\n";
        assert_eq!(own_slots(lines), "0-5460 5462 [93-<-292] [77->-292]");
        assert_eq!([own_slots(""), own_slots("a b myself")], ["", ""]);
    }
}
