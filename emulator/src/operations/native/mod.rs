//! The replies of the families in their own shapes, whole and in chunks.

pub(super) mod claude;
pub(super) mod claude_stream;
pub(super) mod metrics;
pub(super) mod nova;
pub(super) mod nova_stream;
pub(super) mod titan;
