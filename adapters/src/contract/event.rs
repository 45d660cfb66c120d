//! The one shape of every reply: a stream of events.

use bedrock_inference_proto::v1;

use super::{Content, ReplyHead};

/// One event of a reply: AWS's ConverseStream events, and what those cannot carry.
///
/// The order is: `MessageStart`, then blocks (`ContentBlockStart`, `ContentBlockDelta`, `ContentBlockStop`,
/// or one `Block`), then `MessageStop`, then `Metadata`. `Raw` stands alone. `Warning` may stand anywhere.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The answer begins.
    MessageStart(v1::MessageStartEvent),
    /// A block begins; text and reasoning blocks may have none.
    ContentBlockStart(v1::ContentBlockStartEvent),
    /// A block goes on.
    ContentBlockDelta(v1::ContentBlockDeltaEvent),
    /// A block ends.
    ContentBlockStop(v1::ContentBlockStopEvent),
    /// A whole block that AWS's stream cannot carry, such as a document or a search result.
    Block {
        /// Where in the message it stands.
        index: i32,
        /// The block.
        block: Box<v1::ContentBlock>,
    },
    /// The answer ends.
    MessageStop(Box<v1::MessageStopEvent>),
    /// Usage, metrics and trace.
    Metadata(Box<v1::ConverseStreamMetadataEvent>),
    /// The headers of a reply that is handed on as it is; before its `Raw` events.
    Head(Box<ReplyHead>),
    /// A whole body, or one chunk of it, that is handed on as it is.
    Raw(Content),
    /// Something that the caller should know although the call goes on.
    Warning(v1::Warning),
}

impl Event {
    /// Whether the caller gets something to read: from here on a failure can no longer be repeated
    /// unseen.
    #[must_use]
    pub fn is_content(&self) -> bool {
        match self {
            Self::ContentBlockStart(_)
            | Self::ContentBlockDelta(_)
            | Self::Block { .. }
            | Self::MessageStop(_)
            | Self::Raw(_) => true,
            Self::MessageStart(_)
            | Self::ContentBlockStop(_)
            | Self::Metadata(_)
            | Self::Head(_)
            | Self::Warning(_) => false,
        }
    }

    /// Whether the event becomes a message of a stream; the others are only noted.
    #[must_use]
    pub fn is_told(&self) -> bool {
        !matches!(self, Self::Head(_) | Self::Warning(_))
    }

    /// The event's name in AWS's words.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::MessageStart(_) => "messageStart",
            Self::ContentBlockStart(_) => "contentBlockStart",
            Self::ContentBlockDelta(_) => "contentBlockDelta",
            Self::ContentBlockStop(_) => "contentBlockStop",
            Self::Block { .. } => "block",
            Self::MessageStop(_) => "messageStop",
            Self::Metadata(_) => "metadata",
            Self::Head(_) => "head",
            Self::Raw(_) => "raw",
            Self::Warning(_) => "warning",
        }
    }
}
