//! Making a connection: by way of the sentinels, if there are any, then the login.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Cmd, Value};
use rustls::ClientConfig;

use super::error::Server;
use super::limits::Limits;
use super::settings::{Kind, Target};
use super::wire::{MOST_LINE, MOST_STORED, reply};
use crate::net::Address;
use crate::{Error, ErrorKind, Result};

/// The way to the server.
pub(super) struct Route {
    pub(super) target: Target,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) server: Server,
    pub(super) limits: Arc<Limits>,
}

impl Route {
    fn dialing<'a>(&'a self, address: &'a Address, most: usize, deadline: Instant) -> Dialing<'a> {
        Dialing { address, tls: self.tls.as_ref(), most, deadline, limit: self.limits.operation() }
    }
}

/// How a connection to one address is made.
pub(super) struct Dialing<'a> {
    pub(super) address: &'a Address,
    pub(super) tls: Option<&'a Arc<ClientConfig>>,
    /// The longest text of a reply.
    pub(super) most: usize,
    pub(super) deadline: Instant,
    /// How long a reply may take on a connection that is shared.
    pub(super) limit: Duration,
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
        commands: Vec<Cmd>,
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
    let mut cmd = redis::cmd("SENTINEL");
    cmd.arg("get-master-addr-by-name").arg(master);
    let answer = first(dial.ask(&mut connection, vec![cmd], deadline).await?);
    match reply(answer).map_err(|error| route.server.error(error))? {
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

fn first(answers: Vec<Value>) -> Value {
    answers.into_iter().next().unwrap_or_default()
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
    let answers = dial.ask(&mut connection, commands, deadline).await?;
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

fn greeting(target: &Target) -> Vec<(Greeting, Cmd)> {
    let mut commands = Vec::new();
    if let Some(password) = &target.login.password {
        let mut cmd = redis::cmd("AUTH");
        if let Some(user) = &target.login.user {
            cmd.arg(user);
        }
        cmd.arg(password);
        commands.push((Greeting::Login, cmd));
    }
    if target.db != 0 {
        let mut cmd = redis::cmd("SELECT");
        cmd.arg(target.db);
        commands.push((Greeting::Database, cmd));
    }
    if matches!(target.kind, Kind::Sentinel(_)) {
        commands.push((Greeting::Role, redis::cmd("ROLE")));
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
