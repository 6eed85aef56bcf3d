//! Running: threads that read, one that waits, and a loop with a deadline.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::environment::{Environment, is_executable};
use crate::error::ProcessError;
use crate::invocation::Invocation;
use crate::mask::Mask;
use crate::output::{Output, Stream, tail};

/// Between asking a process group to end and ending it.
const GRACE: Duration = Duration::from_secs(2);
/// How long output is waited for after the program ended and its group was killed: only a process that
/// left the group can still hold the pipes.
const DRAIN: Duration = Duration::from_millis(500);
/// How often an interrupt is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// The longest line that is handed over whole; the rest of a longer one is dropped from the lines.
const LONGEST_LINE: usize = 1 << 20;
/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// Asks a running program to stop, from another thread. Clones speak of the same run.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Not interrupted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks whatever runs with this to stop.
    pub fn interrupt(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to stop.
    pub fn is_interrupted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

enum Event {
    Bytes(Stream, Vec<u8>),
    Closed,
    Exited,
}

/// Why the loop stopped before the program's end.
enum Stop {
    TimedOut,
    Interrupted,
    TooLarge,
    Waiting(io::Error),
}

pub(crate) fn run(
    invocation: &Invocation,
    parent: &Environment,
    interrupt: Option<&Interrupt>,
    line: &mut dyn FnMut(Stream, &str),
) -> Result<Output, ProcessError> {
    let program = invocation.program.clone();
    let mask = Mask::new(&invocation.secrets);
    let mut child = spawn(invocation, parent)?;
    let pid = Pid::from_child(&child);
    let events = watch(&mut child, invocation.stdin.clone(), pid);
    let mut sink = Sink {
        mask: &mask,
        limit: invocation.output_limit,
        stdout: Vec::new(),
        stderr: Vec::new(),
        lines: [Line::default(), Line::default()],
        line,
    };

    let stopped = follow(&events, invocation.time_limit, interrupt, &mut sink);
    if let Err(stop) = &stopped
        && !matches!(stop, Stop::TooLarge)
    {
        // It is asked first: a build that is told to end can still cancel what runs elsewhere.
        let _ = kill_process_group(pid, Signal::TERM);
        let _ = follow(&events, GRACE, None, &mut sink);
    }
    // The program is not reaped yet, so its id cannot have passed to another. What it left running in its
    // group ends with it.
    let _ = kill_process_group(pid, Signal::KILL);
    drain(&events, &mut sink);
    let status = child.wait().map_err(|source| ProcessError::Io { program: program.clone(), source })?;
    sink.finish();

    let Sink { stdout, stderr, .. } = sink;
    match stopped {
        Ok(()) => Ok(Output { program, status, stdout: mask.bytes(stdout), stderr }),
        Err(Stop::TimedOut) => {
            Err(ProcessError::TimedOut { program, limit: invocation.time_limit, stderr: tail(&stderr) })
        }
        Err(Stop::Interrupted) => Err(ProcessError::Interrupted { program }),
        Err(Stop::TooLarge) => Err(ProcessError::OutputTooLarge {
            program,
            stream: Stream::Stdout,
            limit: invocation.output_limit,
        }),
        Err(Stop::Waiting(source)) => Err(ProcessError::Io { program, source }),
    }
}

fn spawn(invocation: &Invocation, parent: &Environment) -> Result<Child, ProcessError> {
    let mut command = command(invocation, parent)?;
    command
        .stdin(if invocation.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    start(command, &invocation.program)
}

/// The program with its arguments, directory and environment, in a process group of its own.
pub(crate) fn command(invocation: &Invocation, parent: &Environment) -> Result<Command, ProcessError> {
    let program = invocation.program.clone();
    if !invocation.directory.is_dir() {
        return Err(ProcessError::Directory { program, directory: invocation.directory.clone() });
    }
    let environment = invocation.environment(parent);
    let Some(file) = locate(&invocation.program, &invocation.directory, &environment) else {
        return Err(ProcessError::NotFound { program, hint: invocation.hint.clone() });
    };
    // The one place in the workspace where a program is started.
    #[allow(clippy::disallowed_methods)]
    let mut command = Command::new(file);
    command
        .args(&invocation.args)
        .current_dir(&invocation.directory)
        .env_clear()
        .envs(environment.names().filter_map(|name| Some((name, environment.get_os(name.to_str()?)?))))
        .process_group(0);
    Ok(command)
}

pub(crate) fn start(mut command: Command, program: &str) -> Result<Child, ProcessError> {
    // A file that another thread wrote a moment ago may still be open for writing in a child that this
    // process forked meanwhile; it closes within milliseconds.
    let mut tries = 0;
    loop {
        match command.spawn() {
            Ok(child) => return Ok(child),
            Err(source) if source.kind() == io::ErrorKind::ExecutableFileBusy && tries < 50 => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(source) => return Err(ProcessError::Io { program: program.to_owned(), source }),
        }
    }
}

fn locate(program: &str, directory: &Path, environment: &Environment) -> Option<PathBuf> {
    if program.contains('/') {
        let file = std::path::absolute(directory.join(program)).ok()?;
        is_executable(&file).then_some(file)
    } else {
        environment.find_program(program)
    }
}

/// Starts the threads that read both streams, write the input and wait for the end. They end by themselves
/// when the receiver is dropped and the pipes are closed.
fn watch(child: &mut Child, stdin: Option<Vec<u8>>, pid: Pid) -> Receiver<Event> {
    let (sender, receiver) = sync_channel(16);
    if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), stdin) {
        // A program may end without reading its input: that is its business.
        std::thread::spawn(move || pipe.write_all(&bytes));
    }
    if let Some(pipe) = child.stdout.take() {
        let sender = sender.clone();
        std::thread::spawn(move || pump(pipe, Stream::Stdout, &sender));
    }
    if let Some(pipe) = child.stderr.take() {
        let sender = sender.clone();
        std::thread::spawn(move || pump(pipe, Stream::Stderr, &sender));
    }
    std::thread::spawn(move || {
        // Without reaping, so that the group's id stays taken until it has been ended.
        while let Err(error) = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            if error != rustix::io::Errno::INTR {
                break;
            }
        }
        let _ = sender.send(Event::Exited);
    });
    receiver
}

fn pump(mut pipe: impl Read, stream: Stream, sender: &SyncSender<Event>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                if sender.send(Event::Bytes(stream, buffer[..n].to_vec())).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    let _ = sender.send(Event::Closed);
}

/// Takes in what the program prints until it ends, or a bound is hit.
fn follow(
    events: &Receiver<Event>,
    limit: Duration,
    interrupt: Option<&Interrupt>,
    sink: &mut Sink<'_>,
) -> Result<(), Stop> {
    // A limit too large for the clock is no limit.
    let deadline = Instant::now().checked_add(limit);
    loop {
        if interrupt.is_some_and(Interrupt::is_interrupted) {
            return Err(Stop::Interrupted);
        }
        let left = deadline.map_or(LOOK, |deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Err(Stop::TimedOut);
        }
        let wait = if interrupt.is_some() { left.min(LOOK) } else { left };
        match events.recv_timeout(wait) {
            Ok(Event::Bytes(stream, bytes)) => sink.take(stream, &bytes)?,
            Ok(Event::Closed) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Event::Exited) => return Ok(()),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Stop::Waiting(io::Error::other("lost sight of the program")));
            }
        }
    }
}

/// Takes in what is left in the pipes.
fn drain(events: &Receiver<Event>, sink: &mut Sink<'_>) {
    let deadline = Instant::now() + DRAIN;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match events.recv_timeout(left) {
            Ok(Event::Bytes(stream, bytes)) => {
                if sink.take(stream, &bytes).is_err() {
                    return;
                }
            }
            Ok(_) => {}
            // All senders are gone when both pipes are closed.
            Err(_) => return,
        }
    }
}

#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    cut: bool,
}

struct Sink<'a> {
    mask: &'a Mask,
    limit: usize,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    lines: [Line; 2],
    line: &'a mut dyn FnMut(Stream, &str),
}

impl Sink<'_> {
    fn take(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), Stop> {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let line = &mut self.lines[stream as usize];
            let room = (LONGEST_LINE + self.mask.longest()).saturating_sub(line.bytes.len());
            line.cut |= piece.len() > room;
            line.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.end_line(stream);
            }
        }
        if stream == Stream::Stdout {
            self.stdout.extend_from_slice(bytes);
            if self.stdout.len() > self.limit {
                return Err(Stop::TooLarge);
            }
        }
        Ok(())
    }

    fn end_line(&mut self, stream: Stream) {
        let Line { mut bytes, cut } = std::mem::take(&mut self.lines[stream as usize]);
        if cut {
            // What is left of a secret that the cut went through must not show.
            bytes = self.mask.bytes(bytes);
            bytes.truncate(LONGEST_LINE.min(bytes.len().saturating_sub(self.mask.longest())));
            bytes.extend_from_slice(b" [cut]\n");
        } else {
            bytes = self.mask.bytes(bytes);
        }
        if stream == Stream::Stderr {
            // What is kept is the end of what was printed, made of masked lines: a cut cannot bare a secret.
            self.stderr.extend_from_slice(&bytes);
            if self.stderr.len() > self.limit.saturating_mul(2) {
                self.stderr.drain(..self.stderr.len() - self.limit);
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        (self.line)(stream, text.strip_suffix('\r').unwrap_or(text));
    }

    fn finish(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !self.lines[stream as usize].bytes.is_empty() {
                self.end_line(stream);
            }
        }
        let over = self.stderr.len().saturating_sub(self.limit);
        self.stderr.drain(..over);
    }
}
