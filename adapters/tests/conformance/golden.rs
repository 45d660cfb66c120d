//! Golden files: events as lines, replies as indented JSON.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use bedrock_inference_adapters::contract::Event;
use bedrock_inference_proto::FILE_DESCRIPTOR_SET;
use bedrock_inference_proto::codec::{self, Shape};
use bedrock_inference_proto::v1::Warning;
use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};

/// One event, as its name and AWS's JSON, or proto3 JSON where AWS's cannot say it.
pub(crate) fn line(event: &Event) -> String {
    fn body<T: Shape + Message>(message: &T) -> String {
        codec::write(message).map_or_else(|_| proto_json(message), |json| String::from_utf8(json).unwrap())
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

/// A message in proto3 JSON: messages do not print what they hold.
pub(crate) fn proto_json<T: Message>(message: &T) -> String {
    static POOL: LazyLock<DescriptorPool> =
        LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap());
    let (_, name) = std::any::type_name::<T>().rsplit_once(':').unwrap();
    let descriptor = POOL.get_message_by_name(&format!("bedrock.inference.v1.{name}")).unwrap();
    let mut said = DynamicMessage::new(descriptor);
    said.transcode_from(message).unwrap();
    serde_json::to_string(&said).unwrap()
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
