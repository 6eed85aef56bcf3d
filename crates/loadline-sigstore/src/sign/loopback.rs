//! The address on this machine that a browser is sent back to (RFC 8252, section 7.3).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use loadline_core::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use url::form_urlencoded;

use crate::sign::error::said;

/// The path that the issuer sends the browser to.
const PATH: &str = "/auth/callback";
/// The largest request that is read: its line and its headers.
const REQUEST_LIMIT: usize = 8 << 10;
/// How many connections are held at once. Browsers open some that they never use.
const CONNECTIONS: usize = 8;
/// How long one connection may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server on 127.0.0.1, on a free port, for one callback.
pub(crate) struct Loopback {
    listener: TcpListener,
    redirect: String,
}

impl Loopback {
    pub(crate) async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let redirect = format!("http://{}{PATH}", listener.local_addr()?);
        Ok(Self { listener, redirect })
    }

    /// Where it listens.
    pub(crate) fn redirect(&self) -> &str {
        &self.redirect
    }

    /// Waits for the one callback. Its code where it brings this state along, else what is wrong with it.
    /// Whatever else asks here is turned away and changes nothing.
    pub(crate) async fn answer(self, state: &str) -> Result<Secret, String> {
        let state: Arc<str> = state.into();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                    Ok((stream, _)) => {
                        let state = Arc::clone(&state);
                        let one = async move { serve(stream, &state).await };
                        connections.spawn(tokio::time::timeout(PATIENCE, one));
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                },
                Some(served) = connections.join_next() => {
                    if let Ok(Ok(Some(answer))) = served {
                        return answer;
                    }
                }
            }
        }
    }
}

/// Answers one request; `None` where it was no callback.
async fn serve(mut stream: TcpStream, state: &str) -> Option<Result<Secret, String>> {
    let (status, text, answer) = match head(&mut stream).await {
        Ok(Some(head)) => judge(&head, state),
        Ok(None) => ("431 Request Header Fields Too Large", "This request is too large.", None),
        Err(_) => return None,
    };
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>loadline</title><p>{text}</p></html>\n"
    );
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\nContent-Security-Policy: default-src 'none'\r\nConnection: close\r\n\r\n{page}",
        page.len()
    );
    // The code counts even where the browser does not wait for its page.
    let _ = stream.write_all(response.as_bytes()).await;
    let _ = stream.shutdown().await;
    answer
}

/// A request's line and headers; `None` where they are larger than a request may be.
async fn head(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let mut limited = stream.take(REQUEST_LIMIT as u64);
    loop {
        if limited.read_buf(&mut bytes).await? == 0 {
            return if bytes.len() < REQUEST_LIMIT {
                Err(io::ErrorKind::UnexpectedEof.into())
            } else {
                Ok(None)
            };
        }
        if bytes.windows(4).any(|end| end == b"\r\n\r\n") {
            return Ok(Some(bytes));
        }
    }
}

type Judgement = (&'static str, &'static str, Option<Result<Secret, String>>);

/// The status and the page for a request, and what it means for the login.
fn judge(head: &[u8], state: &str) -> Judgement {
    let line = head.split(|byte| *byte == b'\r').next().and_then(|line| std::str::from_utf8(line).ok());
    let mut words = line.unwrap_or_default().split(' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    let (Some(method), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) =
        (method, target, version, words.next())
    else {
        return ("400 Bad Request", "This is no request.", None);
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path != PATH {
        return ("404 Not Found", "There is nothing here.", None);
    }
    if method != "GET" {
        return ("405 Method Not Allowed", "There is nothing to send here.", None);
    }
    let of = |name: &str| {
        let mut all = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
        // What is there twice could be read two ways.
        all.next().filter(|_| all.next().is_none()).map(|(_, value)| value.into_owned())
    };
    let refuse = |reason: String| {
        let page = "This login is refused. The terminal says why; close this page.";
        ("400 Bad Request", page, Some(Err(reason)))
    };
    let same = |got: String| verify_slices_are_equal(got.as_bytes(), state.as_bytes()).is_ok();
    let belongs = of("state").is_some_and(same);
    if !belongs {
        return refuse(
            "what came back does not belong to this login (another `state`): log in anew".to_owned(),
        );
    }
    if let Some(error) = of("error_description").or_else(|| of("error")) {
        return refuse(format!("the issuer refused: {}", said(&error.replace(char::is_control, " "))));
    }
    match of("code").filter(|code| !code.is_empty()) {
        Some(code) => {
            let page = "The login has come back. Close this page, and see the terminal.";
            ("200 OK", page, Some(Ok(Secret::new(code))))
        }
        None => refuse("what came back holds no code".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(request: &str) -> (&'static str, Option<Result<String, String>>) {
        let (status, _, answer) = judge(format!("{request}\r\nHost: x\r\n\r\n").as_bytes(), "s-1");
        (&status[..3], answer.map(|one| one.map(|code| code.expose().to_owned())))
    }

    #[test]
    fn one_callback_with_the_very_state_is_believed() {
        let (status, got) = answer("GET /auth/callback?code=a%2Fb&state=s-1 HTTP/1.1");
        assert_eq!((status, got), ("200", Some(Ok("a/b".to_owned()))));
        for query in
            ["code=a", "code=a&state=", "code=a&state=s-2", "code=a&state=s-1&state=s-1", "code=a&state=s-11"]
        {
            let (status, got) = answer(&format!("GET /auth/callback?{query} HTTP/1.1"));
            assert_eq!(status, "400");
            assert!(got.unwrap().unwrap_err().contains("`state`"), "{query}");
        }
        let (_, got) =
            answer("GET /auth/callback?state=s-1&error=denied&error_description=not%1b[31m+you HTTP/1.1");
        assert_eq!(got.unwrap().unwrap_err(), "the issuer refused: not [31m you");
        for query in ["state=s-1", "state=s-1&code=", "state=s-1&code=a&code=b"] {
            let (_, got) = answer(&format!("GET /auth/callback?{query} HTTP/1.1"));
            assert_eq!(got.unwrap().unwrap_err(), "what came back holds no code", "{query}");
        }
    }

    #[test]
    fn whatever_else_asks_changes_nothing() {
        for (request, status) in [
            ("GET /favicon.ico HTTP/1.1", "404"),
            ("GET /auth/callback/?code=a&state=s-1 HTTP/1.1", "404"),
            ("GET http://x/auth/callback?code=a&state=s-1 HTTP/1.1", "404"),
            ("POST /auth/callback?code=a&state=s-1 HTTP/1.1", "405"),
            ("GET /auth/callback?code=a&state=s-1", "400"),
            ("GET /auth/callback?code=a&state=s-1 HTTP/2.0", "400"),
            ("GET /auth/callback?code=a&state=s-1 x HTTP/1.1", "400"),
            ("", "400"),
        ] {
            assert_eq!(answer(request), (status, None), "{request}");
        }
    }

    #[tokio::test]
    async fn idle_and_endless_connections_do_not_stand_in_the_way() {
        let loopback = Loopback::bind().await.unwrap();
        let address = loopback.listener.local_addr().unwrap();
        let waiting = tokio::spawn(loopback.answer("s-1"));
        let _idle = TcpStream::connect(address).await.unwrap();
        let ask = |request: String| async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let endless = ask("x".repeat(REQUEST_LIMIT)).await;
        assert!(endless.starts_with("HTTP/1.1 431 "), "{endless}");
        let page = ask("GET /auth/callback?code=a&state=s-1 HTTP/1.1\r\n\r\n".to_owned()).await;
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("see the terminal"), "{page}");
        assert_eq!(waiting.await.unwrap().unwrap().expose(), "a");
    }
}
