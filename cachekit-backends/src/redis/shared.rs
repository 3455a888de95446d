//! A connection that tasks share, over the client library.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Instant;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, RedisError, Value};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout_at;

use super::checked::Checked;
use super::connect::{Dial, Dialing};
use super::error::Server;
use super::wire::{Command, Reply, reply};
use crate::Result;
use crate::net::{TaskStream, all};

/// A connection. The task that moves its bytes is aborted with the last clone, whatever the server still sends.
#[derive(Clone)]
pub(super) struct Shared {
    connection: MultiplexedConnection,
    driver: Arc<Driver>,
    /// Changes when the task ends.
    ended: watch::Receiver<()>,
}

struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Shared {
    /// Connects and starts the task, on the runtime that polls.
    pub(super) async fn connect(dialing: Dialing<'_>) -> io::Result<Self> {
        let Dialing { address, tls, most, deadline, limit } = dialing;
        let stream = TaskStream::connect(address, tls, deadline).await?;
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        // The login is ours, as for blocking connections.
        let without_login = RedisConnectionInfo::default().set_skip_set_lib_name();
        let made =
            MultiplexedConnection::new_with_config(&without_login, Checked::new(stream, most, limit), config)
                .await;
        let (connection, driver) = made.map_err(io::Error::other)?;
        let (alive, ended) = watch::channel(());
        let driver = tokio::spawn(async move {
            driver.await;
            drop(alive);
        });
        Ok(Self { connection, driver: Arc::new(Driver(driver.abort_handle())), ended })
    }

    /// Waits for replies, but not beyond the end of the task: a request that was handed over while the task ended is neither
    /// sent nor given back.
    async fn unless_ended<T>(
        mut ended: watch::Receiver<()>,
        replies: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, RedisError> {
        let (mut replies, mut end) = (pin!(replies), pin!(ended.changed()));
        poll_fn(|cx| {
            if let Poll::Ready(replies) = replies.as_mut().poll(cx) {
                return Poll::Ready(replies);
            }
            ready!(end.as_mut().poll(cx)).ok();
            // They may have come in between.
            match replies.as_mut().poll(cx) {
                Poll::Pending => Poll::Ready(Err(io::Error::from(io::ErrorKind::BrokenPipe).into())),
                replies @ Poll::Ready(_) => replies,
            }
        })
        .await
    }

    /// Whether the server has closed it, or it was closed after an error.
    pub(super) fn is_closed(&self) -> bool {
        self.driver.0.is_finished()
    }

    /// Whether both are the same connection.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.driver, &other.driver)
    }

    /// Sends one packed command.
    pub(super) async fn ask(&mut self, cmd: &Cmd) -> Result<Value, RedisError> {
        Self::unless_ended(self.ended.clone(), self.connection.send_packed_command(cmd)).await
    }

    /// Sends commands in one write.
    pub(super) async fn send(&mut self, commands: &[Command]) -> Result<Vec<Reply>, RedisError> {
        if let [command] = commands {
            return Ok(vec![reply(self.ask(&command.cmd).await?)]);
        }
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command.cmd.clone());
        }
        let values = self.ask_all(&pipeline, 0, commands.len()).await?;
        Ok(values.into_iter().map(reply).collect())
    }

    /// Sends the commands of a pipeline in one write.
    pub(super) async fn ask_all(
        &mut self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> Result<Vec<Value>, RedisError> {
        let replies = self.connection.send_packed_commands(pipeline, offset, count);
        Self::unless_ended(self.ended.clone(), replies).await
    }
}

/// Makes such connections.
pub(super) struct Dialer<'a> {
    pub(super) server: &'a Server,
}

impl Dial for Dialer<'_> {
    type Connection = Shared;

    async fn dial(&self, dialing: Dialing<'_>) -> Result<Shared> {
        let address = dialing.address;
        timeout_at(dialing.deadline.into(), Shared::connect(dialing))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|error| self.server.connecting(address, error))
    }

    async fn ask(
        &self,
        connection: &mut Shared,
        commands: Vec<Cmd>,
        deadline: Instant,
    ) -> Result<Vec<Value>> {
        // Not as a pipeline: the client library loses the error of one whose first reply can't be read.
        let replies = all(commands.iter().map(|cmd| {
            let mut connection = connection.clone();
            async move { connection.ask(cmd).await }
        }));
        let late = |_| vec![Err(RedisError::from(io::Error::from(io::ErrorKind::TimedOut)))];
        let replies = timeout_at(deadline.into(), replies).await.unwrap_or_else(late);
        replies.into_iter().collect::<Result<_, _>>().map_err(|error| self.server.error(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net;

    #[test]
    fn a_request_that_a_task_left_behind_is_a_closed_connection() {
        let (alive, ended) = watch::channel(());
        drop(alive);
        let lost = Shared::unless_ended(ended.clone(), std::future::pending::<Result<(), _>>());
        assert!(super::super::error::is_hangup(&net::ready(lost).unwrap_err()));
        let replied = Shared::unless_ended(ended, std::future::ready(Ok(7)));
        assert_eq!(net::ready(replied).unwrap(), 7);
    }
}
