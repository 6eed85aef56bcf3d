//! One line a request, handed to whoever wants it. Libraries do not print.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What is known of a request when its answer's head is ready.
#[derive(Debug, Clone)]
pub struct RequestLine {
    /// The method.
    pub method: String,
    /// Path and query as the client sent them. They carry no secret: credentials come in a header.
    pub path: String,
    /// The status, 0 where the connection is reset without one.
    pub status: u16,
    /// The length of the answer's body, where it is known.
    pub bytes: Option<u64>,
    /// From the request's head to the answer's.
    pub took: Duration,
    /// Why it was refused.
    pub reason: Option<String>,
    /// The fault that was injected, as it was written.
    pub fault: Option<String>,
}

impl fmt::Display for RequestLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.method, self.path, self.status)?;
        match self.bytes {
            Some(bytes) => write!(f, " {bytes} B")?,
            None => write!(f, " - B")?,
        }
        write!(f, " {:.1} ms", self.took.as_secs_f64() * 1000.0)?;
        if let Some(fault) = &self.fault {
            write!(f, " [fault {fault}]")?;
        }
        if let Some(reason) = &self.reason {
            write!(f, " {}", reason.replace(['\r', '\n'], " "))?;
        }
        Ok(())
    }
}

/// Takes the lines; called from the request's task, so it must not wait.
#[derive(Clone)]
pub struct Log(Arc<dyn Fn(&RequestLine) + Send + Sync>);

impl Log {
    /// A log that calls this for every request.
    pub fn new(hook: impl Fn(&RequestLine) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }

    pub(super) fn line(&self, line: &RequestLine) {
        (self.0)(line);
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Log")
    }
}
