//! Images, documents and search results.

use std::borrow::Cow;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use bedrock_inference_proto::v1::{
    CitationsConfig, DocumentBlock, DocumentContentBlock, DocumentSource, ImageBlock, SearchResultBlock,
    document_content_block, document_source, image_source,
};
use serde::{Serialize, Serializer};

use super::blocks::Kind;
use super::place::Place;
use crate::contract::CONVERSE_ONLY;
use crate::contract::Refusals;

/// Where an image or a document is.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Source<'r> {
    Base64 { media_type: Cow<'r, str>, data: Base64<'r> },
    Text { media_type: &'static str, data: &'r str },
    Content { content: Vec<Kind<'r>> },
}

/// Bytes that are written as base64.
pub(super) struct Base64<'r>(pub(super) &'r [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

/// Whether the model is to cite.
#[derive(Serialize)]
pub(super) struct Citing {
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
}

impl Citing {
    fn of(config: Option<&CitationsConfig>) -> Option<Self> {
        config.map(|config| Self { enabled: config.enabled })
    }
}

pub(super) fn image<'r>(image: &'r ImageBlock, place: &Place<'_>, refusals: &mut Refusals) -> Kind<'r> {
    refusals.refuse_if(image.error.is_some(), &place.member("error").to_string(), CONVERSE_ONLY);
    let place = place.member("source");
    match image.source.as_ref().and_then(|source| source.kind.as_ref()) {
        Some(image_source::Kind::Bytes(bytes)) => {
            let media_type = format!("image/{}", image.format.as_deref().unwrap_or_default());
            Kind::Image { source: Source::Base64 { media_type: media_type.into(), data: Base64(bytes) } }
        }
        Some(image_source::Kind::S3Location(_)) => place.member("s3Location").refuse(CONVERSE_ONLY, refusals),
        None => place.refuse("has no member set, where one is needed", refusals),
    }
}

pub(super) fn document<'r>(
    document: &'r DocumentBlock,
    place: &Place<'_>,
    refusals: &mut Refusals,
) -> Kind<'r> {
    let format = document.format.as_deref();
    let Some(source) = &document.source else {
        return place.member("source").refuse("is needed", refusals);
    };
    let cited = document.citations.as_ref().and_then(|citations| citations.enabled) == Some(true);
    match document_source(source, format, cited, place) {
        Ok(source) => Kind::Document {
            source,
            title: document.name.as_deref(),
            context: document.context.as_deref(),
            citations: Citing::of(document.citations.as_ref()),
        },
        Err((path, description)) => {
            refusals.refuse(path, description);
            Kind::text("")
        }
    }
}

/// PDFs travel as bytes and plain text as text; other formats only Converse can open.
///
/// Converse extracts the text of a PDF that is not to be cited; InvokeModel always looks at its pages too, which
/// costs several times the tokens. Only with citations are both the same.
fn document_source<'r>(
    source: &'r DocumentSource,
    format: Option<&str>,
    cited: bool,
    place: &Place<'_>,
) -> Result<Source<'r>, (String, &'static str)> {
    use document_source::Kind;
    let at = place.member("source");
    let refuse = |name, description| Err((at.member(name).to_string(), description));
    let is_text = matches!(format, None | Some("txt" | "md"));
    match (&source.kind, source.content.as_slice()) {
        (Some(_), [_, ..]) => Err((at.to_string(), "has two members set, where one is needed")),
        (Some(Kind::S3Location(_)), _) => refuse("s3Location", CONVERSE_ONLY),
        (Some(Kind::Bytes(_)), _) if format == Some("pdf") && !cited => Err((
            place.member("citations").to_string(),
            "is not enabled, without which Converse reads a PDF otherwise",
        )),
        (Some(Kind::Bytes(bytes)), _) if format == Some("pdf") => {
            Ok(Source::Base64 { media_type: "application/pdf".into(), data: Base64(bytes) })
        }
        _ if !is_text => {
            Err((place.member("format").to_string(), "is neither pdf with bytes nor a text format"))
        }
        (Some(Kind::Bytes(_)), _) if format.is_none() => {
            Err((place.member("format").to_string(), "is needed beside bytes"))
        }
        (Some(Kind::Bytes(bytes)), _) => match std::str::from_utf8(bytes) {
            Ok(data) => Ok(Source::Text { media_type: "text/plain", data }),
            Err(_) => refuse("bytes", "is not UTF-8"),
        },
        (Some(Kind::Text(data)), _) => Ok(Source::Text { media_type: "text/plain", data }),
        (None, content) => content_source(content, &at),
    }
}

/// A document in chunks of the caller's own making.
fn content_source<'r>(
    content: &'r [DocumentContentBlock],
    place: &Place<'_>,
) -> Result<Source<'r>, (String, &'static str)> {
    let list = place.member("content");
    let chunk = |(index, chunk): (usize, &'r DocumentContentBlock)| match &chunk.kind {
        Some(document_content_block::Kind::Text(text)) => Ok(Kind::text(text)),
        None => Err((list.index(index).to_string(), "has no member set, where one is needed")),
    };
    let content = content.iter().enumerate().map(chunk).collect::<Result<_, _>>()?;
    Ok(Source::Content { content })
}

pub(super) fn search_result(result: &SearchResultBlock) -> Kind<'_> {
    let passages = result.content.iter();
    Kind::SearchResult {
        source: result.source.as_deref(),
        title: result.title.as_deref(),
        content: passages.map(|passage| Kind::text(passage.text.as_deref().unwrap_or_default())).collect(),
        citations: Citing::of(result.citations.as_ref()),
    }
}
