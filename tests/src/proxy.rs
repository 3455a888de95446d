//! A proxy between a cache and a server, that does to connections and bytes what it is told to; and servers that are
//! none of ours.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toward {
    /// Requests of the cache.
    Server,
    /// Responses of the server.
    Client,
}

/// The fault of bytes on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    Pass,
    /// The connection is closed instead.
    Close,
    /// They come later.
    Delay(Duration),
    /// They come when the fault ends.
    Stall,
    /// Only so many come, then the connection is closed.
    Truncate(usize),
    /// One bit of each piece is another one.
    Flip,
}

struct State {
    to: u16,
    faults: Mutex<[Fault; 2]>,
    healed: Condvar,
    is_listening: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
    traffic: AtomicU64,
    flips: AtomicU64,
}

/// Passes bytes on to a port of this machine.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
    listener: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    /// Starts one to a port.
    ///
    /// # Panics
    /// If there is no free port.
    pub fn start(to: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            state: Arc::new(State {
                to,
                faults: Mutex::new([Fault::Pass; 2]),
                healed: Condvar::new(),
                is_listening: AtomicBool::new(false),
                open: Mutex::default(),
                traffic: AtomicU64::new(0),
                flips: AtomicU64::new(0),
            }),
            listener: Mutex::new(None),
        };
        proxy.listen(listener);
        proxy
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections and pieces of bytes came from caches up to now.
    pub fn traffic(&self) -> u64 {
        self.state.traffic.load(Ordering::SeqCst)
    }

    /// Sets what happens to bytes that go this way, from now on.
    pub fn set(&self, toward: Toward, fault: Fault) {
        self.state.faults.lock()[toward as usize] = fault;
        self.state.healed.notify_all();
    }

    /// Ends all faults, and lets connections in again.
    ///
    /// # Panics
    /// If another process has taken the port meanwhile.
    pub fn heal(&self) {
        self.set(Toward::Server, Fault::Pass);
        self.set(Toward::Client, Fault::Pass);
        if !self.state.is_listening.load(Ordering::SeqCst) {
            self.listen(TcpListener::bind(("127.0.0.1", self.port)).unwrap());
        }
    }

    /// Closes all connections that are open.
    pub fn cut(&self) {
        for stream in self.state.open.lock().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Closes all connections, and has new ones refused.
    pub fn refuse(&self) {
        if let Some(listener) = self.listener.lock().take() {
            self.state.is_listening.store(false, Ordering::SeqCst);
            // So that it sees that.
            drop(TcpStream::connect(("127.0.0.1", self.port)));
            let _ = listener.join();
        }
        self.cut();
    }

    fn listen(&self, listener: TcpListener) {
        self.state.is_listening.store(true, Ordering::SeqCst);
        let state = Arc::clone(&self.state);
        *self.listener.lock() = Some(std::thread::spawn(move || state.accept(&listener)));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.refuse();
        self.set(Toward::Server, Fault::Close);
        self.set(Toward::Client, Fault::Close);
    }
}

impl State {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if !self.is_listening.load(Ordering::SeqCst) {
                return;
            }
            let Ok(client) = client else { continue };
            self.traffic.fetch_add(1, Ordering::SeqCst);
            let Ok(server) = TcpStream::connect(("127.0.0.1", self.to)) else { continue };
            let _ = self.join(client, server);
        }
    }

    fn join(self: &Arc<Self>, client: TcpStream, server: TcpStream) -> std::io::Result<()> {
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            self.open.lock().push(stream.try_clone()?);
        }
        let (this, from, to) = (Arc::clone(self), client.try_clone()?, server.try_clone()?);
        std::thread::spawn(move || this.pass(Toward::Server, from, to));
        let this = Arc::clone(self);
        std::thread::spawn(move || this.pass(Toward::Client, server, client));
        Ok(())
    }

    fn pass(&self, toward: Toward, mut from: TcpStream, mut to: TcpStream) {
        let mut room = vec![0; 1 << 16];
        while let Ok(len @ 1..) = from.read(&mut room) {
            if toward == Toward::Server {
                self.traffic.fetch_add(1, Ordering::SeqCst);
            }
            let bytes = &mut room[..len];
            let (len, is_last) = self.suffer(toward, bytes);
            if to.write_all(&bytes[..len]).is_err() || is_last {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }

    /// How many of the bytes go on, and whether the connection ends with them.
    fn suffer(&self, toward: Toward, bytes: &mut [u8]) -> (usize, bool) {
        let mut faults = self.faults.lock();
        while faults[toward as usize] == Fault::Stall {
            self.healed.wait(&mut faults);
        }
        let fault = faults[toward as usize];
        drop(faults);
        match fault {
            Fault::Pass | Fault::Stall => {}
            Fault::Close => return (0, true),
            // The fault itself.
            Fault::Delay(time) => std::thread::sleep(time),
            Fault::Truncate(len) => return (len.min(bytes.len()), true),
            Fault::Flip => {
                // The golden ratio spreads numbers evenly: all places and bits have their turn.
                let random = self.flips.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
                let place = (usize::try_from(random >> 32).unwrap() * bytes.len()) >> 32;
                bytes[place] ^= 1 << ((random >> 16) & 7);
            }
        }
        (bytes.len(), false)
    }
}

/// A server that says one thing to whatever it is told, or nothing, and is there as long as the program; its port.
///
/// # Panics
/// If there is no free port.
pub fn impostor(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut question = [0; 4096];
                while client.read(&mut question).is_ok_and(|len| len > 0) && client.write_all(answer).is_ok()
                {
                }
            });
        }
    });
    port
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A connection to a server that answers "answer".
    fn ask(proxy: &Proxy) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", proxy.port()))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"question")?;
        let mut answer = Vec::new();
        stream.take(6).read_to_end(&mut answer)?;
        Ok(answer)
    }

    #[test]
    fn it_does_what_it_is_told_to() {
        let proxy = Proxy::start(impostor(b"answer"));
        assert_eq!(ask(&proxy).unwrap(), b"answer");
        assert_eq!(proxy.traffic(), 2, "a connection, a question");
        proxy.set(Toward::Client, Fault::Truncate(3));
        assert_eq!(ask(&proxy).unwrap(), b"ans");
        proxy.set(Toward::Client, Fault::Flip);
        let flipped = ask(&proxy).unwrap();
        let bits: u32 = flipped.iter().zip(b"answer").map(|(one, other)| (one ^ other).count_ones()).sum();
        assert_eq!((flipped.len(), bits), (6, 1));
        proxy.set(Toward::Client, Fault::Delay(Duration::from_millis(50)));
        let begin = Instant::now();
        assert_eq!(ask(&proxy).unwrap(), b"answer");
        assert!(begin.elapsed() >= Duration::from_millis(50));
        proxy.set(Toward::Server, Fault::Close);
        assert!(ask(&proxy).is_ok_and(|answer| answer.is_empty()) || ask(&proxy).is_err());
        proxy.refuse();
        assert_eq!(ask(&proxy).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
        proxy.heal();
        assert_eq!(ask(&proxy).unwrap(), b"answer");
    }

    #[test]
    fn what_is_stalled_comes_when_the_fault_ends() {
        let proxy = Proxy::start(impostor(b"answer"));
        proxy.set(Toward::Client, Fault::Stall);
        let mut stream = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        stream.write_all(b"question").unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(stream.read(&mut [0]).is_err());
        proxy.heal();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut answer = [0; 6];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"answer");
        proxy.cut();
        assert_eq!(stream.read(&mut answer).unwrap_or(0), 0);
    }
}
