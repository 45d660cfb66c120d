//! Golden files: events as lines, replies as indented JSON.

use std::fmt::Write as _;
use std::path::Path;

use bedrock_inference_adapters::contract::Event;
use bedrock_inference_proto::codec::{self, Shape};
use bedrock_inference_proto::v1::Warning;

/// One event, as its name and AWS's JSON where that can say it.
pub(crate) fn line(event: &Event) -> String {
    fn body<T: Shape + std::fmt::Debug>(message: &T) -> String {
        codec::write(message).map_or_else(|_| format!("{message:?}"), |json| String::from_utf8(json).unwrap())
    }
    let body = match event {
        Event::MessageStart(event) => body(event),
        Event::ContentBlockStart(event) => body(event),
        Event::ContentBlockDelta(event) => body(event),
        Event::ContentBlockStop(event) => body(event),
        Event::Block { index, block } => format!("{index} {}", body(block.as_ref())),
        Event::MessageStop(event) => body(event.as_ref()),
        Event::Metadata(event) => body(event.as_ref()),
        Event::Warning(warning) => format!("{:?} at {}", warning.kind(), warning.path),
        other => format!("{other:?}"),
    };
    format!("{} {body}", event.name())
}

/// One warning of a folded reply.
pub(crate) fn warning(warning: &Warning) -> String {
    format!("warning {:?} at {}\n", warning.kind(), warning.path)
}

/// Compares with a golden file; `None` stands for no file.
#[track_caller]
pub(crate) fn check(path: &Path, found: Option<String>) {
    if std::env::var_os("BLESS").is_some() {
        match &found {
            Some(text) => std::fs::write(path, text).unwrap(),
            None => drop(std::fs::remove_file(path)),
        }
    }
    assert_eq!(found, std::fs::read_to_string(path).ok(), "{}", path.display());
}

/// Indents without touching a number: a `serde_json::Value` would round.
pub(crate) fn pretty(json: &[u8]) -> String {
    let (mut text, mut depth, mut quoted, mut escaped) = (String::new(), 0, false, false);
    let mut letters = std::str::from_utf8(json).unwrap().chars().peekable();
    while let Some(letter) = letters.next() {
        text.push(letter);
        quoted ^= letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
        let next = letters.peek().copied().unwrap_or_default();
        let closes = matches!(next, '}' | ']');
        let opens = matches!(letter, '{' | '[') && !closes;
        if !quoted && (opens || letter == ',' || closes && !matches!(letter, '{' | '[')) {
            depth = if opens { depth + 1 } else { depth - usize::from(closes) };
            write!(text, "\n{}", "  ".repeat(depth)).unwrap();
        } else if !quoted && letter == ':' {
            text.push(' ');
        }
    }
    text + "\n"
}
