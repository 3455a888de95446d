use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::{Exchange, Line, Lost, Packed, Sending};
use crate::net::runtime::runtime;
use crate::net::{Address, Buffer, TaskStream, all};

/// One line, which the server echoes.
#[derive(Debug)]
struct Echo(Vec<u8>);

impl Exchange for Echo {
    type Fault = io::Error;

    fn feed(&mut self, input: &mut Buffer) -> io::Result<bool> {
        let Some(end) = input.unread().iter().position(|&byte| byte == b'\n') else { return Ok(false) };
        self.0 = input.unread()[..end].to_vec();
        input.consume(end + 1);
        Ok(true)
    }

    fn unasked(_: &[u8]) -> io::Error {
        ErrorKind::InvalidData.into()
    }

    fn again(fault: &io::Error) -> io::Error {
        fault.kind().into()
    }
}

/// A connection and the server's end of it.
fn connected() -> (Handle, Line<Echo>, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = Address::tcp("127.0.0.1", listener.local_addr().unwrap().port());
    let runtime = runtime().unwrap();
    let line = runtime
        .block_on(async { Line::start(TaskStream::connect(&address, None, later()).await.unwrap(), None) });
    (runtime, line, listener.accept().unwrap().0)
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn send(line: &Line<Echo>, text: &str, deadline: Instant) -> Sending<Echo> {
    line.send(&Packed { bytes: format!("{text}\n").as_bytes(), cuts: &[] }, Echo(Vec::new()), deadline)
}

fn lost(result: Result<Echo, Lost<io::Error>>) -> (ErrorKind, bool) {
    let Lost { fault, sent } = result.unwrap_err();
    (fault.kind(), sent)
}

/// Reads so many lines and sends them back, each in two parts.
fn echo(mut server: &TcpStream, lines: usize) {
    let (mut seen, mut byte, mut text) = (0, [0], Vec::new());
    while seen < lines {
        server.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
        seen += usize::from(byte == *b"\n");
    }
    let (one, two) = text.split_at(text.len() / 2 + 1);
    server.write_all(one).unwrap();
    server.write_all(two).unwrap();
}

#[test]
fn each_task_has_its_own_replies() {
    let (runtime, line, server) = connected();
    let tasks = (0..100).map(|task: usize| {
        let line = line.clone();
        runtime.spawn(async move {
            for n in 0..20 {
                let text = format!("{task} {n} {}", "x".repeat(task * n));
                assert_eq!(send(&line, &text, later()).await.unwrap().0, text.as_bytes());
            }
        })
    });
    let tasks: Vec<_> = tasks.collect();
    (0..2000).for_each(|_| echo(&server, 1));
    runtime.block_on(async { all(tasks.into_iter()).await.into_iter().for_each(|task| task.unwrap()) });
}

#[test]
fn requests_that_the_socket_does_not_take_are_written_when_it_does() {
    let (runtime, line, mut server) = connected();
    let text = "x".repeat(16 << 20);
    let tasks: Vec<_> = (0..2).map(|_| runtime.spawn(send(&line, &text, later()))).collect();
    let mut lines = vec![0; 2 * (text.len() + 1)];
    server.read_exact(&mut lines).unwrap();
    server.write_all(&lines).unwrap();
    for result in runtime.block_on(async { all(tasks.into_iter()).await }) {
        assert_eq!(result.unwrap().unwrap().0.len(), text.len());
    }
}

#[test]
fn the_reply_to_a_request_whose_caller_has_gone_is_no_other_ones() {
    let (runtime, line, server) = connected();
    // Before it is polled, and while it waits.
    drop(send(&line, "one", later()));
    let two = runtime.spawn(send(&line, "two", later()));
    std::thread::scope(|scope| {
        let mut first = [0; 8];
        (&server).read_exact(&mut first).unwrap();
        two.abort();
        let three = runtime.spawn(send(&line, "three", later()));
        scope.spawn(|| {
            let mut third = [0; 6];
            (&server).read_exact(&mut third).unwrap();
            (&server).write_all(b"one\ntwo\nthree\n").unwrap();
        });
        assert_eq!(runtime.block_on(three).unwrap().unwrap().0, b"three");
    });
}

#[test]
fn what_nothing_was_asked_for_is_no_reply() {
    let (runtime, line, mut server) = connected();
    server.write_all(b"unasked\n").unwrap();
    // Whether the driver or the caller sees it first: nothing is sent.
    assert!(!lost(runtime.block_on(send(&line, "one", later()))).1);
    assert!(line.is_closed());
    assert!(!lost(runtime.block_on(send(&line, "two", later()))).1);

    let (runtime, line, mut server) = connected();
    let one = runtime.spawn(send(&line, "one", later()));
    server.read_exact(&mut [0; 4]).unwrap();
    server.write_all(b"unasked\none\n").unwrap();
    assert_eq!(lost(runtime.block_on(one).unwrap()), (ErrorKind::InvalidData, true));
}

#[test]
fn a_late_reply_is_no_other_ones_and_no_request_follows_it() {
    let (runtime, line, mut server) = connected();
    let begin = Instant::now();
    let late = runtime.spawn(send(&line, "one", begin + Duration::from_millis(20)));
    server.read_exact(&mut [0; 4]).unwrap();
    let patient = runtime.spawn(send(&line, "two", later()));
    server.read_exact(&mut [0; 4]).unwrap();
    assert_eq!(lost(runtime.block_on(late).unwrap()), (ErrorKind::TimedOut, true));
    assert!(begin.elapsed() < Duration::from_secs(20));
    assert!(line.is_closed());
    assert_eq!(lost(runtime.block_on(send(&line, "three", later()))), (ErrorKind::TimedOut, false));
    server.write_all(b"one\ntwo\n").unwrap();
    assert_eq!(runtime.block_on(patient).unwrap().unwrap().0, b"two");
}

#[test]
fn a_server_that_hangs_up_ends_all_exchanges() {
    let (runtime, line, mut server) = connected();
    let one = runtime.spawn(send(&line, "one", later()));
    server.read_exact(&mut [0; 4]).unwrap();
    let two = runtime.spawn(send(&line, "two", later()));
    server.read_exact(&mut [0; 4]).unwrap();
    drop(server);
    for task in [one, two] {
        assert_eq!(lost(runtime.block_on(task).unwrap()), (ErrorKind::UnexpectedEof, true));
    }
}

#[test]
fn a_flood_for_a_caller_that_has_gone_ends_although_the_connection_is_still_held() {
    let (runtime, line, mut server) = connected();
    let gone = runtime.spawn(send(&line, "one", Instant::now() + Duration::from_millis(20)));
    server.read_exact(&mut [0; 4]).unwrap();
    gone.abort();
    let begin = Instant::now();
    while server.write_all(&[b'x'; 1024]).is_ok() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it is still read, or open");
    }
    assert!(line.is_closed());
}

#[test]
fn the_last_clone_closes_the_connection() {
    let (_, line, mut server) = connected();
    drop(line.clone());
    assert!(!line.is_closed());
    drop(line);
    assert_eq!(server.read(&mut [0]).unwrap(), 0);
}

/// A reply of any bytes, which ends with its first zero.
#[derive(Debug)]
struct Long(usize);

impl Exchange for Long {
    type Fault = io::Error;

    fn feed(&mut self, input: &mut Buffer) -> io::Result<bool> {
        let (arrived, ended) = (input.unread().len(), input.unread().last() == Some(&0));
        input.consume(arrived);
        self.0 += arrived;
        Ok(ended)
    }

    fn unasked(_: &[u8]) -> io::Error {
        ErrorKind::InvalidData.into()
    }

    fn again(fault: &io::Error) -> io::Error {
        fault.kind().into()
    }
}

const LONG: usize = 128 << 20;

/// A server that sends a value, which may take two seconds more than the deadline, and ends it well after the deadline.
fn slow_server() -> (Address, Instant, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = Address::tcp("127.0.0.1", listener.local_addr().unwrap().port());
    let deadline = Instant::now() + Duration::from_secs(1);
    let server = std::thread::spawn(move || {
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(&vec![1; LONG]).unwrap();
        // The deadline is in real time, which the answer has to exceed.
        std::thread::sleep((deadline + Duration::from_millis(200)).saturating_duration_since(Instant::now()));
        server.write_all(&[0]).unwrap();
    });
    (address, deadline, server)
}

#[test]
fn a_large_value_that_keeps_coming_has_more_time() {
    let (address, deadline, server) = slow_server();
    let runtime = runtime().unwrap();
    let line = runtime
        .block_on(async { Line::start(TaskStream::connect(&address, None, later()).await.unwrap(), None) });
    let sending = line.send(&Packed { bytes: b"get", cuts: &[] }, Long(0), deadline);
    assert_eq!(runtime.block_on(sending).unwrap().0, LONG + 1);
    server.join().unwrap();
}

#[test]
fn a_large_value_that_keeps_coming_has_more_time_on_a_thread() {
    use crate::net::{BlockingStream, Stream as _, ready};
    let (address, deadline, server) = slow_server();
    let mut stream = BlockingStream::connect(&address, None, later()).unwrap();
    stream.limit(deadline);
    let (mut room, mut arrived) = (vec![1; 1 << 20], 0);
    loop {
        let n = ready(stream.read(&mut room)).unwrap();
        arrived += n;
        if room[n - 1] == 0 {
            break;
        }
    }
    assert_eq!(arrived, LONG + 1);
    server.join().unwrap();
}
