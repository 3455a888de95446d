//! The time of one pass over all questions, as a row of a table.

use std::time::Duration;

/// The numbers of one pass.
pub(crate) struct Pass {
    /// A digest of all answers, to compare passes by.
    pub(crate) answers: u64,
    pub(crate) calls: u64,
    pub(crate) queries: u64,
    pub(crate) hit_rate: Option<f64>,
    pub(crate) time: Duration,
}

impl Pass {
    pub(crate) fn new(answers: &[bool], queries: u64, hit_rate: Option<f64>, time: Duration) -> Self {
        // FNV-1a: the order counts, and it is the same in every process.
        let digest = answers.iter().fold(0xcbf2_9ce4_8422_2325, |digest, &yes| {
            (digest ^ u64::from(yes)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { answers: digest, calls: answers.len() as u64, queries, hit_rate, time }
    }

    pub(crate) fn print(&self, name: &str) {
        let hits = self.hit_rate.map_or_else(|| "-".into(), |rate| format!("{:.1} %", rate * 100.0));
        let millis = self.time.as_secs_f64() * 1e3;
        let count = u32::try_from(self.calls).unwrap_or(u32::MAX).max(1);
        let each = (self.time / count).as_secs_f64() * 1e6;
        let Self { calls, queries, .. } = self;
        println!("{name:<24}{calls:>9}{queries:>10}{hits:>10}{millis:>9.0} ms{each:>11.1} µs");
    }

    /// One line for another process to read.
    pub(crate) fn to_line(&self) -> String {
        let Self { answers, calls, queries, hit_rate, time } = self;
        format!("{answers} {calls} {queries} {} {}", hit_rate.unwrap_or_default(), time.as_micros())
    }

    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        Some(Self {
            answers: words.next()?.parse().ok()?,
            calls: words.next()?.parse().ok()?,
            queries: words.next()?.parse().ok()?,
            hit_rate: Some(words.next()?.parse().ok()?),
            time: Duration::from_micros(words.next()?.parse().ok()?),
        })
    }
}

pub(crate) fn heading() {
    println!("{:<24}{:>9}{:>10}{:>10}{:>12}{:>14}", "", "calls", "queries", "hit rate", "time", "per call");
}
