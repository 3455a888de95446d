//! Metrics as Prometheus text: a server with one memoized handler and `/metrics`.
//!
//! `cargo run --example metrics` serves a few requests to itself and prints the text.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use cachekit::memoize;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

#[memoize(name = "example.price", timeout = "1m")]
async fn price(article: u64) -> u64 {
    tokio::time::sleep(Duration::from_millis(5)).await; // … asks the database …
    article * 10
}

/// The text that Prometheus scrapes. Counts are handed over when they are asked for.
async fn scrape(State(prometheus): State<PrometheusHandle>) -> String {
    cachekit::metrics::publish();
    prometheus.render()
}

/// Starts the server; returns its address.
async fn serve() -> Result<SocketAddr, Box<dyn Error>> {
    let prometheus = PrometheusBuilder::new()
        // `cache_gets_total`, `cache_computation_duration_seconds`.
        .with_recommended_naming(true)
        .set_buckets(&[0.000_1, 0.001, 0.01, 0.1, 1.0, 10.0])?
        .install_recorder()?;
    let app = Router::new()
        .route(
            "/price/{article}",
            get(|Path(article): Path<u64>| async move { price(article).await.to_string() }),
        )
        .route("/metrics", get(scrape))
        .with_state(prometheus);
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

/// Asks the server for a path, as another program would.
fn ask(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
}

/// Two prices, one of them three times; then the metrics.
async fn visit(address: SocketAddr) -> Result<String, Box<dyn Error>> {
    let visits = move || {
        for path in ["/price/1", "/price/1", "/price/2", "/price/1"] {
            ask(address, path)?;
        }
        ask(address, "/metrics")
    };
    Ok(tokio::task::spawn_blocking(visits).await??)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    print!("{}", visit(serve().await?).await?);
    Ok(())
}

#[cfg(test)]
mod tests {
    /// The value of a line of Prometheus text, by its name and labels in any order.
    fn value<'t>(text: &'t str, name: &str, labels: &[&str]) -> &'t str {
        let found: Vec<&str> = text
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')))
            .filter(|line| labels.iter().all(|label| line.contains(label)))
            .collect();
        assert_eq!(found.len(), 1, "{name} {labels:?} in\n{text}");
        found[0].rsplit(' ').next().unwrap()
    }

    #[tokio::test]
    async fn a_scrape_shows_what_the_calls_did() {
        let text = super::visit(super::serve().await.unwrap()).await.unwrap();
        let function = r#"function="example.price""#;
        let of = |name, label| value(&text, name, &[function, r#"cache="cachekit""#, label]);
        assert_eq!(of("cache_gets_total", r#"result="hit""#), "2");
        assert_eq!(of("cache_gets_total", r#"result="miss""#), "2");
        assert_eq!(of("cache_puts_total", ""), "2");
        assert_eq!(of("cache_computation_duration_seconds_count", ""), "2");
        let took: f64 = of("cache_computation_duration_seconds_sum", "").parse().unwrap();
        assert!(took >= 0.01, "two of 5 ms each: {took}");
        let saved: f64 = of("cache_saved_duration_seconds", "").parse().unwrap();
        assert!((saved - took).abs() < took / 100.0, "two hits saved {saved}, two misses took {took}");
        assert_eq!(value(&text, "cache_size", &[r#"cache="cachekit""#]), "2");
        assert!(!text.contains("article"), "no key is a label");
    }
}
