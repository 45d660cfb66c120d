//! The built program as a child process, in an environment that knows nothing of AWS.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

/// Longer than any command takes, also on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// The program with these arguments. Nothing of the surrounding environment reaches it.
pub fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bedrock-inference"));
    command
        .args(arguments)
        .env_clear()
        .env("HOME", env!("CARGO_TARGET_TMPDIR"))
        // Each has a ledger of its own.
        .env("BEDROCK_INFERENCE_LEDGER__URL", "temporary")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/nonexistent/config")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Finished {
    let child = command.spawn().unwrap();
    let (ended, watched) = mpsc::channel::<()>();
    let id = child.id();
    let watch = thread::spawn(move || {
        if watched.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
            signal(id, "KILL");
        }
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    watch.join().unwrap();
    output.into()
}

/// How a command ended.
#[derive(Debug)]
pub struct Finished {
    /// `None` where a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Finished {
    /// Standard output of a command that must have succeeded.
    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// Standard error of a command that must have succeeded.
    #[track_caller]
    pub fn good_and_told(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stderr
    }

    /// Standard error of a command that must have ended with this code.
    #[track_caller]
    pub fn bad(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.stderr
    }
}

/// A command that runs until it is told to stop, killed when dropped.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    /// What it said up to its address.
    greeting: Vec<String>,
    pub addr: SocketAddr,
}

impl Running {
    /// Starts a command, and waits for the line that says where it listens.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        forward(child.stderr.take().unwrap(), sender.clone());
        forward(child.stdout.take().unwrap(), sender);
        let mut greeting = Vec::new();
        let addr = loop {
            match lines.recv_timeout(LIMIT) {
                Ok(line) => {
                    let found = line.split_once("listens on ").map(|(_, rest)| rest.to_owned());
                    greeting.push(line);
                    if let Some(found) = found {
                        break address(&found);
                    }
                }
                Err(_) => {
                    child.kill().unwrap();
                    panic!("it never said where it listens: {greeting:?}");
                }
            }
        };
        Self { child, lines, greeting, addr }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Waits for a line that holds this text.
    pub fn says(&self, text: &str) -> String {
        self.says_one_of(&[text])
    }

    /// Waits for a line that holds one of these texts. Standard output and standard error have no common order, so
    /// it may have come before the address.
    pub fn says_one_of(&self, texts: &[&str]) -> String {
        let holds = |line: &str| texts.iter().any(|text| line.contains(text));
        if let Some(line) = self.greeting.iter().find(|line| holds(line)) {
            return line.clone();
        }
        loop {
            let line = self.lines.recv_timeout(LIMIT);
            let line = line.unwrap_or_else(|_| panic!("it never said {texts:?}"));
            if holds(&line) {
                return line;
            }
        }
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal, and waits for the exit code; `None` where the signal ended it.
    pub fn stop(self, name: &str) -> Option<i32> {
        self.stop_and_tell(name).0
    }

    /// The same, with every line that nobody has waited for.
    pub fn stop_and_tell(mut self, name: &str) -> (Option<i32>, Vec<String>) {
        signal(self.child.id(), name);
        let (code, ended) = mpsc::channel();
        let code = thread::scope(|scope| {
            let id = self.child.id();
            scope.spawn(move || {
                if ended.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                    signal(id, "KILL");
                }
            });
            let status = self.child.wait().unwrap();
            code.send(()).unwrap();
            status.code()
        });
        let mut told = std::mem::take(&mut self.greeting);
        told.extend(self.lines.iter());
        (code, told)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(text: &str) -> SocketAddr {
    let text = text.trim_start_matches("http://");
    let end = text.find(|c: char| c != '.' && c != ':' && !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().unwrap()
}

fn forward(from: impl Read + Send + 'static, to: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if to.send(line).is_err() {
                return;
            }
        }
    });
}

fn signal(process: u32, name: &str) {
    let kill = format!("kill -{name} {process}");
    assert!(Command::new("/bin/sh").args(["-c", &kill]).status().unwrap().success());
}

/// A file of this content, under a name of its own.
pub fn file(name: &str, content: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", uuid::Uuid::new_v4()));
    std::fs::write(&path, content).unwrap();
    path
}

/// A service on the built-in emulator, on a free port.
pub fn serve() -> Running {
    Running::start(&mut program(&["serve", "--upstream", "emulator", "--listen", "127.0.0.1:0"]))
}
