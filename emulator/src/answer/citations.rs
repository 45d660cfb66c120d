//! The one citation of an answer about a document or a search result that may be cited.

use super::AnswerBlock;
use crate::models::Family;
use crate::prompt::{Block, Document, Prompt, Role, Source};

/// The most characters that are cited.
const MAX_CITED: usize = 80;

/// What a text rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Citation {
    /// The title of the document or the search result.
    pub(crate) title: String,
    /// The words that are cited.
    pub(crate) cited_text: String,
    pub(crate) place: CitedPlace,
}

/// Where the cited words stand. Documents and search results are counted from 0 over the whole conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CitedPlace {
    /// The characters from the first up to, not including, `end`.
    Characters { document: usize, end: usize },
    /// The first page.
    Page { document: usize },
    /// The first of the caller's own chunks.
    Chunk { document: usize },
    /// The first block of a search result.
    SearchResult { index: usize, source: String },
}

/// A sentence after the answer that quotes what it rests on.
pub(super) fn block(prompt: &Prompt) -> Option<AnswerBlock> {
    let citation = find(prompt)?;
    let text = format!(" It begins with \u{201c}{}\u{201d}.", citation.cited_text);
    Some(AnswerBlock::Cited { text, citation })
}

/// A citation of the first thing in the last user message that may be cited. Only Claude cites.
fn find(prompt: &Prompt) -> Option<Citation> {
    if prompt.model.family != Family::Claude {
        return None;
    }
    let last = prompt.messages.iter().rposition(|message| message.role == Role::User)?;
    let (mut documents, mut search_results) = (0, 0);
    for (position, message) in prompt.messages.iter().enumerate() {
        for block in &message.content {
            match block {
                Block::Document(document) => {
                    if position == last && document.citable {
                        return Some(of_document(document, documents));
                    }
                    documents += 1;
                }
                Block::SearchResult(found) => {
                    if position == last && found.citable {
                        let place =
                            CitedPlace::SearchResult { index: search_results, source: found.source.clone() };
                        let cited_text = beginning(&found.text);
                        return Some(Citation { title: found.title.clone(), cited_text, place });
                    }
                    search_results += 1;
                }
                _ => {}
            }
        }
    }
    None
}

fn of_document(document: &Document, index: usize) -> Citation {
    let text = match &document.source {
        Source::Bytes(bytes) if document.format != "pdf" => std::str::from_utf8(bytes).ok(),
        _ => None,
    };
    let (cited_text, place) = match text {
        Some(text) if document.chunked => (beginning(text), CitedPlace::Chunk { document: index }),
        Some(text) => {
            let cited = beginning(text);
            let end = cited.chars().count();
            (cited, CitedPlace::Characters { document: index, end })
        }
        // The emulator cannot read what is on the page.
        None => ("(the first page)".to_owned(), CitedPlace::Page { document: index }),
    };
    Citation { title: document.name.clone(), cited_text, place }
}

/// The first line, or as much of it as is cited.
fn beginning(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(MAX_CITED).collect()
}
