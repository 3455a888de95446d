//! A proxy between client and server, that delays, changes or drops what it is told to.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

type Tamper = Arc<dyn Fn(u64, &mut Vec<u8>) -> Duration + Send + Sync>;

/// Passes bytes on.
pub(crate) struct Proxy {
    port: u16,
    /// How often clients wrote: each time is a round trip.
    writes: Arc<AtomicU64>,
    connections: Arc<AtomicUsize>,
}

impl Proxy {
    /// A proxy to a port. What the server sends goes through `tamper`, with its number; it is passed on after the time
    /// that `tamper` returns.
    pub(crate) fn start(
        to: u16,
        tamper: impl Fn(u64, &mut Vec<u8>) -> Duration + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (writes, connections) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counted, opened, count) =
            (Arc::clone(&writes), Arc::clone(&connections), Arc::new(AtomicU64::new(0)));
        let tamper: Tamper = Arc::new(tamper);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { return };
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                opened.fetch_add(1, Ordering::SeqCst);
                for stream in [&client, &server] {
                    stream.set_nodelay(true).unwrap();
                }
                let (client_too, server_too) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let counted = Arc::clone(&counted);
                std::thread::spawn(move || {
                    pass(client, server, |_| {
                        counted.fetch_add(1, Ordering::SeqCst);
                        Duration::ZERO
                    });
                });
                let (tamper, count) = (Arc::clone(&tamper), Arc::clone(&count));
                std::thread::spawn(move || {
                    pass(server_too, client_too, |bytes| tamper(count.fetch_add(1, Ordering::SeqCst), bytes));
                });
            }
        });
        Self { port, writes, connections }
    }

    /// A proxy that changes nothing.
    pub(crate) fn honest(to: u16) -> Self {
        Self::start(to, |_, _| Duration::ZERO)
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How often clients wrote since the last time.
    pub(crate) fn round_trips(&self) -> u64 {
        self.writes.swap(0, Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut tamper: impl FnMut(&mut Vec<u8>) -> Duration) {
    let mut room = vec![0; 1 << 16];
    while let Ok(n @ 1..) = from.read(&mut room) {
        let mut bytes = room[..n].to_vec();
        let wait = tamper(&mut bytes);
        std::thread::sleep(wait);
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
