//! Slots of a Redis cluster that move from node to node.

use crate::redis::{Cluster, raw, run, until, url};

impl Cluster {
    /// The slot of a key.
    pub fn slot(&self, key: &str) -> u16 {
        run(&mut raw(&url(&self.nodes[0])), &["CLUSTER", "KEYSLOT", key])
    }

    /// Keys of the whole cluster that match a pattern, each with its node.
    pub fn keys(&self, pattern: &str) -> Vec<(usize, String)> {
        let of_node = |node: usize| {
            let keys: Vec<String> = run(&mut raw(&url(&self.nodes[node])), &["KEYS", pattern]);
            keys.into_iter().map(move |key| (node, key))
        };
        (0..self.nodes.len()).flat_map(of_node).collect()
    }

    /// Moves a slot with its keys, as `redis-cli --cluster reshard` does.
    ///
    /// # Panics
    /// If a node refuses.
    pub fn move_slot(&self, slot: u16, from: usize, to: usize) {
        self.open_slot(slot, from, to);
        self.move_keys(slot, from, to);
        self.close_slot(slot, from, to);
    }

    fn id(&self, node: usize) -> String {
        run(&mut raw(&url(&self.nodes[node])), &["CLUSTER", "MYID"])
    }

    /// Begins to move a slot: until it is closed, each node answers for the keys that it has.
    pub fn open_slot(&self, slot: u16, from: usize, to: usize) {
        let (slot, source, target) = (slot.to_string(), self.id(from), self.id(to));
        run::<()>(&mut raw(&url(&self.nodes[to])), &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source]);
        run::<()>(&mut raw(&url(&self.nodes[from])), &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target]);
    }

    /// Moves the keys of an open slot.
    pub fn move_keys(&self, slot: u16, from: usize, to: usize) {
        let (slot, port) = (slot.to_string(), self.nodes[to].port().to_string());
        let mut source = raw(&url(&self.nodes[from]));
        loop {
            let keys: Vec<String> = run(&mut source, &["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
            if keys.is_empty() {
                return;
            }
            for key in keys {
                // A key that has gone meanwhile is no error: the answer is `NOKEY`.
                run::<()>(&mut source, &["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"]);
            }
        }
    }

    /// Ends the move of a slot: all nodes know its new one.
    pub fn close_slot(&self, number: u16, from: usize, to: usize) {
        let (slot, target) = (number.to_string(), self.id(to));
        let mut nodes: Vec<usize> =
            (0..self.nodes.len()).filter(|node| *node != to && *node != from).collect();
        // The new one first, or the others would send clients to a node that sends them back.
        nodes.splice(0..0, [to, from]);
        for node in nodes {
            let mut raw = raw(&url(&self.nodes[node]));
            run::<()>(&mut raw, &["CLUSTER", "SETSLOT", &slot, "NODE", &target]);
        }
        until("all nodes know the new one", || {
            (0..self.nodes.len()).all(|node| self.owner(node, number) == target)
        });
    }

    /// The node of a slot, as a node knows it.
    fn owner(&self, node: usize, slot: u16) -> String {
        let nodes: String = run(&mut raw(&url(&self.nodes[node])), &["CLUSTER", "NODES"]);
        let has_it = |line: &&str| {
            line.split(' ').skip(8).any(|range| {
                let (from, to) = range.split_once('-').unwrap_or((range, range));
                // Those on their way stand in brackets, and are no numbers.
                matches!((from.parse(), to.parse()), (Ok(from), Ok(to)) if (from..=to).contains(&slot))
            })
        };
        let line = nodes.lines().find(has_it).unwrap_or_default();
        line.split(' ').next().unwrap_or_default().to_owned()
    }
}
