//! Promise 5 on a cluster: a large value has a second more for each 64 MiB, and a node that hangs has not.

use std::future::poll_fn;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use cachekit::{Config, ErrorKind};
use cachekit_backends::deadline;
use cachekit_tests::block_on;
use parking_lot::Mutex;

use crate::faults::backend;

const LIMIT: Duration = Duration::from_millis(500);
/// Two seconds more.
const LONG: usize = 128 << 20;

/// A key of the first node, and one of the second with its slot.
const LARGE: &str = "bar";
const HANGING: &str = "foo";
const SLOT: u16 = 12182;

/// A cluster of two nodes. The first one keeps a value, and neither says that it has taken it nor sends its last part before it
/// is told to go on. The second one answers no read.
struct Nodes {
    ports: [u16; 2],
    stored: Mutex<Vec<u8>>,
    /// The first node is about to wait.
    waits: Sender<()>,
    go_on: Mutex<Receiver<()>>,
}

impl Nodes {
    fn start() -> (String, Receiver<()>, Sender<()>) {
        let listeners = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
        let ports = listeners.each_ref().map(|listener| listener.local_addr().unwrap().port());
        let ((waits, waiting), (going_on, go_on)) = (channel(), channel());
        let nodes = Arc::new(Self { ports, stored: Mutex::default(), waits, go_on: Mutex::new(go_on) });
        for (node, listener) in listeners.into_iter().enumerate() {
            let nodes = Arc::clone(&nodes);
            std::thread::spawn(move || {
                for client in listener.incoming().flatten() {
                    let nodes = Arc::clone(&nodes);
                    std::thread::spawn(move || nodes.serve(node, client));
                }
            });
        }
        (format!("redis+cluster://127.0.0.1:{}", ports[0]), waiting, going_on)
    }

    fn serve(&self, node: usize, mut client: TcpStream) {
        let mut requests = BufReader::new(client.try_clone().unwrap());
        while let Some(mut words) = request(&mut requests) {
            let sent = match &words[0][..] {
                b"CLUSTER" => client.write_all(self.slots().as_bytes()),
                b"SET" => {
                    *self.stored.lock() = words.swap_remove(2);
                    self.wait();
                    client.write_all(b"+OK\r\n")
                }
                b"MGET" if node == 1 => Ok(()),
                // To whichever node is connected, while the right one is not.
                b"MGET" if words[1] == HANGING.as_bytes() => {
                    write!(client, "-MOVED {SLOT} 127.0.0.1:{}\r\n", self.ports[1])
                }
                b"MGET" => {
                    let value = self.stored.lock();
                    let (most, rest) = value.split_at(value.len().saturating_sub(1));
                    write!(client, "*1\r\n${}\r\n", value.len()).unwrap();
                    client.write_all(most).unwrap();
                    self.wait();
                    client.write_all(rest).and_then(|()| client.write_all(b"\r\n"))
                }
                _ => client.write_all(b"+PONG\r\n"),
            };
            if sent.is_err() {
                return;
            }
        }
    }

    fn wait(&self) {
        self.waits.send(()).unwrap();
        self.go_on.lock().recv().unwrap();
    }

    /// Each node has half of the slots.
    fn slots(&self) -> String {
        let node = |first: u16, last: u16, port: u16| {
            format!("*3\r\n:{first}\r\n:{last}\r\n*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n")
        };
        format!("*2\r\n{}{}", node(0, 8191, self.ports[0]), node(8192, 16383, self.ports[1]))
    }
}

/// Reads the words of a request.
fn request(input: &mut impl BufRead) -> Option<Vec<Vec<u8>>> {
    fn number(input: &mut impl BufRead) -> Option<usize> {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        line.trim_end().get(1..)?.parse().ok()
    }
    let words = number(input)?;
    let mut all = Vec::new();
    for _ in 0..words {
        let mut word = vec![0; number(input)? + 2];
        input.read_exact(&mut word).ok()?;
        word.truncate(word.len() - 2);
        all.push(word);
    }
    Some(all)
}

#[test]
fn a_large_value_has_more_time_on_a_cluster_and_a_node_that_hangs_has_not() {
    let (url, waiting, going_on) = Nodes::start();
    let store = backend(&Config::redis(url).operation_timeout(LIMIT).connect_timeout(LIMIT));
    let tasks = store.asynchronous().unwrap();
    let during = |work: &(dyn Fn() + Sync)| {
        std::thread::scope(|scope| {
            let work = scope.spawn(work);
            waiting.recv().unwrap();
            let late = store.get(HANGING).unwrap_err();
            assert_eq!(late.kind(), ErrorKind::Timeout, "{late}");
            // The time that the work had when it began is over now.
            going_on.send(()).unwrap();
            work.join().unwrap();
        });
    };
    let value = vec![b'x'; LONG];
    // As the engine sets it for a write of so many bytes.
    let by = || deadline::after(LIMIT + deadline::for_bytes(LONG));
    during(&|| deadline::with(by(), || store.set(LARGE, &value, None)).unwrap());
    during(&|| assert!(store.get(LARGE).unwrap().as_ref() == Some(&value)));
    during(&|| {
        let (mut set, by) = (tasks.set(LARGE, &value, None), by());
        block_on(poll_fn(|context| deadline::with(by, || set.as_mut().poll(context)))).unwrap();
    });
    during(&|| assert!(block_on(tasks.get(LARGE)).unwrap().as_ref() == Some(&value)));
}
