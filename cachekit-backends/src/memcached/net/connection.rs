use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use super::{Net, Server, Stream};
use crate::memcached::settings::Settings;
use crate::memcached::wire::{
    Action, Batch, Buffer, Credentials, Fault, Greeting, Login, LoginKind, Reply, Request, Wire,
};
use crate::random::random_u128;

/// So many requests are written before their replies are read: few enough that neither side's socket buffers are full
/// while both write.
const MOST_REQUESTS: usize = 512;
/// And so many bytes of values, more than one value's aside.
const MOST_BYTES: usize = 4 << 20;
/// A connection that was used within this time isn't looked at before it is used again.
const SURE: Duration = Duration::from_millis(10);
/// One that nobody used for so long is closed: a firewall may have forgotten it.
const OLD: Duration = Duration::from_secs(60);

/// A connection that is logged in. It is kept only after an exchange without any fault: a future that is dropped half-way
/// takes it along.
pub(in crate::memcached) struct Connection<S> {
    stream: S,
    wire: Wire,
    opaque: u32,
    input: Buffer,
    output: Vec<u8>,
    used: Instant,
}

/// Opens a connection, within the time for that.
pub(super) async fn open<N: Net>(
    net: &N,
    server: &Server,
    settings: &Settings,
    deadline: Instant,
) -> Result<Connection<N::Stream>, Fault> {
    let deadline = deadline.min(Instant::now() + settings.connect_timeout);
    net.within(deadline, async {
        let stream = reach(net, server, deadline).await?;
        let Some(login) = &settings.login else { return Ok(Connection::new(stream, Wire::Meta)) };
        let kind = login.kind.or(server.speaks()).unwrap_or(LoginKind::Sasl);
        let mut result = Connection::log_in(stream, kind, &login.credentials, deadline).await;
        let mut works = kind;
        if login.kind.is_none() && matches!(result, Ok(None)) {
            works = LoginKind::Text;
            let stream = reach(net, server, deadline).await?;
            result = Connection::log_in(stream, works, &login.credentials, deadline).await;
        }
        server.set_speaks(result.is_ok().then_some(works));
        result?.ok_or_else(|| {
            Fault::LoginRefused(
                "the server wants the text login (`-Y`): set the option `auth` to `text` or `auto`".into(),
            )
        })
    })
    .await
}

async fn reach<N: Net>(net: &N, server: &Server, deadline: Instant) -> Result<N::Stream, Fault> {
    match net.within(deadline, net.connect(server, deadline)).await {
        Err(Fault::Timeout) => Err(Fault::Connect(io::ErrorKind::TimedOut.into())),
        result => result,
    }
}

/// Without the bytes, which are values of the cache.
impl<S> fmt::Debug for Connection<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("wire", &self.wire)
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

impl<S: Stream> Connection<S> {
    fn new(stream: S, wire: Wire) -> Self {
        // The upper bits are as random as all.
        #[allow(clippy::cast_possible_truncation)]
        let opaque = random_u128() as u32;
        Self { stream, wire, opaque, input: Buffer::default(), output: Vec::new(), used: Instant::now() }
    }

    /// Logs in; none if the server wants another login.
    async fn log_in(
        stream: S,
        kind: LoginKind,
        credentials: &Credentials,
        deadline: Instant,
    ) -> Result<Option<Self>, Fault> {
        let mut this = Self::new(stream, Wire::Meta);
        let mut bytes = Vec::new();
        let login = Login::start(kind, credentials, &mut bytes)?;
        this.stream.limit(deadline);
        this.stream.write(&bytes).await?;
        loop {
            match login.feed(&mut this.input)? {
                Greeting::Welcome(wire) => {
                    this.wire = wire;
                    return Ok(Some(this));
                }
                Greeting::SpeaksText => return Ok(None),
                Greeting::Incomplete => this.hear().await?,
            }
        }
    }

    /// Reads once.
    async fn hear(&mut self) -> Result<(), Fault> {
        match self.stream.read(self.input.room()).await? {
            0 => Err(Fault::Hangup),
            n => {
                self.input.filled(n);
                Ok(())
            }
        }
    }

    /// Whether it may be used again.
    pub(super) fn is_fresh(&mut self) -> bool {
        let idle = self.used.elapsed();
        idle < SURE || (idle < OLD && !self.stream.is_spoiled())
    }

    /// Asks and waits for the replies.
    pub(super) async fn run<N: Net<Stream = S>>(
        &mut self,
        net: &N,
        mut requests: &[Request<'_>],
        most: usize,
        deadline: Instant,
    ) -> Result<Vec<Reply>, Fault> {
        self.stream.limit(deadline);
        let mut replies = Vec::new();
        while !requests.is_empty() {
            let (window, rest) = requests.split_at(window(requests));
            self.output.clear();
            let mut batch = Batch::encode(self.wire, window, most, &mut self.opaque, &mut self.output);
            if self.stream.has_records() {
                for piece in batch.pieces(&self.output) {
                    self.stream.write(piece).await?;
                }
            } else {
                self.stream.write(&self.output).await?;
            }
            net.pause().await;
            while !batch.feed(&mut self.input)? {
                self.hear().await?;
            }
            replies.append(&mut batch.into_replies());
            requests = rest;
        }
        self.input.shrink();
        self.output.clear();
        self.output.shrink_to(64 << 10);
        self.used = Instant::now();
        Ok(replies)
    }
}

/// How many requests go out at once.
fn window(requests: &[Request<'_>]) -> usize {
    let mut bytes = 0;
    let fits = |request: &&Request<'_>| {
        if let Action::Store { value, .. } = request.action {
            bytes += value.len();
        }
        bytes <= MOST_BYTES
    };
    requests.iter().take(MOST_REQUESTS).take_while(fits).count().max(1)
}
