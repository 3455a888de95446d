//! Several flights that one body computes.
//!
//! The body runs as that of the last flight. The others can't end before it, so each of them counts as a wait for the last one:
//! code in the body that asks for one of their keys would wait for itself, and is told so. All of them share the pulse of the
//! body's task.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::lead::Lead;
use super::nesting::{self, Edge};
use super::state::Node;

/// The flights of several computations.
pub(crate) struct Together(Vec<Node>);

impl<'l, K: 'l, E: Clone + 'l> FromIterator<&'l Lead<'l, K, E>> for Together {
    fn from_iter<I: IntoIterator<Item = &'l Lead<'l, K, E>>>(leads: I) -> Self {
        Self(leads.into_iter().filter_map(Lead::node).collect())
    }
}

impl Together {
    /// Runs a future as the body of all of them.
    pub(crate) fn scope<F: Future>(self, body: F) -> impl Future<Output = F::Output> {
        let mut others = self.0;
        let last = others.pop();
        let edges =
            last.iter().flat_map(|last| others.iter().filter_map(|node| Edge::record(node.clone(), last)));
        Group {
            edges: edges.collect(),
            last: last.clone(),
            paced: false,
            body: Box::pin(nesting::scope(last, body)),
            others,
        }
    }
}

struct Group<F> {
    /// Dropped first: its destructors are a part of all of them.
    body: Pin<Box<F>>,
    /// Dropped before the flights, whose addresses they are.
    edges: Vec<Edge>,
    last: Option<Node>,
    others: Vec<Node>,
    /// Whether the others have the pulse.
    paced: bool,
}

impl<F: Future> Future for Group<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let polled = self.body.as_mut().poll(context);
        if polled.is_ready() {
            self.edges.clear();
        } else if !self.paced {
            self.paced = true;
            let pulse = self.last.as_ref().and_then(|last| last.pulse());
            for other in &self.others {
                other.set_pulse(pulse.clone());
            }
        }
        polled
    }
}

impl<F> Drop for Group<F> {
    fn drop(&mut self) {
        if self.paced {
            for other in &self.others {
                other.set_pulse(None);
            }
        }
    }
}
