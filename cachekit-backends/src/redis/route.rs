//! How a connection is made: through sentinels, if there are any, then the login.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use redis::{Cmd, Value};
use rustls::ClientConfig;

use super::command::reply;
use super::error::Server;
use super::place::{Kind, Place, Target};
use crate::{Error, ErrorKind, Result};

/// What a driver needs to know to connect.
pub(super) struct Route {
    pub(super) target: Target,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) server: Server,
    #[cfg(feature = "redis-cluster")]
    pub(super) certificates: Option<redis::TlsCertificates>,
}

/// The part of a driver that connects.
pub(super) trait Dial: Sync {
    type Line: Send;

    /// Makes a connection, TLS included, before the deadline.
    fn dial(
        &self,
        place: &Place,
        tls: Option<&Arc<ClientConfig>>,
        deadline: Instant,
    ) -> impl Future<Output = Result<Self::Line>> + Send;

    /// Sends commands together and waits for their answers.
    fn ask(
        &self,
        line: &mut Self::Line,
        commands: Vec<Cmd>,
        deadline: Instant,
    ) -> impl Future<Output = Result<Vec<Value>>> + Send;
}

/// Makes a connection to the master and logs in.
pub(super) async fn open<D: Dial>(dial: &D, route: &Route, deadline: Instant) -> Result<D::Line> {
    let Kind::Sentinel(master) = &route.target.kind else {
        let [place, ..] = &route.target.places[..] else {
            return Err(route.server.fault(ErrorKind::Config, "no address"));
        };
        return enter(dial, route, place, deadline).await;
    };
    // The first sentinel that answers knows; so it is done by all clients of Sentinel, as its documentation asks.
    let mut last = None;
    let count = u32::try_from(route.target.places.len()).unwrap_or(u32::MAX);
    for (sentinel, left) in route.target.places.iter().zip((1..=count).rev()) {
        let now = Instant::now();
        let until = now + deadline.saturating_duration_since(now) / left;
        let entered = match master_of(dial, route, sentinel, master, until).await {
            Ok(place) => enter(dial, route, &place, deadline).await,
            Err(error) => Err(error),
        };
        match entered {
            Ok(line) => return Ok(line),
            Err(error) if error.kind() == ErrorKind::Auth => return Err(error),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| route.server.fault(ErrorKind::Config, "no sentinel")))
}

async fn master_of<D: Dial>(
    dial: &D,
    route: &Route,
    sentinel: &Place,
    master: &str,
    deadline: Instant,
) -> Result<Place> {
    let mut line = dial.dial(sentinel, route.tls.as_ref(), deadline).await?;
    let mut cmd = redis::cmd("SENTINEL");
    cmd.arg("get-master-addr-by-name").arg(master);
    let answer = first(dial.ask(&mut line, vec![cmd], deadline).await?);
    match reply(answer).map_err(|error| route.server.error(error))? {
        Value::Array(address) => match &address[..] {
            [Value::BulkString(host), Value::BulkString(port)] => {
                let port = std::str::from_utf8(port).ok().and_then(|port| port.parse().ok());
                let host = String::from_utf8(host.clone()).ok();
                host.zip(port).map(|(host, port)| Place::Tcp(host, port)).ok_or_else(|| {
                    route.server.fault(ErrorKind::Protocol, "the sentinel gave an address that is none")
                })
            }
            _ => Err(route.server.unexpected("SENTINEL", &Value::Array(address))),
        },
        Value::Nil => Err(route
            .server
            .fault(ErrorKind::Unavailable, &format!("the sentinel knows no master `{master}`"))),
        other => Err(route.server.unexpected("SENTINEL", &other)),
    }
}

fn first(answers: Vec<Value>) -> Value {
    answers.into_iter().next().unwrap_or_default()
}

/// Connects and logs in, in one round trip, or in none if nothing is asked for.
async fn enter<D: Dial>(dial: &D, route: &Route, place: &Place, deadline: Instant) -> Result<D::Line> {
    let mut line = dial.dial(place, route.tls.as_ref(), deadline).await?;
    let commands = greeting(&route.target);
    if commands.is_empty() {
        return Ok(line);
    }
    let names: Vec<Greeting> = commands.iter().map(|(name, _)| *name).collect();
    let commands = commands.into_iter().map(|(_, cmd)| cmd).collect();
    let answers = dial.ask(&mut line, commands, deadline).await?;
    for (name, answer) in names.into_iter().zip(answers) {
        welcome(route, place, name, answer)?;
    }
    Ok(line)
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

fn welcome(route: &Route, place: &Place, to: Greeting, answer: Value) -> Result<()> {
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
            format!("Redis at {}: {place} is named as the master, but it is none (yet)", server.name),
        )),
        (Greeting::Login, _) => Err(server.unexpected("AUTH", &answer)),
        (Greeting::Database, _) => Err(server.unexpected("SELECT", &answer)),
        (Greeting::Role, _) => Err(server.unexpected("ROLE", &answer)),
    }
}
