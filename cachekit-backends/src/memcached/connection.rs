use std::fmt;
use std::time::Instant;

use super::wire::{Action, Batch, Credentials, Fault, Format, Greeting, Login, LoginKind, Reply, Request};
use crate::net::{Buffer, Stream};
use crate::random::random_u128;

/// So many requests are written before their replies are read: few enough that neither side's socket buffers are full
/// while both write.
const MOST_REQUESTS: usize = 512;
/// And so many bytes of values, more than one value's aside.
const MOST_BYTES: usize = 4 << 20;
/// A stream of one of several exchanges that run at once.
pub(super) trait Paced: Stream {
    /// Lets the other exchanges of [`all`](crate::net::all) write before this one reads, where a read blocks the thread.
    fn pause(&self) -> impl Future<Output = ()> + Send;
}

/// A connection that is logged in. It is kept only after an exchange without any fault: a future that is dropped half-way
/// drops it.
pub(super) struct Connection<S> {
    stream: S,
    format: Format,
    opaque: u32,
    input: Buffer,
    output: Vec<u8>,
}

/// Without the bytes, which are values of the cache.
impl<S> fmt::Debug for Connection<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("format", &self.format).finish_non_exhaustive()
    }
}

impl<S: Paced> Connection<S> {
    pub(super) fn new(stream: S, format: Format) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a part is as random as the whole")]
        let opaque = random_u128() as u32;
        Self { stream, format, opaque, input: Buffer::default(), output: Vec::new() }
    }

    /// Logs in; none if the server wants another kind of login.
    pub(super) async fn log_in(
        stream: S,
        kind: LoginKind,
        credentials: &Credentials,
        deadline: Instant,
    ) -> Result<Option<Self>, Fault> {
        let mut this = Self::new(stream, Format::Meta);
        let mut bytes = Vec::new();
        let login = Login::start(kind, credentials, &mut bytes)?;
        this.stream.limit(deadline);
        this.stream.write(&bytes).await?;
        loop {
            match login.feed(&mut this.input)? {
                Greeting::Welcome(format) => {
                    this.format = format;
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

    /// Whether it is open, and nothing has arrived that was not asked for.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.stream.is_quiet()
    }

    /// Returns the stream and the format that its login left.
    pub(super) fn into_parts(self) -> (S, Format) {
        (self.stream, self.format)
    }

    /// Sends the requests and waits for the replies.
    pub(super) async fn run(
        &mut self,
        mut requests: &[Request<'_>],
        most: usize,
        deadline: Instant,
    ) -> Result<Vec<Reply>, Fault> {
        self.stream.limit(deadline);
        let mut replies = Vec::new();
        while !requests.is_empty() {
            let (window, rest) = requests.split_at(window(requests));
            self.output.clear();
            let mut batch =
                Batch::encode(self.format, window, most, &mut self.opaque, true, &mut self.output);
            if self.stream.has_records() {
                for piece in batch.pieces(&self.output) {
                    self.stream.write(piece).await?;
                }
            } else {
                self.stream.write(&self.output).await?;
            }
            self.stream.pause().await;
            while !batch.feed(&mut self.input)? {
                self.hear().await?;
            }
            replies.append(&mut batch.into_replies());
            requests = rest;
        }
        self.input.shrink();
        self.output.clear();
        self.output.shrink_to(64 << 10);
        Ok(replies)
    }
}

/// How many requests go out at once.
pub(super) fn window(requests: &[Request<'_>]) -> usize {
    let mut bytes = 0;
    let fits = |request: &&Request<'_>| {
        if let Action::Store { value, .. } = request.action {
            bytes += value.len();
        }
        bytes <= MOST_BYTES
    };
    requests.iter().take(MOST_REQUESTS).take_while(fits).count().max(1)
}
