//! The bar chart: a group of bars for each row of times.

use std::fmt::Write;

use crate::report::{Row, number};

const WIDTH: f64 = 860.0;
const LABELS: f64 = 330.0;
const BAR: f64 = 15.0;
const HEADING: f64 = 30.0;

/// A bar: its name, its length and its colour.
type Bar<'a> = (&'a str, f64, &'a str);

/// An SVG of the rows in nanoseconds. Bars have one scale within a row; one that is longer than the page is cut, and ends
/// in a point.
pub fn svg(rows: &[Row]) -> String {
    chart(rows.iter().filter(|row| row.unit == "ns").map(|row| (row.title.replace('`', ""), bars(row))))
}

/// The same of one row, with the best known peers only: caches that have a bound, and a timeout where they know one.
pub fn first_screen(row: &Row) -> String {
    let mut bars = bars(row);
    bars.retain(|(name, ..)| {
        ["cachekit", "quick_cache", "cached, max_size + ttl_secs", "moka get_with"].contains(name)
    });
    chart([(row.title.replace('`', ""), bars)])
}

fn bars(row: &Row) -> Vec<Bar<'_>> {
    let mut bars: Vec<Bar<'_>> = vec![("cachekit", row.ours, "#c2410c")];
    bars.extend(row.peers.iter().map(|(name, value)| (name.as_str(), *value, "#64748b")));
    bars.extend(row.references.iter().map(|(name, value)| (name.as_str(), *value, "#cbd5e1")));
    bars[1..].sort_by(|a, b| a.1.total_cmp(&b.1));
    bars
}

fn chart<'a>(groups: impl IntoIterator<Item = (String, Vec<Bar<'a>>)>) -> String {
    let mut body = String::new();
    let mut y = 12.0;
    for (title, bars) in groups {
        // The longest bars may be cut so that the shortest can be seen.
        let ours = bars.first().map_or(1.0, |bar| bar.1);
        let longest = bars.iter().map(|bar| bar.1).fold(0.0, f64::max).min(ours * 8.0);
        let _ = writeln!(body, r#"<text x="12" y="{:.0}" class="h">{}</text>"#, y + 17.0, escape(&title));
        y += HEADING;
        for (name, value, colour) in bars {
            let room = WIDTH - LABELS - 80.0;
            let length = (value / longest * room).clamp(1.0, room);
            let end = LABELS + length;
            let _ = writeln!(
                body,
                r#"<text x="{:.0}" y="{:.1}" class="l">{}</text>"#,
                LABELS - 8.0,
                y + 11.0,
                escape(name)
            );
            let _ = if value > longest {
                writeln!(
                    body,
                    r#"<path d="M{LABELS} {y}H{end:.1}l6 {:.1}l-6 {:.1}H{LABELS}Z" fill="{colour}"/>"#,
                    (BAR - 3.0) / 2.0,
                    (BAR - 3.0) / 2.0
                )
            } else {
                writeln!(
                    body,
                    r#"<rect x="{LABELS}" y="{y:.1}" width="{length:.1}" height="{:.1}" fill="{colour}"/>"#,
                    BAR - 3.0
                )
            };
            let _ = writeln!(
                body,
                r#"<text x="{:.1}" y="{:.1}">{} ns</text>"#,
                end + 10.0,
                y + 11.0,
                number(value)
            );
            y += BAR;
        }
        y += 10.0;
    }
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y:.0}" font-family="sans-serif" font-size="11">
<title>Nanoseconds per call, shorter is better</title>
<style>.h{{font-weight:bold;font-size:13px}}.l{{text-anchor:end}}</style>
<rect width="100%" height="100%" rx="6" fill="#ffffff"/>
{body}</svg>
"##
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
