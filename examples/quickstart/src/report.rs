//! The time of one pass over all questions, as a row of a table.

use std::time::Duration;

/// The numbers of one pass.
pub(crate) struct Pass {
    /// A digest of all answers, to compare passes by.
    pub(crate) answers: u64,
    pub(crate) calls: u64,
    pub(crate) queries: u64,
    pub(crate) hits: Option<u64>,
    pub(crate) time: Duration,
}

impl Pass {
    pub(crate) fn new(answers: &[bool], queries: u64, hits: Option<u64>, time: Duration) -> Self {
        // FNV-1a: the order counts, and it is the same in every process.
        let digest = answers.iter().fold(0xcbf2_9ce4_8422_2325, |digest, &yes| {
            (digest ^ u64::from(yes)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { answers: digest, calls: answers.len() as u64, queries, hits, time }
    }

    pub(crate) fn print(&self, name: &str) {
        let hits = self.hits.map_or_else(|| "-".into(), |hits| self.rate(hits));
        let millis = self.time.as_secs_f64() * 1e3;
        let count = u32::try_from(self.calls).unwrap_or(u32::MAX).max(1);
        let each = (self.time / count).as_secs_f64() * 1e6;
        let Self { calls, queries, .. } = self;
        println!("{name:<24}{calls:>9}{queries:>10}{hits:>10}{millis:>9.0} ms{each:>11.1} µs");
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
    fn rate(&self, hits: u64) -> String {
        format!("{:.1} %", 100.0 * hits as f64 / self.calls.max(1) as f64)
    }

    /// One line for another process to read.
    pub(crate) fn to_line(&self) -> String {
        let Self { answers, calls, queries, hits, time } = self;
        format!("{answers} {calls} {queries} {} {}", hits.unwrap_or_default(), time.as_micros())
    }

    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        Some(Self {
            answers: words.next()?.parse().ok()?,
            calls: words.next()?.parse().ok()?,
            queries: words.next()?.parse().ok()?,
            hits: Some(words.next()?.parse().ok()?),
            time: Duration::from_micros(words.next()?.parse().ok()?),
        })
    }
}

pub(crate) fn heading() {
    println!("{:<24}{:>9}{:>10}{:>10}{:>12}{:>14}", "", "calls", "queries", "hit rate", "time", "per call");
}
