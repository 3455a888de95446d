//! Rows, and how they are printed.

use std::fmt::Write;

use crate::measure::Rounds;

/// One row of the table.
pub struct Row {
    pub title: String,
    pub unit: &'static str,
    /// More of the unit is better.
    pub more: bool,
    pub ours: f64,
    pub peers: Vec<(String, f64)>,
    /// Shown beside the peers, without being one.
    pub references: Vec<(String, f64)>,
    pub checks: Vec<Check>,
}

/// A goal, and whether it is reached.
pub struct Check {
    pub goal: String,
    pub measured: String,
    pub ok: bool,
}

impl Check {
    /// A ratio that is to be at most `limit`.
    pub fn at_most(ratio: f64, limit: f64, to: &str) -> Self {
        Self { goal: format!("≤ {limit:.2} × {to}"), measured: format!("{ratio:.2}"), ok: ratio <= limit }
    }

    /// A ratio that is to be at least `limit`.
    pub fn at_least(ratio: f64, limit: f64, to: &str) -> Self {
        Self { goal: format!("≥ {limit:.2} × {to}"), measured: format!("{ratio:.2}"), ok: ratio >= limit }
    }
}

impl Row {
    /// A row of nanoseconds. The entrant "ours" is ours; `references` are no peers.
    pub fn nanos(title: &str, rounds: &Rounds, references: &[&str]) -> Self {
        Self::scaled(title, "ns", rounds, references, 1.0)
    }

    /// A row of microseconds.
    pub fn micros(title: &str, rounds: &Rounds, references: &[&str]) -> Self {
        Self::scaled(title, "µs", rounds, references, 1e-3)
    }

    fn scaled(title: &str, unit: &'static str, rounds: &Rounds, references: &[&str], scale: f64) -> Self {
        let mut row = Self {
            title: title.to_string(),
            unit,
            more: false,
            ours: 0.0,
            peers: Vec::new(),
            references: Vec::new(),
            checks: Vec::new(),
        };
        for (name, value) in rounds.medians() {
            let value = value * scale;
            match name {
                "ours" => row.ours = value,
                _ if references.contains(&name) => row.references.push((name.to_string(), value)),
                _ => row.peers.push((name.to_string(), value)),
            }
        }
        row
    }

    /// A row of millions in a second.
    pub fn millions(title: &str, rounds: &Rounds, references: &[&str]) -> Self {
        Self { more: true, ..Self::scaled(title, "million/s", rounds, references, 1.0) }
    }

    /// A row of thousands in a second, of rounds of single ones.
    pub fn thousands(title: &str, rounds: &Rounds, references: &[&str]) -> Self {
        Self { more: true, ..Self::scaled(title, "thousand/s", rounds, references, 1e-3) }
    }

    /// Adds a goal.
    pub fn check(mut self, check: Check) -> Self {
        self.checks.push(check);
        self
    }

    /// Adds the goal that our time is at most `limit` times that of a peer.
    pub fn faster(self, rounds: &Rounds, peer: &str, limit: f64) -> Self {
        self.check(Check::at_most(rounds.ratio("ours", peer), limit, peer))
    }

    /// Adds the goal that our number is at most `limit` times that of the best peer.
    pub fn fastest(self, limit: f64) -> Self {
        let Some((name, best)) = self.best().cloned() else { return self };
        let ratio = self.ours / best;
        self.check(Check::at_most(ratio, limit, &format!("the fastest peer ({name})")))
    }

    /// The best of the peers.
    pub fn best(&self) -> Option<&(String, f64)> {
        self.peers.iter().min_by(|a, b| if self.more { b.1.total_cmp(&a.1) } else { a.1.total_cmp(&b.1) })
    }

    /// Whether all goals are reached.
    pub fn ok(&self) -> bool {
        self.checks.iter().all(|check| check.ok)
    }

    /// A line a goal, and one for the others.
    pub fn print(&self) {
        println!("\n{}: {} {}", self.title, number(self.ours), self.unit);
        for check in &self.checks {
            println!("    {:<6} {} (goal {})", verdict(check.ok), check.measured, check.goal);
        }
        for (name, value) in self.peers.iter().chain(&self.references) {
            println!(
                "    {:>10} {:<3} {:>7} {name}",
                number(*value),
                self.unit,
                format!("{:.2} ×", self.ours / value)
            );
        }
    }
}

fn verdict(ok: bool) -> &'static str {
    if ok { "ok" } else { "MISSED" }
}

/// Three significant digits.
pub fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The page's part that is measured.
pub fn markdown(rows: &[Row], machine: &str) -> String {
    let mut page = format!(
        "<!-- Written by `cargo run --release --manifest-path bench/Cargo.toml`. -->\n\n{machine}\n\n\
         | what | ours | best peer | goal | measured | |\n|---|---|---|---|---|---|\n"
    );
    for row in rows {
        let best =
            row.best().map_or_else(String::new, |(name, value)| format!("{} ({name})", number(*value)));
        let mut title = format!("| {} | {} {} | {best}", row.title, number(row.ours), row.unit);
        for check in &row.checks {
            let _ = writeln!(page, "{title} | {} | {} | {} |", check.goal, check.measured, verdict(check.ok));
            title = "| | |".to_string();
        }
        if row.checks.is_empty() {
            let _ = writeln!(page, "{title} | | | |");
        }
    }
    page.push_str(
        "\nAll entrants of each row:\n\n| what | ours | peers | for comparison |\n|---|---|---|---|\n",
    );
    for row in rows {
        let list = |all: &[(String, f64)]| {
            all.iter()
                .map(|(name, value)| format!("{name} {}", number(*value)))
                .collect::<Vec<_>>()
                .join("<br>")
        };
        let _ = writeln!(
            page,
            "| {}, {} | {} | {} | {} |",
            row.title,
            row.unit,
            number(row.ours),
            list(&row.peers),
            list(&row.references)
        );
    }
    page
}
