//! Event-stream frames: one event or exception as bytes, and the ways to damage one.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use aws_smithy_types::str_bytes::StrBytes;
use bytes::Bytes;

use crate::errors::Failure;

/// Where the prelude's own checksum lies in a frame, in bytes from the start.
const PRELUDE_CRC_OFFSET: usize = 8;

/// A frame that carries an event.
pub(crate) fn event(name: impl Into<StrBytes>, payload: Bytes) -> Vec<u8> {
    frame(
        [(":event-type", name.into()), (":content-type", JSON.into()), (":message-type", "event".into())],
        payload,
    )
}

/// A frame that carries an exception; the name is written as the service model writes it in streams.
pub(crate) fn exception(failure: &Failure) -> Vec<u8> {
    exception_frame(&failure.exception, failure.body())
}

/// A frame that carries an exception with any payload.
pub(crate) fn exception_frame(name: &str, payload: Bytes) -> Vec<u8> {
    let mut letters = name.chars();
    let name: String =
        letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect();
    frame(
        [
            (":exception-type", name.into()),
            (":content-type", JSON.into()),
            (":message-type", "exception".into()),
        ],
        payload,
    )
}

const JSON: &str = "application/json";

fn frame(headers: [(&'static str, StrBytes); 3], payload: Bytes) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 128);
    let headers = headers.map(|(name, value)| Header::new(name, HeaderValue::String(value)));
    let message = Message::new_from_parts(headers.to_vec(), payload);
    // Fails only for headers beyond 128 kB or payloads beyond 16 MB, which no event reaches.
    if write_message_to(&message, &mut bytes).is_err() {
        bytes.clear();
    }
    bytes
}

/// The same frame with a wrong message checksum.
pub(crate) fn with_bad_crc(mut frame: Vec<u8>) -> Vec<u8> {
    if let Some(last) = frame.last_mut() {
        *last ^= 0xff;
    }
    frame
}

/// The same frame with a wrong prelude checksum.
pub(crate) fn with_bad_prelude(mut frame: Vec<u8>) -> Vec<u8> {
    if let Some(byte) = frame.get_mut(PRELUDE_CRC_OFFSET) {
        *byte ^= 0xff;
    }
    frame
}

/// The first half of the frame.
pub(crate) fn half(mut frame: Vec<u8>) -> Vec<u8> {
    frame.truncate(frame.len() / 2);
    frame
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use aws_smithy_eventstream::frame::read_message_from;

    fn header(message: &Message, name: &str) -> String {
        let header = message.headers().iter().find(|header| header.name().as_str() == name).unwrap();
        header.value().as_string().unwrap().as_str().to_owned()
    }

    #[test]
    fn an_event_frame_is_read_back() {
        let bytes = event("messageStart", Bytes::from_static(b"{}"));
        let message = read_message_from(&bytes[..]).unwrap();
        assert_eq!(header(&message, ":event-type"), "messageStart");
        assert_eq!(header(&message, ":message-type"), "event");
        assert_eq!(message.payload().as_ref(), b"{}");
    }

    #[test]
    fn exception_types_are_lower_camel_in_streams() {
        let bytes = exception(&Failure::new("ThrottlingException", "slow down"));
        let message = read_message_from(&bytes[..]).unwrap();
        assert_eq!(header(&message, ":exception-type"), "throttlingException");
        assert_eq!(header(&message, ":message-type"), "exception");
    }

    #[test]
    fn damaged_frames_are_noticed() {
        let good = event("a", Bytes::from_static(b"{}"));
        assert!(read_message_from(&with_bad_crc(good.clone())[..]).is_err());
        assert!(read_message_from(&with_bad_prelude(good.clone())[..]).is_err());
        assert!(half(good.clone()).len() < good.len());
    }
}
