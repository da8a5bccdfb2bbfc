//! A client's connection that does not wait for ever for the client to take its bytes.
//!
//! An answer that nobody takes fills the connection's buffers (some 400 KiB of ours beside the system's), and then the
//! stream is no longer asked for more: the upstream call, its memory and its place would stay for as long as the client
//! likes. So a write that has made no progress for a while is an error, which ends the connection and with it everything
//! that was for it.
//!
//! Costs nothing while writes succeed: no clock is read and no timer made before a write has to wait. Flushing and
//! shutting down a TCP socket never waits, so writes are all there is to watch.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// Ends writes that make no progress.
#[derive(Debug)]
pub(super) struct Patient<S> {
    socket: S,
    limit: Duration,
    /// Made by the first write that had to wait, and kept.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl<S> Patient<S> {
    /// Waits so long for each write.
    pub(super) fn new(socket: S, limit: Duration) -> Self {
        Self { socket, limit, timer: None, waiting: false }
    }

    /// What a write gave, or the end of patience.
    fn judge(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.waiting = false;
            return written;
        }
        let deadline = || Instant::now() + self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline())));
        if !self.waiting {
            self.waiting = true;
            timer.as_mut().reset(deadline());
        }
        timer
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no bytes of its answer")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, pieces);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_write_that_nobody_takes_ends_and_any_byte_taken_starts_the_time_anew() {
        let (ours, mut theirs) = duplex(8);
        let mut ours = Patient::new(ours, LIMIT);
        let start = Instant::now();
        let writing = async {
            let failed = ours.write_all(&[0; 80]).await.unwrap_err();
            (failed.kind(), start.elapsed())
        };
        // Slow, but it takes: 8 bytes every 20 s, then never again.
        let reading = async {
            for _ in 0..3 {
                sleep(Duration::from_secs(20)).await;
                theirs.read_exact(&mut [0; 8]).await.unwrap();
            }
            sleep(Duration::from_secs(600)).await;
        };
        let ((kind, after), ()) = tokio::join!(writing, reading);
        assert_eq!((kind, after), (io::ErrorKind::TimedOut, Duration::from_secs(90)));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_between_writes_is_no_wait() {
        let (ours, mut theirs) = duplex(8);
        let mut ours = Patient::new(ours, LIMIT);
        for _ in 0..3 {
            ours.write_all(&[0; 8]).await.unwrap();
            ours.flush().await.unwrap();
            sleep(Duration::from_secs(600)).await;
            theirs.read_exact(&mut [0; 8]).await.unwrap();
        }
    }
}
