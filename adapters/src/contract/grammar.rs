//! The grammar of events: what may follow what, and when a reply is complete.

use std::collections::BTreeMap;

use super::{AdapterError, Event};

/// Watches the events of one reply.
///
/// A reply that breaks the grammar lost or repeated something on its way; a reply that ends before the
/// grammar is satisfied was cut off, however politely the connection was closed.
#[derive(Debug, Default)]
pub struct Grammar {
    stage: Stage,
    /// Blocks by index; `true` while the block is open.
    blocks: BTreeMap<i32, bool>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Empty,
    Blocks,
    Stopped,
    Complete,
}

impl Grammar {
    /// Takes the next event.
    ///
    /// # Errors
    /// `Corrupt` where the event may not stand here.
    pub fn accept(&mut self, event: &Event) -> Result<(), AdapterError> {
        match (event, self.stage) {
            (Event::Warning(_), _) => Ok(()),
            (Event::MessageStart(_), Stage::Empty) => self.enter(Stage::Blocks),
            (Event::ContentBlockStart(start), Stage::Blocks) => self.open(start.content_block_index, event),
            (Event::ContentBlockDelta(delta), Stage::Blocks) => self.go_on(delta.content_block_index, event),
            (Event::ContentBlockStop(stop), Stage::Blocks) => self.close(stop.content_block_index, event),
            (Event::Block { index, .. }, Stage::Blocks) => {
                self.open(Some(*index), event)?;
                self.close(Some(*index), event)
            }
            (Event::MessageStop(stop), Stage::Blocks) if stop.stop_reason.is_some() => {
                self.enter(Stage::Stopped)
            }
            (Event::Metadata(metadata), Stage::Stopped) if metadata.usage.is_some() => {
                self.enter(Stage::Complete)
            }
            _ => Err(self.refuse(event)),
        }
    }

    /// Whether everything has arrived: messageStop with its reason, and metadata with usage.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.stage == Stage::Complete
    }

    fn enter(&mut self, stage: Stage) -> Result<(), AdapterError> {
        self.stage = stage;
        Ok(())
    }

    fn open(&mut self, index: Option<i32>, event: &Event) -> Result<(), AdapterError> {
        match index {
            Some(index) if !self.blocks.contains_key(&index) => {
                self.blocks.insert(index, true);
                Ok(())
            }
            _ => Err(self.refuse(event)),
        }
    }

    fn go_on(&mut self, index: Option<i32>, event: &Event) -> Result<(), AdapterError> {
        match index.map(|index| self.blocks.entry(index).or_insert(true)) {
            Some(true) => Ok(()),
            _ => Err(self.refuse(event)),
        }
    }

    fn close(&mut self, index: Option<i32>, event: &Event) -> Result<(), AdapterError> {
        match index.and_then(|index| self.blocks.get_mut(&index)) {
            Some(open @ true) => {
                *open = false;
                Ok(())
            }
            _ => Err(self.refuse(event)),
        }
    }

    fn refuse(&self, event: &Event) -> AdapterError {
        let place = match self.stage {
            Stage::Empty => "before messageStart",
            Stage::Blocks => "among the content blocks",
            Stage::Stopped => "after messageStop",
            Stage::Complete => "after the end",
        };
        AdapterError::corrupt(format!("{} may not stand {place} in this form", event.name()))
    }
}
