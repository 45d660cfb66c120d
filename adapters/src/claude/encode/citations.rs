//! Citations of an earlier answer, as they go back to the model.

use bedrock_inference_proto::v1::{Citation, citation_location, citation_source_content};
use serde::Serialize;

use super::place::Place;
use crate::contract::Refusals;

/// A native citation.
#[derive(Serialize)]
#[serde(tag = "type")]
pub(super) enum Cited<'r> {
    #[serde(rename = "char_location")]
    Char {
        cited_text: &'r str,
        document_index: i32,
        document_title: Option<&'r str>,
        start_char_index: i32,
        end_char_index: i32,
    },
    #[serde(rename = "page_location")]
    Page {
        cited_text: &'r str,
        document_index: i32,
        document_title: Option<&'r str>,
        start_page_number: i32,
        end_page_number: i32,
    },
    #[serde(rename = "content_block_location")]
    ContentBlock {
        cited_text: &'r str,
        document_index: i32,
        document_title: Option<&'r str>,
        start_block_index: i32,
        end_block_index: i32,
    },
    #[serde(rename = "search_result_location")]
    SearchResult {
        cited_text: &'r str,
        search_result_index: i32,
        source: &'r str,
        title: Option<&'r str>,
        start_block_index: i32,
        end_block_index: i32,
    },
}

/// Which numbers a location needs, and what they are.
type Numbers = [Option<i32>; 3];

/// The citations that the native format can say; it needs every member that Converse leaves optional.
pub(super) fn encode<'r>(
    citations: &'r [Citation],
    list: &Place<'_>,
    refusals: &mut Refusals,
) -> Vec<Cited<'r>> {
    let citations = citations.iter().enumerate();
    citations
        .filter_map(|(index, citation)| {
            let place = list.index(index);
            encode_citation(citation, &place)
                .map_err(|(path, description)| refusals.refuse(path, description))
                .ok()
        })
        .collect()
}

fn encode_citation<'r>(
    citation: &'r Citation,
    place: &Place<'_>,
) -> Result<Cited<'r>, (String, &'static str)> {
    use citation_location::Kind;
    let location = citation.location.as_ref().and_then(|location| location.kind.as_ref());
    let location_place = place.member("location");
    let [index, start, end] = match location.map(numbers) {
        Some(Some(numbers)) => numbers,
        Some(None) => return Err((location_place.member("web").to_string(), crate::contract::CONVERSE_ONLY)),
        None => return Err((location_place.to_string(), "is not set; the native format needs it")),
    };
    let (Some(index), Some(start), Some(end)) = (index, start, end) else {
        return Err((location_place.to_string(), "lacks an index, a start or an end"));
    };
    let cited_text = cited_text(citation, place)?;
    let title = citation.title.as_deref();
    let source = citation.source.as_deref();
    if let (Some(Kind::SearchResultLocation(_)), Some(source)) = (location, source) {
        return Ok(Cited::SearchResult {
            cited_text,
            search_result_index: index,
            source,
            title,
            start_block_index: start,
            end_block_index: end,
        });
    }
    let of_search_result = matches!(location, Some(Kind::SearchResultLocation(_)));
    if source.is_some() || of_search_result {
        let description = "is needed for search results, and not taken for documents";
        return Err((place.member("source").to_string(), description));
    }
    Ok(in_document(location, cited_text, title, [index, start, end]))
}

fn in_document<'r>(
    location: Option<&citation_location::Kind>,
    cited_text: &'r str,
    document_title: Option<&'r str>,
    [document_index, start, end]: [i32; 3],
) -> Cited<'r> {
    use citation_location::Kind;
    match location {
        Some(Kind::DocumentPage(_)) => Cited::Page {
            cited_text,
            document_index,
            document_title,
            start_page_number: start,
            end_page_number: end,
        },
        Some(Kind::DocumentChunk(_)) => Cited::ContentBlock {
            cited_text,
            document_index,
            document_title,
            start_block_index: start,
            end_block_index: end,
        },
        _ => Cited::Char {
            cited_text,
            document_index,
            document_title,
            start_char_index: start,
            end_char_index: end,
        },
    }
}

/// `None` for a page on the web: the native form needs an encrypted index, which Converse does not hand out.
fn numbers(location: &citation_location::Kind) -> Option<Numbers> {
    use citation_location::Kind;
    Some(match location {
        Kind::DocumentChar(at) => [at.document_index, at.start, at.end],
        Kind::DocumentPage(at) => [at.document_index, at.start, at.end],
        Kind::DocumentChunk(at) => [at.document_index, at.start, at.end],
        Kind::SearchResultLocation(at) => [at.search_result_index, at.start, at.end],
        Kind::Web(_) => return None,
    })
}

fn cited_text<'r>(citation: &'r Citation, place: &Place<'_>) -> Result<&'r str, (String, &'static str)> {
    match citation.source_content.as_slice() {
        [content] => content.kind.as_ref().map(|citation_source_content::Kind::Text(text)| text.as_str()),
        _ => None,
    }
    .ok_or_else(|| (place.member("sourceContent").to_string(), "is not exactly one text"))
}
