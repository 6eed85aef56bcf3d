//! A proxy that makes a distance: what goes through it takes half a round trip each way, and a new connection a
//! whole one, as over a network.
//!
//!     delay LISTEN TARGET ROUND-TRIP-MS
//!
//! It says `ready` when it listens, and a line with the connections and requests so far whenever its standard
//! input has one. Requests are counted by their first lines (`GET /… HTTP/1.1`).

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a program of its own, which measures")]

use std::error::Error;
use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    requests: AtomicU64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, target, milliseconds] = arguments.as_slice() else {
        return Err("usage: delay LISTEN TARGET ROUND-TRIP-MS".into());
    };
    let round_trip = Duration::from_millis(milliseconds.parse()?);
    let listener = TcpListener::bind(listen).await?;
    let counts = Arc::new(Counts::default());
    let told = Arc::clone(&counts);
    std::thread::spawn(move || {
        for _ in std::io::stdin().lock().lines() {
            let (connections, requests) =
                (told.connections.swap(0, Ordering::SeqCst), told.requests.swap(0, Ordering::SeqCst));
            println!("{{\"connections\": {connections}, \"requests\": {requests}}}");
        }
    });
    println!("ready");
    loop {
        let (client, _) = listener.accept().await?;
        counts.connections.fetch_add(1, Ordering::SeqCst);
        let (target, counts) = (target.clone(), Arc::clone(&counts));
        tokio::spawn(async move {
            // The handshake goes there and back before anything is sent.
            sleep(round_trip).await;
            let Ok(server) = TcpStream::connect(&target).await else { return };
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let (client_in, client_out) = client.into_split();
            let (server_in, server_out) = server.into_split();
            tokio::join!(
                carry(client_in, server_out, round_trip / 2, Some(&counts)),
                carry(server_in, client_out, round_trip / 2, None)
            );
        });
    }
}

/// Carries bytes one way, each piece for as long as the way takes, however many are on it.
async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    way: Duration,
    counts: Option<&Counts>,
) {
    let (send, mut receive) = mpsc::channel::<(Instant, Vec<u8>)>(1024);
    let read = async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(size @ 1..) = from.read(&mut buffer).await {
            let piece = buffer[..size].to_vec();
            if let Some(counts) = counts {
                let found = piece.windows(9).filter(|part| part == b" HTTP/1.1").count() as u64;
                counts.requests.fetch_add(found, Ordering::SeqCst);
            }
            if send.send((Instant::now() + way, piece)).await.is_err() {
                break;
            }
        }
    };
    let write = async move {
        while let Some((at, piece)) = receive.recv().await {
            sleep_until(at).await;
            if to.write_all(&piece).await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}
