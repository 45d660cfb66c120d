//! One case: its files, and what the family's adapter makes of them.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use bedrock_inference_adapters::FAMILIES;
use bedrock_inference_adapters::contract::{
    AdapterError, ConverseCall, Encoded, Event, Family, Fold, Grammar, InvokeHeaders, Mode, Model, Piece,
    ReplyHead, Wire,
};
use bedrock_inference_proto::codec;
use bedrock_inference_proto::v1::{ConverseResponse, ConverseStreamRequest, TokenUsage, Warning};
use bytes::Bytes;
use serde_json::Value;

use crate::golden;

/// A request that every model takes.
const HI: &str = r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}]}"#;

/// A folder of fixtures.
pub(crate) struct Case {
    pub(crate) family: Family,
    pub(crate) name: String,
    folder: PathBuf,
    model: Model,
}

/// What came of one form of a reply.
pub(crate) struct Outcome {
    pub(crate) events: Vec<Event>,
    /// The events and how they ended, one a line.
    pub(crate) lines: String,
    /// The folded reply, where the events are complete.
    pub(crate) folded: Option<ConverseResponse>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) error: Option<AdapterError>,
    /// What the meter counted of the same pieces.
    pub(crate) metered: Option<TokenUsage>,
    pub(crate) meter_is_complete: bool,
}

/// Every case of every family, in order.
pub(crate) fn cases() -> Vec<Case> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut cases = Vec::new();
    for family in FAMILIES {
        let folder = source.join(family.adapter.family()).join("fixtures");
        let Ok(folders) = std::fs::read_dir(folder) else { continue };
        let models = family.read_models().unwrap();
        let mut folders: Vec<_> = folders.map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        cases.extend(folders.into_iter().map(|folder| {
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            Case { family: *family, name, model: model(*family, &models, &folder), folder }
        }));
    }
    cases
}

/// The model of the case's request, or else a usual one of the family.
fn model(family: Family, models: &[Model], folder: &Path) -> Model {
    let request = std::fs::read(folder.join("request.json")).ok();
    let request: Option<Value> = request.map(|request| serde_json::from_slice(&request).unwrap());
    let id = request.as_ref().map(|request| request["modelId"].as_str().expect("a modelId"));
    let id = id.unwrap_or(match family.adapter.family() {
        "claude" => "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "nova" => "amazon.nova-pro-v1:0",
        _ => "amazon.titan-text-express-v1",
    });
    let named = |model: &&Model| model.id == id || model.profile_ids().any(|profile| profile == id);
    models
        .iter()
        .find(named)
        .unwrap_or_else(|| panic!("{}: no model is called {id}", folder.display()))
        .clone()
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.family.adapter.family(), self.name)
    }
}

impl Case {
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    pub(crate) fn has(&self, file: &str) -> bool {
        self.path(file).exists()
    }

    pub(crate) fn text(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(self.path(file)).ok()
    }

    fn json(&self, file: &str) -> Option<Value> {
        self.text(file)
            .map(|text| serde_json::from_str(&text).unwrap_or_else(|error| panic!("{self}: {error}")))
    }

    /// The request, or one that only says hi.
    fn request(&self) -> ConverseStreamRequest {
        let body = self.text("request.json").unwrap_or_else(|| HI.to_owned());
        let request = codec::read::<ConverseStreamRequest>(body.as_bytes());
        let request = request.unwrap_or_else(|error| panic!("{self}: {error}"));
        assert!(request.unknown.iter().all(|path| path == "modelId"), "{self}: {:?}", request.unknown);
        request.value
    }

    fn encoded(&self, mode: Mode, request: ConverseStreamRequest) -> Result<Encoded, AdapterError> {
        self.family.adapter.encode(&self.model, &ConverseCall { request, mode })
    }

    /// What goes upstream.
    pub(crate) fn encode(&self, mode: Mode) -> Result<Wire, AdapterError> {
        self.encoded(mode, self.request()).map(|encoded| encoded.wire)
    }

    /// The headers that are expected.
    pub(crate) fn headers(&self) -> InvokeHeaders {
        let json = self.json("headers.json").unwrap_or_default();
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        InvokeHeaders {
            performance_config_latency: text("performance_config_latency"),
            service_tier: text("service_tier"),
            request_metadata: text("request_metadata"),
            ..InvokeHeaders::default()
        }
    }

    /// Each form of the reply that is there.
    pub(crate) fn forms(&self) -> Vec<(&'static str, Outcome)> {
        let whole = self.text("reply.json").map(|body| ("reply", self.whole(&body)));
        let streamed = self.text("stream.jsonl").map(|lines| {
            let chunks: Vec<&str> = lines.lines().collect();
            ("stream", self.stream(&chunks))
        });
        whole.into_iter().chain(streamed).collect()
    }

    fn whole(&self, body: &str) -> Outcome {
        self.run(Mode::Unary, &self.head(), [Piece::Whole(Bytes::copy_from_slice(body.as_bytes()).into())])
    }

    /// The outcome of a stream of these chunks. Bedrock sends no counts ahead of a stream.
    pub(crate) fn stream(&self, chunks: &[&str]) -> Outcome {
        let ReplyHead { content_type, performance_config_latency, service_tier, .. } = self.head();
        let head =
            ReplyHead { content_type, performance_config_latency, service_tier, ..ReplyHead::default() };
        let payload = |chunk: &&str| Bytes::copy_from_slice(chunk.as_bytes());
        let frame = |chunk| Piece::Frame { event: "chunk", payload: payload(chunk).into() };
        self.run(Mode::Stream, &head, chunks.iter().map(frame))
    }

    fn head(&self) -> ReplyHead {
        let json = self.json("head.json").unwrap_or_default();
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        let count = |name: &str| json[name].as_i64().map(|count| i32::try_from(count).unwrap());
        ReplyHead {
            content_type: text("content_type"),
            performance_config_latency: text("performance_config_latency"),
            service_tier: text("service_tier"),
            input_tokens: count("input_tokens"),
            output_tokens: count("output_tokens"),
            cache_read_input_tokens: count("cache_read_input_tokens"),
            cache_write_input_tokens: count("cache_write_input_tokens"),
            latency_ms: json["latency_ms"].as_i64(),
        }
    }

    fn run<'p>(
        &self,
        mode: Mode,
        head: &'p ReplyHead,
        pieces: impl IntoIterator<Item = Piece<'p>>,
    ) -> Outcome {
        let hi = codec::read::<ConverseStreamRequest>(HI.as_bytes()).unwrap().value;
        let mut decoder = self.encoded(mode, hi).unwrap().decoder;
        let mut meter = self.family.adapter.meter(&self.model);
        let mut events = Vec::new();
        let mut end = Ok(());
        for piece in [Piece::Head(head)].into_iter().chain(pieces) {
            meter.feed(&piece);
            end = end.and_then(|()| decoder.feed(piece, &mut events));
        }
        let (lines, end, fold, complete) = judge(&events, end);
        let (reply, warnings) = fold.finish();
        Outcome {
            events,
            lines: lines + &warnings.iter().map(golden::warning).collect::<String>(),
            folded: complete.then_some(reply),
            warnings,
            error: end.err(),
            metered: meter.usage(),
            meter_is_complete: meter.is_complete(),
        }
    }

    /// Every string of the replies that could be content, or of the model's making.
    pub(crate) fn content(&self) -> Vec<String> {
        let mut found = Vec::new();
        let lines = [self.text("reply.json"), self.text("stream.jsonl")].into_iter().flatten();
        let bodies: Vec<String> =
            lines.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        for body in bodies {
            strings(&serde_json::from_str(&body).unwrap_or_default(), &mut found);
        }
        found
    }
}

/// The events as lines, through grammar and fold.
fn judge(
    events: &[Event],
    mut end: Result<(), AdapterError>,
) -> (String, Result<(), AdapterError>, Fold, bool) {
    let (mut grammar, mut fold, mut lines) = (Grammar::default(), Fold::default(), String::new());
    for event in events {
        writeln!(lines, "{}", golden::line(event)).unwrap();
        end = end.and_then(|()| grammar.accept(event));
        fold.add(event.clone());
    }
    let complete = end.is_ok() && grammar.is_complete();
    match &end {
        Err(error) => writeln!(lines, "=> {:?}: {error}", error.kind).unwrap(),
        Ok(()) if complete => lines.push_str("=> complete\n"),
        Ok(()) => lines.push_str("=> incomplete\n"),
    }
    (lines, end, fold, complete)
}

/// Strings of six letters or more, but for those that only say of what type something is.
fn strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.len() >= 6 => found.push(text.clone()),
        Value::Array(entries) => entries.iter().for_each(|entry| strings(entry, found)),
        Value::Object(members) => {
            let told = members.iter().filter(|(name, _)| *name != "type");
            told.for_each(|(_, member)| strings(member, found));
        }
        _ => {}
    }
}
