//! Content is not printed: a message that can hold some prints its name and its encoded size.

/// Implements `Debug` for messages, and for their oneofs.
macro_rules! hidden {
    ($($name:path,)*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({} bytes)", stringify!($name), self.encoded_len())
            }
        }
    )*};
}

#[path = "gen/debug.rs"]
#[rustfmt::skip]
mod messages;
