use std::borrow::Cow;

use super::*;
use crate::net::Buffer;
use proptest::prelude::*;

const MOST: usize = 1 << 20;

fn feed(batch: &mut Batch, bytes: &[u8]) -> Result<bool, Fault> {
    let mut input = Buffer::default();
    input.push(bytes);
    batch.feed(&mut input)
}

fn requests() -> Vec<Request<'static>> {
    let store = |mode| Action::Store { mode, flags: 7, expiry: 60, value: b"value" };
    let actions = [
        Action::Get,
        Action::Peek,
        Action::Lease { seconds: 60, value: true },
        store(Mode::Set),
        store(Mode::Add),
        store(Mode::Cas(9)),
        Action::Delete,
        Action::Get,
    ];
    let request = |(i, action)| Request { key: Cow::Owned(WireKey::of(&format!("k{i}"), 1)), action };
    actions.into_iter().enumerate().map(request).collect()
}

fn batch(wire: Format) -> (Batch, Vec<u8>) {
    let (mut out, mut opaque) = (Vec::new(), 99);
    (Batch::encode(wire, &requests(), MOST, &mut opaque, true, &mut out), out)
}

fn packet(opcode: u8, status: u16, opaque: u32, cas: u64, extras: &[u8], value: &[u8]) -> Vec<u8> {
    let body = u32::try_from(extras.len() + value.len()).unwrap();
    let mut out = vec![0x81, opcode, 0, 0, u8::try_from(extras.len()).unwrap(), 0];
    out.extend(status.to_be_bytes());
    out.extend(body.to_be_bytes());
    out.extend(opaque.to_be_bytes());
    out.extend(cas.to_be_bytes());
    out.extend(extras);
    out.extend(value);
    out
}

/// The replies of a good server to [`requests`]. Each value names its request.
fn replies(wire: Format) -> Vec<u8> {
    match wire {
        Format::Meta => b"VA 6 f0 c5 O100\r\nfirst!\r\nHD s3 f0 c6 O101\r\nVA 0 f0 c7 O102 W\r\n\r\nHD O103\r\nNS O104\r\n\
            EX O105\r\nNF O106\r\nVA 5 f1 c8 O107\r\nlast!\r\nMN\r\n"
            .to_vec(),
        Format::Binary => [
            packet(0x00, 0, 100, 5, &[0; 4], b"first!"),
            packet(0x00, 0, 101, 6, &[0; 4], b"abc"),
            packet(0x00, 1, 102, 0, &[], b"Not found"),
            packet(0x02, 0, 102, 7, &[], b""),
            packet(0x01, 0, 103, 1, &[], b""),
            packet(0x02, 2, 104, 0, &[], b"Data exists for key."),
            packet(0x01, 2, 105, 0, &[], b"Data exists for key."),
            packet(0x04, 1, 106, 0, &[], b"Not found"),
            packet(0x00, 0, 107, 8, &[0, 0, 0, 1], b"last!"),
            packet(0x0a, 0, 108, 0, &[], b""),
        ]
        .concat(),
    }
}

const WIRES: [Format; 2] = [Format::Meta, Format::Binary];

fn values(replies: &[Reply]) -> Vec<Option<&[u8]>> {
    replies
        .iter()
        .map(|reply| if let Reply::Item(found) = reply { Some(&*found.value) } else { None })
        .collect()
}

#[test]
fn requests_are_one_piece_of_text() {
    let text = "mg k0@aaaaaaaaaaaac v f c O100\r\nmg k1@aaaaaaaaaaaac s f c O101\r\nmg k2@aaaaaaaaaaaac v f c O102 N60\r\n\
        ms k3@aaaaaaaaaaaac 5 T60 F7 O103\r\nvalue\r\nms k4@aaaaaaaaaaaac 5 T60 F7 O104 ME\r\nvalue\r\n\
        ms k5@aaaaaaaaaaaac 5 T60 F7 O105 C9\r\nvalue\r\nmd k6@aaaaaaaaaaaac O106\r\nmg k7@aaaaaaaaaaaac v f c O107\r\nmn\r\n";
    let (batch, out) = batch(Format::Meta);
    assert_eq!(String::from_utf8(out.clone()).unwrap(), text);
    assert_eq!(batch.pieces(&out).collect::<Vec<_>>().concat(), out);
    assert!(batch.pieces(&out).take(3).all(|piece| piece.ends_with(b"value\r\n")));
}

#[test]
fn replies_are_those_of_their_requests_however_they_arrive() {
    for wire in WIRES {
        for step in [1, 2, 7, 10_000] {
            let ((mut batch, _), mut input) = (batch(wire), Buffer::default());
            let bytes = replies(wire);
            let chunks = bytes.chunks(step).count();
            for (i, piece) in bytes.chunks(step).enumerate() {
                input.push(piece);
                assert_eq!(batch.feed(&mut input).unwrap(), i + 1 == chunks);
            }
            let replies = batch.into_replies();
            let stub = Found { cas: 7, ..Found::default() };
            assert_eq!(
                replies[2..7],
                [Reply::Item(stub), Reply::Stored, Reply::Refused, Reply::Refused, Reply::Missing]
            );
            let values = values(&replies);
            assert_eq!((values[0], values[7]), (Some(&b"first!"[..]), Some(&b"last!"[..])));
        }
    }
}

#[test]
fn what_is_not_due_is_a_fault() {
    let wrong = [
        "VA 6 f0 c5 O101\r\nfirst!\r\n",
        "VA 6 f0 c5\r\nfirst!\r\n",
        "VA 9999999 f0 O100\r\n",
        "VA 99999999999999999999999 f0 O100\r\n",
        "VA -1 O100\r\n",
        "VA 3 O100\r\nabcdef\r\n",
        "HD O100\r\n",
        "MN\r\n",
        "EN O99\r\n",
        "hello\r\n",
        "\n",
        "ERROR\r\n",
        "SERVER_ERROR object too large for cache\r\n",
    ];
    for text in wrong {
        assert!(feed(&mut batch(Format::Meta).0, text.as_bytes()).is_err(), "{text:?}");
    }
    let unauthenticated = feed(&mut batch(Format::Meta).0, b"CLIENT_ERROR unauthenticated\r\n");
    assert!(matches!(unauthenticated, Err(Fault::LoginNeeded)));
    assert!(feed(&mut batch(Format::Meta).0, &[b'x'; 3000]).is_err(), "a line without an end");
    assert!(feed(&mut batch(Format::Binary).0, b"ERROR\r\n").is_err());
    for wire in WIRES {
        let mut more = replies(wire);
        more.push(b'x');
        assert!(feed(&mut batch(wire).0, &more).is_err(), "a byte too many");
    }
}

/// The buffer of a connection grows with a value that arrives, to at most twice its length, and a value that is longer than one
/// may be is refused at its head.
#[test]
fn the_longest_value_bounds_the_buffer() {
    let head = |wire, len: usize| match wire {
        Format::Meta => format!("VA {len} f0 c5 O100\r\n").into_bytes(),
        Format::Binary => {
            let mut head = packet(0, 0, 100, 5, &[0; 4], b"");
            head[8..12].copy_from_slice(&u32::try_from(len + 4).unwrap().to_be_bytes());
            head
        }
    };
    for wire in WIRES {
        assert!(feed(&mut batch(wire).0, &head(wire, MOST + 1)).is_err(), "longer than a value may be");
        let (mut input, mut batch) = (Buffer::default(), batch(wire).0);
        input.push(&head(wire, MOST));
        for piece in vec![7; MOST].chunks(1000) {
            assert!(!batch.feed(&mut input).unwrap());
            input.push(piece);
        }
        assert!(input.allocated() <= 2 * MOST + (64 << 10), "{}", input.allocated());
        batch.feed(&mut input).unwrap();
    }
}

#[test]
fn an_announced_length_allocates_nothing() {
    let mut input = Buffer::default();
    input.push(b"VA 1048576 f0 c1 O100\r\nabc");
    assert!(!batch(Format::Meta).0.feed(&mut input).unwrap());
    let mut packet = packet(0, 0, 100, 1, &[0; 4], b"");
    packet[8..12].copy_from_slice(&0x10_0000u32.to_be_bytes());
    let mut other = Buffer::default();
    other.push(&packet);
    assert!(!batch(Format::Binary).0.feed(&mut other).unwrap());
    assert!(input.allocated() <= 64 << 10 && other.allocated() <= 64 << 10);
}

#[test]
fn logins_are_understood() {
    let credentials = Credentials { user: "us:er".into(), password: "p w".into() };
    let mut out = Vec::new();
    let sasl = Login::start(LoginKind::Sasl, &credentials, &mut out).unwrap();
    assert!(out.ends_with(b"PLAIN\0us:er\0p w"));
    assert!(Login::start(LoginKind::Text, &credentials, &mut out).is_err(), "a space");
    let say = |login: &Login, bytes: &[u8]| {
        let mut input = Buffer::default();
        input.push(bytes);
        login.feed(&mut input)
    };
    let opaque = u32::from_be_bytes(*b"\r\n\r\n");
    let answer = |status| packet(0x21, status, opaque, 0, &[], b"text");
    assert_eq!(say(&sasl, &answer(0)).unwrap(), Greeting::Welcome(Format::Binary));
    assert_eq!(say(&sasl, b"CLIENT_ERROR unauthenticated\r\n").unwrap(), Greeting::SpeaksText);
    assert_eq!(say(&sasl, b"CLIENT").unwrap(), Greeting::Incomplete);
    for status in [0x20, 0x81] {
        assert!(matches!(say(&sasl, &answer(status)), Err(Fault::LoginRefused(_))));
    }
    let credentials = Credentials { user: "us:er".into(), password: "pw".into() };
    let mut out = Vec::new();
    let text = Login::start(LoginKind::Text, &credentials, &mut out).unwrap();
    assert_eq!(out, b"set login 0 0 8\r\nus:er pw\r\n");
    assert_eq!(say(&text, b"STORED\r\n").unwrap(), Greeting::Welcome(Format::Meta));
    assert!(matches!(say(&text, b"CLIENT_ERROR x\r\n"), Err(Fault::LoginRefused(_))));
}

/// A change of the replies: a byte, a piece cut out, doubled or moved, junk.
fn mutate(bytes: &mut Vec<u8>, (kind, at, len, byte): (u8, usize, usize, u8)) {
    if bytes.is_empty() {
        return;
    }
    let at = at % bytes.len();
    let end = (at + len).min(bytes.len());
    match kind % 5 {
        0 => bytes[at] = byte,
        1 => drop(bytes.drain(at..end)),
        2 => {
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        3 => bytes[at..end].reverse(),
        _ => bytes.insert(at, byte),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Hostile replies never panic, never make anything large, and never give a request the value of another one.
    #[test]
    fn no_mutation_gives_a_wrong_value(
        changes in prop::collection::vec((any::<u8>(), any::<usize>(), 0..40usize, any::<u8>()), 1..6),
        step in 1..200usize,
    ) {
        for wire in WIRES {
            let mut bytes = replies(wire);
            for &change in &changes {
                mutate(&mut bytes, change);
            }
            let ((mut batch, _), mut input) = (batch(wire), Buffer::default());
            let mut done = false;
            for piece in bytes.chunks(step) {
                input.push(piece);
                match batch.feed(&mut input) {
                    Ok(now) => done = now,
                    Err(_) => break,
                }
            }
            prop_assert!(input.allocated() <= 64 << 10);
            if done {
                let replies = batch.into_replies();
                prop_assert_eq!(replies.len(), requests().len());
                let values = values(&replies);
                prop_assert!(values[0] != Some(&b"last!"[..]) && values[7] != Some(&b"first!"[..]));
            }
        }
    }

    #[test]
    fn junk_is_no_reply(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for wire in WIRES {
            prop_assert!(!feed(&mut batch(wire).0, &bytes).unwrap_or(false));
        }
    }
}
