//! A reply that comes twice is not taken for the next request's: what was refused is never said to be done.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use cachekit::{Backend, Config, Result};

use crate::{backend, patient, runtime};

/// A server that replies to the first request twice, and refuses all that follow. The second copy comes with the first, or when
/// the test says so.
struct Doubling {
    port: u16,
    again: mpsc::Sender<()>,
    sent: mpsc::Receiver<()>,
}

fn doubling(reply: &'static [u8], together: bool) -> Doubling {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let ((again, wait), (done, sent)) = (mpsc::channel(), mpsc::channel());
    let (wait, is_first) = (Arc::new(parking_lot::Mutex::new(wait)), Arc::new(AtomicBool::new(true)));
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let (wait, done, is_first) = (Arc::clone(&wait), done.clone(), Arc::clone(&is_first));
            std::thread::spawn(move || {
                client.set_nodelay(true).unwrap();
                while client.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {
                    if !is_first.swap(false, Ordering::SeqCst) {
                        let _ = client.write_all(b"-OOM no\r\n");
                    } else if together {
                        client.write_all(&reply.repeat(2)).unwrap();
                    } else {
                        client.write_all(reply).unwrap();
                        write_when_told(&mut client, reply, &wait.lock(), &done);
                    }
                }
            });
        }
    });
    Doubling { port, again, sent }
}

fn write_when_told(client: &mut TcpStream, reply: &[u8], wait: &mpsc::Receiver<()>, done: &mpsc::Sender<()>) {
    if wait.recv().is_ok() {
        let _ = client.write_all(reply);
        let _ = done.send(());
    }
}

fn second_is_refused(reply: &'static [u8], work: impl Fn(&dyn Backend) -> Result<()>) {
    for together in [true, false] {
        let server = doubling(reply, together);
        let store = backend(&patient(Config::redis(format!("redis://127.0.0.1:{}", server.port))));
        let first = work(&*store);
        if !together {
            first.unwrap();
            server.again.send(()).unwrap();
            server.sent.recv().unwrap();
        }
        for _ in 0..3 {
            let error = work(&*store).expect_err("refused");
            assert!(error.to_string().contains("OOM"), "{error}");
        }
    }
}

#[test]
fn to_a_set() {
    let rt = runtime();
    second_is_refused(b"+OK\r\n", |store| store.set("k", b"v", None));
    second_is_refused(b"+OK\r\n", |store| rt.block_on(store.asynchronous().unwrap().set("k", b"v", None)));
}

#[test]
fn to_a_deletion() {
    let rt = runtime();
    second_is_refused(b":1\r\n", |store| store.delete("k").map(drop));
    second_is_refused(b":1\r\n", |store| rt.block_on(store.asynchronous().unwrap().delete("k")).map(drop));
}
