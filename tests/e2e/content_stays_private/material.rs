//! What is said in these tests: bodies of AWS's documentation, of the adapters' fixtures, and of AWS's service model.

use std::path::Path;

use serde_json::{Value, json};

/// Events of a stream, by name.
pub(super) type Events = Vec<(String, Value)>;

/// A conversation as one family's fixtures have it.
pub(super) struct Exchange {
    pub(super) family: &'static str,
    pub(super) model: &'static str,
    /// A request of Converse.
    pub(super) request: Option<Value>,
    /// The native body that it becomes.
    pub(super) native: Option<Value>,
    /// A whole native reply.
    pub(super) reply: Option<Value>,
    /// The chunks of a native stream.
    pub(super) chunks: Vec<Value>,
}

/// Every family with a native adapter, and a model of it.
pub(super) const FAMILIES: [(&str, &str); 3] = [
    ("claude", crate::stage::CLAUDE),
    ("nova", crate::stage::NOVA),
    ("titan", "amazon.titan-text-express-v1"),
];

/// Every fixture of every family.
pub(super) fn exchanges() -> Vec<Exchange> {
    let mut exchanges = Vec::new();
    for (family, model) in FAMILIES {
        let fixtures =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("adapters/src").join(family).join("fixtures");
        let mut folders: Vec<_> =
            std::fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        exchanges.extend(folders.iter().map(|folder| Exchange {
            family,
            model,
            request: read(folder, "request.json").pop(),
            native: read(folder, "wire.json").pop(),
            reply: read(folder, "reply.json").pop(),
            chunks: read(folder, "stream.jsonl"),
        }));
    }
    assert!(exchanges.len() > 50, "{} fixtures", exchanges.len());
    exchanges
}

/// The JSON values of a file; none where it is missing or no JSON on purpose.
fn read(folder: &Path, file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
    let values: Result<Vec<_>, _> = serde_json::Deserializer::from_str(&text).into_iter().collect();
    values.unwrap_or_default()
}

/// The bodies that are written after AWS's documentation.
pub(super) fn documented() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/aws_json");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()).collect()
}

/// A short reply of Converse, as the events of its stream.
pub(super) fn events(text: &str) -> Events {
    let usage = json!({"inputTokens": 1, "outputTokens": 1, "totalTokens": 2});
    let events = [
        ("messageStart", json!({"role": "assistant"})),
        ("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"text": text}})),
        ("contentBlockStop", json!({"contentBlockIndex": 0})),
        ("messageStop", json!({"stopReason": "end_turn"})),
        ("metadata", json!({"usage": usage, "metrics": {"latencyMs": 1}})),
    ];
    events.map(|(name, payload)| (name.to_owned(), payload)).to_vec()
}

/// The same of a native stream.
pub(super) fn chunks(chunks: &[Value]) -> Events {
    chunks.iter().map(|chunk| ("chunk".to_owned(), chunk.clone())).collect()
}
