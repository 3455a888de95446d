//! Making a connection, and the login.

use std::io;
use std::time::Instant;

use super::connection::Connection;
use super::server::Server;
use super::settings::Settings;
use super::transport::Dial;
use super::wire::{Fault, Format, LoginKind};

/// Opens a connection, within the time for that.
pub(super) async fn open<D: Dial>(
    dial: &D,
    server: &Server,
    settings: &Settings,
    deadline: Instant,
) -> Result<Connection<D::Stream>, Fault> {
    let deadline = deadline.min(Instant::now() + settings.connect_timeout);
    dial.within(deadline, async {
        let stream = reach(dial, server, deadline).await?;
        let Some(login) = &settings.login else { return Ok(Connection::new(stream, Format::Meta)) };
        let kind = login.kind.or(server.speaks()).unwrap_or(LoginKind::Sasl);
        let mut result = Connection::log_in(stream, kind, &login.credentials, deadline).await;
        let mut works = kind;
        if login.kind.is_none() && matches!(result, Ok(None)) {
            works = LoginKind::Text;
            let stream = reach(dial, server, deadline).await?;
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

async fn reach<D: Dial>(dial: &D, server: &Server, deadline: Instant) -> Result<D::Stream, Fault> {
    match dial.within(deadline, dial.connect(server, deadline)).await {
        Err(Fault::Timeout) => Err(Fault::Connect(io::ErrorKind::TimedOut.into())),
        result => result,
    }
}
