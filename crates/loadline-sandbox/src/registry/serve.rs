//! Serving a router on a listener: with connections that a fault can reset, and an end that comes.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// How long requests under way may take after the end was asked for.
const GRACE: Duration = Duration::from_secs(5);

/// Serves until `shutdown` is done, then lets requests under way finish, but not for more than five
/// seconds.
///
/// # Errors
///
/// What the listener's socket says when it fails for good.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (soft, hard) = (CancellationToken::new(), CancellationToken::new());
    // Whoever drops this future ends the connections too.
    let _end = hard.clone().drop_guard();
    let asked = soft.clone();
    let server = axum::serve(
        Tapped { listener, hard: hard.clone() },
        router.into_make_service_with_connect_info::<Connection>(),
    )
    .with_graceful_shutdown(async move {
        shutdown.await;
        asked.cancel();
    });
    let over = async {
        soft.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        done = server.into_future() => done,
        () = over => Ok(()),
    }
}

/// The connection that a request came by.
#[derive(Debug, Clone)]
pub struct Connection(Arc<AtomicBool>);

impl Connection {
    /// Breaks the connection with a TCP reset as soon as it is touched again.
    pub(super) fn reset(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Connected<IncomingStream<'_, Tapped>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Tapped>) -> Self {
        Self(Arc::clone(&stream.io().reset))
    }
}

struct Tapped {
    listener: TcpListener,
    hard: CancellationToken,
}

impl Listener for Tapped {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Stream, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // A latency setting: without it the answers still come.
        let _ = stream.set_nodelay(true);
        let over = Box::pin(self.hard.clone().cancelled_owned());
        (Stream { stream, reset: Arc::default(), over }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

struct Stream {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
    over: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Stream {
    fn broken(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.reset.load(Ordering::Acquire) || self.over.as_mut().poll(cx).is_ready() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Acquire) {
            // Without it the close is an ordinary one; the client still gets no complete answer.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.broken(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.broken(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.broken(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
