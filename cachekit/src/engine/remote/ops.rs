//! The operations of a backend as values, so that one driver serves the sync and the async way.

use cachekit_backends::{
    AsyncBackend, Backend, BoxFuture, Cursor, Fetched, KeyPage, Put, Result, Token, Ttl,
};

use crate::engine::near::Change;

/// An operation with its arguments.
pub(crate) trait Operation: Send + Sync + Sized + 'static {
    /// The method of [`Backend`] that it is.
    const NAME: &'static str;
    /// Whether it is a number of exchanges that grows with the store, each of which has the time of an operation.
    const IS_LONG: bool = false;
    type Out: Send + 'static;
    /// Whether it removes what the cache itself keeps on the backend.
    const FORGETS: bool = false;
    /// The change that near tiers must hear of.
    fn change(&self) -> Change;
    /// How many bytes of values it carries to the backend.
    fn bytes(&self) -> usize {
        0
    }
    /// How many bytes of values its result carries.
    fn bytes_of(_out: &Self::Out) -> usize {
        0
    }
    fn run(&self, backend: &dyn Backend) -> Result<Self::Out>;
    fn run_async<'a>(&'a self, backend: &'a dyn AsyncBackend) -> BoxFuture<'a, Result<Self::Out>>;
}

macro_rules! trait_of {
    (whole: $me:ident => $yes:expr) => {
        const IS_LONG: bool = $yes;
        const FORGETS: bool = $yes;
    };
    (carries: $me:ident => $bytes:expr) => {
        fn bytes(&self) -> usize {
            let $me = self;
            $bytes
        }
    };
    (brings: $out:ident => $bytes:expr) => {
        fn bytes_of($out: &Self::Out) -> usize {
            $bytes
        }
    };
}

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $method:literal, $changed:ident => $change:expr, ($($field:ident: $type:ty),*) -> $out:ty $([$size:ident: $value:ident => $bytes:expr])?
        = |$me:ident, $b:ident| $call:expr, async $acall:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name { $(pub(crate) $field: $type),* }
        impl Operation for $name {
            const NAME: &'static str = $method;
            type Out = $out;
            fn change(&self) -> Change {
                let $changed = self;
                $change
            }
            $(trait_of!($size: $value => $bytes);)?
            fn run(&self, $b: &dyn Backend) -> Result<$out> {
                let $me = self;
                $call
            }
            fn run_async<'a>(&'a self, $b: &'a dyn AsyncBackend) -> BoxFuture<'a, Result<$out>> {
                let $me = self;
                $acall
            }
        }
    )*};
}

operations! {
    GetMany = "get_many", _op => Change::None, (keys: Vec<String>) -> Vec<Option<Vec<u8>>> [brings: out => out.iter().flatten().map(Vec::len).sum()] =
        |me, b| b.get_many(&refs(&me.keys)),
        async Box::pin(async move { b.get_many(&refs(&me.keys)).await });
    Set = "set", _op => Change::Overwrite, (key: String, value: Vec<u8>, life: Ttl) -> () [carries: me => me.value.len()] =
        |me, b| b.set(&me.key, &me.value, me.life),
        async b.set(&me.key, &me.value, me.life);
    SetMany = "set_many", _op => Change::Overwrite, (items: Vec<(String, Vec<u8>)>, life: Ttl) -> ()
        [carries: me => me.items.iter().map(|(_, value)| value.len()).sum()] =
        |me, b| b.set_many(&pairs(&me.items), me.life),
        async Box::pin(async move { b.set_many(&pairs(&me.items), me.life).await });
    Delete = "delete", _op => Change::Deletion, (key: String) -> bool = |me, b| b.delete(&me.key), async b.delete(&me.key);
    DeleteMany = "delete_many", _op => Change::Deletion, (keys: Vec<String>) -> u64 =
        |me, b| b.delete_many(&refs(&me.keys)),
        async Box::pin(async move { b.delete_many(&refs(&me.keys)).await });
    Clear = "clear", _op => Change::Deletion, (prefix: String) -> () [whole: me => true] = |me, b| b.clear(&me.prefix), async b.clear(&me.prefix);
    Add = "add", _op => Change::None, (key: String, value: Vec<u8>, life: Ttl) -> bool [carries: me => me.value.len()] =
        |me, b| b.add(&me.key, &me.value, me.life),
        async b.add(&me.key, &me.value, me.life);
    AddAndCheck = "add_and_check", _op => Change::None, (key: String, value: Vec<u8>, life: Ttl, other: String, token: Token) -> Option<bool>
        [carries: me => me.value.len()] =
        |me, b| b.add_and_check(&me.key, &me.value, me.life, &me.other, me.token),
        async b.add_and_check(&me.key, &me.value, me.life, &me.other, me.token);
    TokenOf = "token", _op => Change::None, (key: String) -> Token = |me, b| b.token(&me.key), async b.token(&me.key);
    PutIf = "put_if", op => if op.replaces { Change::Overwrite } else { Change::None }, (key: String, value: Vec<u8>, life: Ttl, token: Token, replaces: bool, versions: Vec<String>) -> bool [carries: me => me.value.len()] =
        |me, b| b.put_under(&me.key, &me.value, me.life, me.token, &refs(&me.versions)),
        async Box::pin(async move { b.put_under(&me.key, &me.value, me.life, me.token, &refs(&me.versions)).await });
    DeleteIf = "delete_if", _op => Change::Deletion, (key: String, token: Token) -> bool =
        |me, b| b.delete_if(&me.key, me.token),
        async b.delete_if(&me.key, me.token);
    /// A part of the keys that begin with a prefix.
    Keys = "keys", _op => Change::None, (prefix: String, at: Option<Cursor>) -> KeyPage =
        |me, b| b.keys(&me.prefix, me.at.as_ref()),
        async b.keys(&me.prefix, me.at.as_ref());
    /// An entry with the versions that it depends on.
    Fetch = "fetch", _op => Change::None, (entry: String, versions: Vec<String>) -> Fetched
        [brings: out => out.entry.as_ref().map_or(0, Vec::len)] =
        |me, b| b.fetch(&me.entry, &refs(&me.versions)),
        async Box::pin(async move { b.fetch(&me.entry, &refs(&me.versions)).await });
    /// Entries, each with the versions that it depends on.
    FetchMany = "fetch_many", _op => Change::None, (entries: Vec<(String, Vec<String>)>) -> Vec<Fetched>
        [brings: out => out.iter().filter_map(|fetched| fetched.entry.as_ref()).map(Vec::len).sum()] =
        |me, b| {
            let versions: Vec<Vec<&str>> = me.entries.iter().map(|(_, versions)| refs(versions)).collect();
            b.fetch_many(&asked(&me.entries, &versions))
        },
        async Box::pin(async move {
            let versions: Vec<Vec<&str>> = me.entries.iter().map(|(_, versions)| refs(versions)).collect();
            b.fetch_many(&asked(&me.entries, &versions)).await
        });
    PutIfMany = "put_under_many", op => if op.replaces { Change::Overwrite } else { Change::None }, (items: Vec<PutIf>, replaces: bool) -> Vec<bool>
        [carries: me => me.items.iter().map(|put| put.value.len()).sum()] =
        |me, b| {
            let versions: Vec<Vec<&str>> = me.items.iter().map(|put| refs(&put.versions)).collect();
            b.put_under_many(&puts(&me.items, &versions))
        },
        async Box::pin(async move {
            let versions: Vec<Vec<&str>> = me.items.iter().map(|put| refs(&put.versions)).collect();
            b.put_under_many(&puts(&me.items, &versions)).await
        });
}

fn asked<'k>(
    entries: &'k [(String, Vec<String>)],
    versions: &'k [Vec<&'k str>],
) -> Vec<(&'k str, &'k [&'k str])> {
    entries.iter().zip(versions).map(|((entry, _), versions)| (entry.as_str(), versions.as_slice())).collect()
}

fn puts<'k>(items: &'k [PutIf], versions: &'k [Vec<&'k str>]) -> Vec<Put<'k>> {
    let put = |(put, versions): (&'k PutIf, &'k Vec<&'k str>)| Put {
        key: &put.key,
        value: &put.value,
        life: put.life,
        token: put.token,
        versions,
    };
    items.iter().zip(versions).map(put).collect()
}

fn refs(keys: &[String]) -> Vec<&str> {
    keys.iter().map(String::as_str).collect()
}

fn pairs(items: &[(String, Vec<u8>)]) -> Vec<(&str, &[u8])> {
    items.iter().map(|(key, value)| (key.as_str(), value.as_slice())).collect()
}
