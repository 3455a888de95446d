//! The scenarios. Each uses a key of its own.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use crate::blobs::{Blob, most_alive};
use crate::peers::{BOUND, PATIENCE, Peer};
use crate::script::{Work, begun, plan};

pub const SCENARIOS: [&str; 8] = [
    "two callers of a cold key compute once",
    "a deletion beats the computation that is under way",
    "a computation that panics hands over to its waiter",
    "callers that give up after 100 ms get the value of a body of 150 ms in the end",
    "an `Err` behind an alias of `Result` is not stored",
    "the deletion of a tag beats the computation that is under way",
    "under load no more values live than half above the bound",
    "a second process on one store finds the value, and its deletion is seen",
];

pub enum Outcome {
    Holds,
    Fails(String),
    NotOffered,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holds => f.write_str("pass"),
            Self::Fails(reason) => write!(f, "fail: {reason}"),
            Self::NotOffered => f.write_str("–"),
        }
    }
}

fn holds(condition: bool, otherwise: impl fmt::Display) -> Outcome {
    if condition { Outcome::Holds } else { Outcome::Fails(otherwise.to_string()) }
}

/// Runs all scenarios with a library.
pub async fn all<P: Peer>() -> (&'static str, Vec<Outcome>) {
    let outcomes = vec![
        cold_key::<P>().await,
        late_value(P::get, P::delete).await,
        panicking_leader::<P>().await,
        impatient_callers::<P>().await,
        alias::<P>().await,
        late_tag::<P>().await,
        bound::<P>().await,
        second_process::<P>().await,
    ];
    (P::NAME, outcomes)
}

async fn cold_key<P: Peer>() -> Outcome {
    let key = plan(|_| {
        Box::pin(async {
            sleep(Duration::from_millis(200)).await;
            Ok(1)
        })
    });
    let calls = [tokio::spawn(P::get(key)), tokio::spawn(P::get(key))];
    for call in calls {
        let _ = call.await;
    }
    holds(begun(key) == 1, format_args!("{} computations", begun(key)))
}

/// A deletion while the first computation runs: a call that starts after it must not get that computation's value.
async fn late_value(get: fn(u64) -> Work<u64>, delete: fn(u64) -> Option<Work<()>>) -> Outcome {
    let (began, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let key = plan({
        let (began, gate) = (Arc::clone(&began), Arc::clone(&gate));
        move |run| {
            let (began, gate) = (Arc::clone(&began), Arc::clone(&gate));
            Box::pin(async move {
                if run == 0 {
                    began.add_permits(1);
                    let _open = gate.acquire().await;
                }
                Ok(run as u64)
            })
        }
    });
    let first = tokio::spawn(get(key));
    let _began = began.acquire().await;
    let Some(deletion) = delete(key) else { return Outcome::NotOffered };
    let mut deletion = tokio::spawn(deletion);
    // A deletion that waits for the computation is as good.
    let waits = timeout(Duration::from_millis(500), &mut deletion).await.is_err();
    gate.add_permits(1);
    if waits && timeout(PATIENCE, deletion).await.is_err() {
        return Outcome::Fails("the deletion does not return".to_owned());
    }
    let _ = first.await;
    match timeout(PATIENCE, get(key)).await {
        Ok(value) => holds(value != 0, "the value from before is stored and served"),
        Err(_) => Outcome::Fails("the next call hangs".to_owned()),
    }
}

async fn late_tag<P: Peer>() -> Outcome {
    if P::get_tagged(plan(|_| Box::pin(async { Ok(0) }))).is_none() {
        return Outcome::NotOffered;
    }
    late_value(|key| P::get_tagged(key).expect("offered"), |_| P::delete_tag()).await
}

async fn panicking_leader<P: Peer>() -> Outcome {
    let key = plan(|run| {
        Box::pin(async move {
            sleep(Duration::from_millis(200)).await;
            assert_ne!(run, 0, "the first computation panics");
            Ok(7)
        })
    });
    let leader = tokio::spawn(P::get(key));
    while begun(key) == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    let waiter = tokio::spawn(P::get(key));
    let _ = leader.await;
    match timeout(PATIENCE, waiter).await {
        Ok(Ok(value)) => holds(value == 7, format_args!("the waiter gets {value}")),
        Ok(Err(_)) => Outcome::Fails("the waiter panics too".to_owned()),
        Err(_) => Outcome::Fails("the waiter hangs".to_owned()),
    }
}

async fn impatient_callers<P: Peer>() -> Outcome {
    let key = plan(|_| {
        Box::pin(async {
            sleep(Duration::from_millis(150)).await;
            Ok(1)
        })
    });
    let answered = Arc::new(AtomicUsize::new(0));
    let end = Instant::now() + Duration::from_secs(2);
    let mut asked = 0;
    while Instant::now() < end {
        asked += 1;
        let answered = Arc::clone(&answered);
        tokio::spawn(async move {
            if timeout(Duration::from_millis(100), P::get(key)).await.is_ok() {
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
        sleep(Duration::from_millis(20)).await;
    }
    let answered = answered.load(Ordering::SeqCst);
    holds(answered * 2 > asked, format_args!("{answered} of {asked} answered"))
}

async fn alias<P: Peer>() -> Outcome {
    let key = plan(|run| Box::pin(async move { if run == 0 { Err("no".to_owned()) } else { Ok(5) } }));
    let _ = P::try_get(key).await;
    holds(P::try_get(key).await == Ok(5), "the error is stored")
}

/// Eight tasks store 20,000 values in a cache that is bounded to a few.
async fn bound<P: Peer>() -> Outcome {
    if P::get_blob(0).is_none() {
        return Outcome::NotOffered;
    }
    Blob::forget_most();
    let store = |task: u64| {
        tokio::spawn(async move {
            for n in 0..2_500 {
                P::get_blob(1 + task * 2_500 + n).expect("offered").await;
            }
        })
    };
    for task in (0..8).map(store).collect::<Vec<_>>() {
        let _ = task.await;
    }
    let most = most_alive();
    holds(most <= BOUND + BOUND / 2, format_args!("{most} values live at a bound of {BOUND}"))
}

/// This process stores a value. Another one looks it up, and deletes it.
async fn second_process<P: Peer>() -> Outcome {
    let dir = tempfile::tempdir().expect("a directory for the store");
    let ask = |value, delete| P::on_store(dir.path(), value, delete);
    let Some(first) = ask(1, false) else { return Outcome::NotOffered };
    if let Err(error) = first {
        return Outcome::Fails(error);
    }
    match crate::child::run(P::NAME, dir.path()) {
        Err(error) => return Outcome::Fails(format!("the second process: {error}")),
        Ok(value) if value != 1 => return Outcome::Fails("the second process computes".to_owned()),
        Ok(_) => {}
    }
    let after = ask(3, false).expect("offered");
    holds(after == Ok(3), "the value that the second process has deleted is served")
}
