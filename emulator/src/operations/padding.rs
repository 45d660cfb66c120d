//! The `p` member of stream payloads, which hides the length of tokens from who sees only the size of frames.

/// What `p` is cut from; the service varies its length.
const PADDING: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// The padding of the event with this number; never empty.
pub(super) fn padding(number: usize) -> &'static str {
    PADDING.get(..1 + number * 7 % (PADDING.len() - 1)).unwrap_or(PADDING)
}
