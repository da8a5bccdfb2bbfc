//! Calls across ports.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A call across a port. Most calls of plugins are over when they are made, and then nothing is allocated for one.
#[must_use = "nothing comes of a call that nobody waits for"]
pub struct Call<'a, T>(State<'a, T>);

enum State<'a, T> {
    /// None once the result has been taken.
    Done(Option<T>),
    UnderWay(Pin<Box<dyn Future<Output = T> + Send + 'a>>),
}

impl<T> fmt::Debug for Call<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self.0, State::Done(_)) { "Call(done)" } else { "Call(under way)" })
    }
}

impl<'a, T> Call<'a, T> {
    /// One that is over.
    pub fn done(result: T) -> Self {
        Self(State::Done(Some(result)))
    }

    /// One that is over when this future is.
    pub fn of(future: impl Future<Output = T> + Send + 'a) -> Self {
        Self(State::UnderWay(Box::pin(future)))
    }

    /// The same call with something made of its result.
    pub fn map<U>(self, f: impl FnOnce(T) -> U + Send + 'a) -> Call<'a, U>
    where
        T: Send + 'a,
    {
        match self.0 {
            State::Done(result) => Call(State::Done(result.map(f))),
            State::UnderWay(future) => Call::of(async move { f(future.await) }),
        }
    }
}

/// A result that is kept here is never pinned.
impl<T> Unpin for Call<'_, T> {}

impl<T> Future for Call<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match &mut self.0 {
            // Whoever polls what is over waits for ever, as with any future.
            State::Done(result) => result.take().map_or(Poll::Pending, Poll::Ready),
            State::UnderWay(future) => future.as_mut().poll(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn what_is_over_is_ready_at_once_and_what_is_not_when_it_is() {
        assert_eq!(Call::done(1).map(|n| n + 1).now_or_never(), Some(2));
        assert_eq!(Call::of(async { 1 }).map(|n| n + 1).now_or_never(), Some(2));
        assert_eq!(Call::of(std::future::pending::<u8>()).map(|n| n + 1).now_or_never(), None);
    }
}
