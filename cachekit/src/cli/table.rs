//! Rows in columns.

use std::fmt::Write as _;
use std::time::Duration;

/// Rows under a head, in columns as wide as their widest cell.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
    /// Whether a column is of numbers, which end at one place.
    numbers: Vec<bool>,
}

impl Table {
    /// A head; a column whose name begins with `>` is of numbers.
    pub(super) fn new(head: &[&str]) -> Self {
        let numbers = head.iter().map(|name| name.starts_with('>')).collect();
        let head = head.iter().map(|name| name.trim_start_matches('>').to_owned()).collect();
        Self { rows: vec![head], numbers }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    pub(super) fn render(&self) -> String {
        let widths: Vec<usize> = (0..self.numbers.len())
            .map(|at| {
                let of = |row: &Vec<String>| row.get(at).map_or(0, |cell| cell.chars().count());
                self.rows.iter().map(of).max().unwrap_or_default()
            })
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), number) in row.iter().zip(&widths).zip(&self.numbers) {
                let _ =
                    if *number { write!(line, "{cell:>width$}  ") } else { write!(line, "{cell:<width$}  ") };
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// A time for a reader, in its two greatest units.
pub(super) fn span(time: Duration) -> String {
    let rounded = match time.as_secs() {
        0 => Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or_default()),
        seconds @ 1..=3_599 => Duration::from_secs(seconds),
        seconds @ 3_600..=86_399 => Duration::from_secs(seconds / 60 * 60),
        seconds => Duration::from_secs(seconds / 3_600 * 3_600),
    };
    humantime::format_duration(rounded).to_string()
}

/// A number of bytes for a reader.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut whole, mut tenths, mut unit) = (count, 0, 0);
    while whole >= 1024 && unit + 1 < UNITS.len() {
        tenths = whole % 1024 * 10 / 1024;
        whole /= 1024;
        unit += 1;
    }
    if unit == 0 { format!("{whole} B") } else { format!("{whole}.{tenths} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["function", ">entries"]);
        table.row(["a".into(), "10".into()]);
        table.row(["longer::name".into(), "1".into()]);
        assert_eq!(table.render(), "function      entries\na                  10\nlonger::name        1\n");
    }

    #[test]
    fn sizes_and_times_are_for_readers() {
        assert_eq!([0, 1023, 1536, 5 << 30].map(bytes), ["0 B", "1023 B", "1.5 KiB", "5.0 GiB"]);
        let spans = [1, 61_000, 3_661_000, 90_061_000].map(|millis| span(Duration::from_millis(millis)));
        assert_eq!(spans, ["1ms", "1m 1s", "1h 1m", "1day 1h"]);
    }
}
