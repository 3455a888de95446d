//! The option `per_request`: values that are kept for the request that is being handled.

use std::future::{Future, ready};
use std::marker::PhantomData;
use std::sync::Arc;

use cachekit_backends::{Recorder, Result};

use super::Op;
use super::explain::Explanation;
use super::function::{Async, Blocking, Function, Handle};
use super::options::{Options, StaleIf};
use crate::call::arguments::KeyPart;
use crate::call::has_instances;
use crate::call::instance_digest;
use crate::call::kept::{CallKey, Value};
use crate::call::request::{self, Request};
use crate::call::shape::Shape;
use crate::call::trace::{self, How, Trace};
use crate::call::verdict::Verdict;
use crate::engine::stats::Event;

/// A value that can be kept for a request.
#[diagnostic::on_unimplemented(
    message = "a value of `{Self}` can't be kept for a request",
    label = "the kept value must be `Clone + Send + 'static`",
    note = "return an owned value; wrap what isn't `Clone` into an `Arc`"
)]
pub trait KeptHere: Clone + Send + 'static {}
#[diagnostic::do_not_recommend]
impl<T: Clone + Send + 'static> KeptHere for T {}

/// The place of a call's value in a request.
struct Slot {
    function: &'static Function,
    request: Arc<Request>,
    key: CallKey,
    instance: u64,
}

impl Slot {
    /// None outside of a request.
    fn new<M, I: KeyPart>(handle: &Handle<M>, arguments: &impl KeyPart, instance: &I) -> Option<Self> {
        let request = request::current()?;
        let mut bytes = Vec::new();
        arguments.feed(&mut Recorder::new(&mut bytes));
        let number = handle.function().number;
        let instance =
            if has_instances::<I>() { instance_digest(handle.cache.engine(), number, instance) } else { 0 };
        Some(Self { function: handle.function(), request, key: (number, bytes.into_boxed_slice()), instance })
    }

    /// Returns the kept value.
    fn look<S: Shape>(&self) -> Option<S::Output>
    where
        S::Stored: KeptHere,
    {
        let (value, since) = self.request.kept.take(&self.key);
        let value = value?;
        let stored = value.part.downcast_ref::<S::Stored>().cloned();
        self.request.kept.put_back(self.key.clone(), value, since);
        stored.map(S::output)
    }
}

/// A call that computes. Its value is kept, if it is made in a request.
pub struct Kept<S> {
    slot: Option<(Slot, u64)>,
    op: Op,
    shape: PhantomData<fn() -> S>,
}

/// Looks a call up. Puts the value into the empty slot `found`, or returns the rest of the call.
#[expect(clippy::needless_pass_by_value, reason = "the handle is made for this call")]
pub fn per_request<M, S, I, U, Q, F, T, J, G>(
    handle: Handle<M>,
    _: S,
    arguments: &impl KeyPart,
    instance: &I,
    op: Op,
    options: Options<U, Q, F, T, J, G>,
    found: &mut Option<S::Output>,
) -> Option<Kept<S>>
where
    S: Shape,
    S::Stored: KeptHere,
    I: KeyPart,
    U: FnOnce() -> bool,
    Q: FnOnce() -> bool,
    F: StaleIf<S::Output>,
{
    let Options { unless, refresh_if, stale_if, .. } = options;
    if op == Op::Uncached || unless() {
        return Some(Kept { slot: None, op, shape: PhantomData });
    }
    let Some(slot) = Slot::new(&handle, arguments, instance) else {
        return Some(Kept { slot: None, op, shape: PhantomData });
    };
    if op != Op::Refresh && !refresh_if() {
        *found = slot.look::<S>();
        if found.as_ref().is_some_and(|value| !stale_if.is_stale(value)) {
            slot.function.count_in_request(Event::Hit);
            if op == Op::Traced {
                trace::note(Trace::of(How::Hit));
            }
            return None;
        }
        *found = None;
        slot.function.count_in_request(Event::Miss);
    }
    let since = slot.request.kept.deletions();
    Some(Kept { slot: Some((slot, since)), op, shape: PhantomData })
}

impl<S: Shape> Kept<S>
where
    S::Stored: KeptHere,
{
    /// Runs the body, and keeps its value.
    pub fn finish<V: Into<Verdict>>(
        self,
        judge: impl FnOnce(&S::Output) -> V,
        body: impl FnOnce() -> S::Output,
    ) -> S::Output {
        let output = body();
        self.keep(&output, judge);
        output
    }

    /// The same as a task.
    pub async fn finish_async<V: Into<Verdict>>(
        self,
        judge: impl FnOnce(&S::Output) -> V,
        body: impl Future<Output = S::Output>,
    ) -> S::Output {
        let output = body.await;
        self.keep(&output, judge);
        output
    }

    fn keep<V: Into<Verdict>>(self, output: &S::Output, judge: impl FnOnce(&S::Output) -> V) {
        let Some((Slot { function, request, key, instance }, since)) = self.slot else {
            if self.op == Op::Traced {
                trace::note(Trace::of(How::Bypassed));
            }
            return;
        };
        if S::stores(output)
            && judge(output).into().keeps()
            && let Some(stored) = S::stored(output)
            && request.kept.put(key, Value { instance, part: Box::new(stored) }, since)
        {
            function.count_in_request(Event::Store);
        }
    }
}

/// The key of one call, for deletion and `peek!`.
pub struct RequestKey<S, M> {
    function: &'static Function,
    slot: Option<Slot>,
    shape: PhantomData<fn() -> (S, M)>,
}

impl<S: Shape, M> RequestKey<S, M>
where
    S::Stored: KeptHere,
{
    /// The key of a call.
    #[expect(clippy::needless_pass_by_value, reason = "the handle is made for this call")]
    pub fn new(handle: Handle<M>, _: S, arguments: &impl KeyPart, instance: &impl KeyPart) -> Self {
        let slot = Slot::new(&handle, arguments, instance);
        Self { function: handle.function(), slot, shape: PhantomData }
    }

    pub(super) fn delete_here(&self) {
        if let Some(slot) = &self.slot {
            slot.request.kept.delete(&slot.key);
        }
    }

    fn look(&self) -> Option<S::Output> {
        self.slot.as_ref().and_then(Slot::look::<S>)
    }

    fn explanation(&self) -> Explanation {
        let why = if self.slot.is_some() {
            "the value is kept for the request that is being handled"
        } else {
            "its values are kept for the request that is being handled, and there is none"
        };
        Explanation::not_cached(&self.function.name, why.to_owned())
    }
}

impl<S: Shape> RequestKey<S, Blocking>
where
    S::Stored: KeptHere,
{
    /// Deletes the value of this call.
    pub fn delete(self) -> Result<()> {
        self.delete_here();
        Ok(())
    }

    /// Returns the kept value of this call.
    pub fn peek(self) -> Result<Option<S::Output>> {
        Ok(self.look())
    }

    /// Returns the reason why this call would compute.
    #[must_use]
    pub fn explain(self) -> Explanation {
        self.explanation()
    }
}

impl<S: Shape> RequestKey<S, Async>
where
    S::Stored: KeptHere,
{
    /// Deletes the value of this call.
    pub fn delete(self) -> impl Future<Output = Result<()>> + Send {
        self.delete_here();
        ready(Ok(()))
    }

    /// Returns the kept value of this call.
    pub fn peek(self) -> impl Future<Output = Result<Option<S::Output>>> {
        ready(Ok(self.look()))
    }

    /// Returns the reason why this call would compute.
    pub fn explain(self) -> impl Future<Output = Explanation> + Send {
        ready(self.explanation())
    }
}
