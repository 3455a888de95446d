//! `bench`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Session;
use super::outcome::{Failure, Outcome};
use super::stats::micros;
use super::table::Table;

/// The name of the value that is stored for the measurement.
const KEY: &str = "=cachekit::bench";
/// The most bytes of a value that is stored for it.
const LARGEST: usize = 1 << 20;

/// The times of one kind of round trip.
struct Row {
    name: &'static str,
    times: Vec<Duration>,
}

impl Row {
    fn of(name: &'static str, count: u32, mut trip: impl FnMut() -> Outcome) -> Outcome<Self> {
        let mut times = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let began = Instant::now();
            trip()?;
            times.push(began.elapsed());
        }
        times.sort_unstable();
        Ok(Self { name, times })
    }

    /// The time that so many percent of the round trips don't exceed.
    fn percent(&self, percent: usize) -> Duration {
        let at = (self.times.len() * percent).div_ceil(100).saturating_sub(1);
        self.times.get(at).copied().unwrap_or_default()
    }
}

impl Session<'_, '_> {
    pub(super) fn bench(&mut self, count: u32, size: usize) -> Outcome {
        if count == 0 || size > LARGEST {
            return Err(Failure::wrong("`bench` takes a count of at least 1, and a size of at most 1048576"));
        }
        let store = &self.store;
        let value = vec![b'x'; size];
        let life = Some(Duration::from_secs(60));
        let set = Row::of("set", count, || store.set(KEY, value.clone(), life))?;
        let get = Row::of("get", count, || match store.value(KEY)? {
            Some(found) if found.len() == size => Ok(()),
            _ => Err(Failure::nothing("the value was gone while it was measured")),
        })?;
        store.delete(KEY)?;
        let mut rows = vec![set, get];
        rows.extend(self.bare(count));
        let json = || {
            let row = |row: &Row| {
                let [half, most] = [50, 99].map(|percent| row.percent(percent).as_nanos() / 100);
                json!({ "operation": row.name, "count": row.times.len(), "p50_micros": tenths(half), "p99_micros": tenths(most) })
            };
            Value::Array(rows.iter().map(row).collect())
        };
        self.print(json, || {
            let mut table = Table::new(&["operation", ">p50", ">p99"]);
            for row in &rows {
                table.row([row.name.into(), micros(row.percent(50)), micros(row.percent(99))]);
            }
            table.render()
        })
    }

    /// An exchange with the server that does nothing, over a bare socket; none where there is no such server, or it asks for a login
    /// or TLS first.
    fn bare(&self, count: u32) -> Option<Row> {
        let (ask, answer): (&[u8], &[u8]) = match self.store.remote.name().as_ref() {
            "redis" => (b"PING\r\n", b"+PONG\r\n"),
            "memcached" | "gaememcached" => (b"mn\r\n", b"MN\r\n"),
            _ => return None,
        };
        let server = self
            .store
            .remote
            .location()?
            .split([',', '/'])
            .find(|part| part.contains(':') && !part.ends_with(':'))?;
        let mut socket = TcpStream::connect(server).ok()?;
        socket.set_nodelay(true).ok()?;
        socket.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
        let mut trip = || -> std::io::Result<bool> {
            socket.write_all(ask)?;
            let mut found = vec![0; answer.len()];
            socket.read_exact(&mut found)?;
            Ok(found == answer)
        };
        if !trip().ok()? {
            return None;
        }
        Row::of("bare socket", count, || match trip() {
            Ok(true) => Ok(()),
            _ => Err(Failure::wrong("the bare socket broke")),
        })
        .ok()
    }
}

#[expect(clippy::cast_precision_loss, reason = "tenths of microseconds, far below 2^53")]
fn tenths(count: u128) -> f64 {
    count as f64 / 10.0
}
