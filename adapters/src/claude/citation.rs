//! Reads a native citation.

use bedrock_inference_proto::v1::{
    CitationLocation, CitationSourceContentDelta, CitationsDelta, DocumentCharLocation,
    DocumentChunkLocation, DocumentPageLocation, SearchResultLocation, WebLocation, citation_location,
};

use super::decode::{identifier, required};
use crate::contract::{AdapterError, Event, Members, unknown_member};

/// A citation as Converse has it. A place in something that this version does not know becomes a warning.
///
/// # Errors
/// `Protocol` where a member is of the wrong type.
pub(super) fn read(
    mut citation: Members<'_>,
    events: &mut Vec<Event>,
) -> Result<CitationsDelta, AdapterError> {
    let kind: String = required(&mut citation, "type")?;
    let location = location(&kind, &mut citation)?;
    if location.is_none() {
        events.push(unknown_member(format!("citation.{}", identifier(&kind))));
    }
    let quoted = citation.take("cited_text")?;
    let title = citation.take("document_title")?.or(citation.take("title")?);
    let source = citation.take("source")?;
    // The encrypted index of a web page has no place in Converse.
    citation.warn(&["file_id", "encrypted_index"], events);
    Ok(CitationsDelta {
        title,
        source,
        source_content: quoted
            .map(|text| CitationSourceContentDelta { text: Some(text) })
            .into_iter()
            .collect(),
        location: location.map(|kind| CitationLocation { kind: Some(kind) }),
    })
}

fn location(kind: &str, citation: &mut Members<'_>) -> Result<Option<citation_location::Kind>, AdapterError> {
    use citation_location::Kind;
    let mut number = |name| citation.take(name);
    Ok(Some(match kind {
        "char_location" => Kind::DocumentChar(DocumentCharLocation {
            document_index: number("document_index")?,
            start: number("start_char_index")?,
            end: number("end_char_index")?,
        }),
        "page_location" => Kind::DocumentPage(DocumentPageLocation {
            document_index: number("document_index")?,
            start: number("start_page_number")?,
            end: number("end_page_number")?,
        }),
        "content_block_location" => Kind::DocumentChunk(DocumentChunkLocation {
            document_index: number("document_index")?,
            start: number("start_block_index")?,
            end: number("end_block_index")?,
        }),
        "search_result_location" => Kind::SearchResultLocation(SearchResultLocation {
            search_result_index: number("search_result_index")?,
            start: number("start_block_index")?,
            end: number("end_block_index")?,
        }),
        "web_search_result_location" => Kind::Web(WebLocation { url: citation.take("url")?, domain: None }),
        _ => return Ok(None),
    }))
}
