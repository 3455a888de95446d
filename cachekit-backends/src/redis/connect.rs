//! Making a connection: by way of the sentinels, if there are any, then the login.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use redis::Value;
use rustls::ClientConfig;

use super::error::Server;
use super::limits::Limits;
use super::settings::{Kind, Login, Target};
use super::wire::{Batch, Command, MOST_LINE, MOST_STORED, reply};
use crate::deadline::Extension;
use crate::net::Address;
use crate::{Error, ErrorKind, Result};

/// The way to the server.
pub(super) struct Route {
    pub(super) target: Target,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) server: Server,
    pub(super) limits: Arc<Limits>,
    /// How often connections were found dead.
    pub(super) breaks: AtomicU64,
    /// Grows with the bytes that arrive on connections of tasks.
    pub(super) further: Arc<Extension>,
}

impl Route {
    /// Notes that a connection was found dead: cursors from before are void.
    pub(super) fn broke(&self) {
        self.breaks.fetch_add(1, Ordering::AcqRel);
    }

    fn dialing<'a>(&'a self, address: &'a Address, most: usize, deadline: Instant) -> Dialing<'a> {
        Dialing { address, tls: self.tls.as_ref(), most, deadline, further: &self.further }
    }
}

/// How a connection to one address is made.
pub(super) struct Dialing<'a> {
    pub(super) address: &'a Address,
    pub(super) tls: Option<&'a Arc<ClientConfig>>,
    /// The longest text of a reply.
    pub(super) most: usize,
    pub(super) deadline: Instant,
    /// Grows with the bytes that arrive, on a connection that is shared.
    pub(super) further: &'a Arc<Extension>,
}

/// The part of a driver that connects.
pub(super) trait Dial: Sync {
    type Connection: Send;

    /// Makes a connection, TLS included.
    fn dial(&self, dialing: Dialing<'_>) -> impl Future<Output = Result<Self::Connection>> + Send;

    /// Sends commands together and waits for their replies.
    fn ask(
        &self,
        connection: &mut Self::Connection,
        batch: &Batch,
        deadline: Instant,
    ) -> impl Future<Output = Result<Vec<Value>>> + Send;
}

/// Makes a connection to the master and logs in.
pub(super) async fn open<D: Dial>(dial: &D, route: &Route, deadline: Instant) -> Result<D::Connection> {
    let Kind::Sentinel(master) = &route.target.kind else {
        let [address, ..] = &route.target.servers[..] else {
            return Err(route.server.fault(ErrorKind::Config, "no address"));
        };
        return enter(dial, route, address, deadline).await;
    };
    // The first sentinel that replies is believed, as the documentation of Sentinel asks of clients.
    let mut last = None;
    let count = u32::try_from(route.target.servers.len()).unwrap_or(u32::MAX);
    for (sentinel, left) in route.target.servers.iter().zip((1..=count).rev()) {
        let now = Instant::now();
        let until = now + deadline.saturating_duration_since(now) / left;
        let entered = match master_of(dial, route, sentinel, master, until).await {
            Ok(address) => enter(dial, route, &address, deadline).await,
            Err(error) => Err(error),
        };
        match entered {
            Ok(connection) => return Ok(connection),
            Err(error) if error.kind() == ErrorKind::Auth => return Err(error),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| route.server.fault(ErrorKind::Config, "no sentinel")))
}

async fn master_of<D: Dial>(
    dial: &D,
    route: &Route,
    sentinel: &Address,
    master: &str,
    deadline: Instant,
) -> Result<Address> {
    let mut connection = dial.dial(route.dialing(sentinel, MOST_LINE, deadline)).await?;
    let mut commands: Vec<Command> = auth(&route.target.sentinel_login).into_iter().collect();
    let logins = commands.len();
    commands.push(Command::new("SENTINEL", 2).word(b"get-master-addr-by-name").word(master.as_bytes()));
    let mut answer = Value::Nil;
    // All replies are good, or the last one means nothing.
    for (at, given) in
        dial.ask(&mut connection, &Batch::of(commands), deadline).await?.into_iter().enumerate()
    {
        let refused = |error| route.server.of_sentinel(sentinel, error, at < logins);
        answer = reply(given).map_err(refused)?;
    }
    match answer {
        Value::Array(parts) => master_in(&parts).ok_or_else(|| {
            route.server.fault(ErrorKind::Protocol, "the sentinel replied an address that is none")
        }),
        Value::Nil => Err(route
            .server
            .fault(ErrorKind::Unavailable, &format!("the sentinel knows no master `{master}`"))),
        other => Err(route.server.unexpected("SENTINEL", &other)),
    }
}

/// The address in a sentinel's reply.
fn master_in(parts: &[Value]) -> Option<Address> {
    /// The longest name in the DNS.
    const MOST_HOST: usize = 255;
    let [Value::BulkString(host), Value::BulkString(port)] = parts else { return None };
    let host = std::str::from_utf8(host).ok().filter(|host| host.len() <= MOST_HOST)?;
    let port = std::str::from_utf8(port).ok()?.parse().ok()?;
    Some(Address::tcp(host, port))
}

/// Connects and logs in: one round trip, or none where neither login nor database is set.
pub(super) async fn enter<D: Dial>(
    dial: &D,
    route: &Route,
    address: &Address,
    deadline: Instant,
) -> Result<D::Connection> {
    let mut connection = dial.dial(route.dialing(address, MOST_STORED, deadline)).await?;
    let commands = greeting(&route.target);
    if commands.is_empty() {
        return Ok(connection);
    }
    let names: Vec<Greeting> = commands.iter().map(|(name, _)| *name).collect();
    let commands = commands.into_iter().map(|(_, cmd)| cmd).collect();
    let answers = dial.ask(&mut connection, &Batch::of(commands), deadline).await?;
    for (name, answer) in names.into_iter().zip(answers) {
        welcome(route, address, name, answer)?;
    }
    Ok(connection)
}

#[derive(Clone, Copy)]
enum Greeting {
    Login,
    Database,
    Role,
}

/// The command of a login, if there is one.
fn auth(login: &Login) -> Option<Command> {
    let password = login.password.as_ref()?.as_bytes();
    Some(match &login.user {
        Some(user) => Command::new("AUTH", 2).word(user.as_bytes()).word(password),
        None => Command::new("AUTH", 1).word(password),
    })
}

fn greeting(target: &Target) -> Vec<(Greeting, Command)> {
    let mut commands = Vec::new();
    commands.extend(auth(&target.login).map(|cmd| (Greeting::Login, cmd)));
    if target.db != 0 {
        commands.push((Greeting::Database, Command::new("SELECT", 1).number(target.db.into())));
    }
    if matches!(target.kind, Kind::Sentinel(_)) {
        commands.push((Greeting::Role, Command::new("ROLE", 0)));
    }
    commands
}

fn welcome(route: &Route, address: &Address, to: Greeting, answer: Value) -> Result<()> {
    let server = &route.server;
    let answer = reply(answer).map_err(|error| match to {
        Greeting::Login => server.refused_login(error),
        Greeting::Database | Greeting::Role => server.error(error),
    })?;
    match (to, &answer) {
        (Greeting::Login | Greeting::Database, Value::Okay) => Ok(()),
        (Greeting::Role, Value::Array(role))
            if role.first() == Some(&Value::BulkString(b"master".to_vec())) =>
        {
            Ok(())
        }
        (Greeting::Role, Value::Array(_)) => Err(Error::new(
            ErrorKind::Unavailable,
            format!("Redis at {}: {address} is named as the master, but is a replica", server.name),
        )),
        (Greeting::Login, _) => Err(server.unexpected("AUTH", &answer)),
        (Greeting::Database, _) => Err(server.unexpected("SELECT", &answer)),
        (Greeting::Role, _) => Err(server.unexpected("ROLE", &answer)),
    }
}
