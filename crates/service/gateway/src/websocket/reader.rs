//! From the bytes of a client to messages: frames are unmasked and put together, and what breaks RFC 6455 is found as
//! soon as it can be.
//!
//! Headers are taken apart by `tungstenite`. Its buffers are not used: they keep the size of the largest message that
//! ever passed through them, for as long as the connection lasts, and take the announced length of a frame for granted.

use std::io::Cursor;
use std::mem;

use bytes::Bytes;
use mu_invoke::{Closing, SocketMessage};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

/// What a control frame carries at most.
const CONTROL_BYTES_MAX: u64 = 125;

/// Collects what a client sends.
#[derive(Debug)]
pub(super) struct Reader {
    /// What has arrived and is not understood yet; empty between messages, and then without memory.
    unread: Vec<u8>,
    /// How much of it is understood.
    position: usize,
    frame: Option<Frame>,
    message: Option<Partial>,
    message_bytes_max: u64,
}

/// The frame whose payload is being read.
#[derive(Debug)]
struct Frame {
    opcode: OpCode,
    is_final: bool,
    mask: [u8; 4],
    left_bytes: u64,
}

/// A message of which some frames have arrived.
#[derive(Debug)]
struct Partial {
    is_text: bool,
    data: Vec<u8>,
    /// Bytes known to be UTF-8.
    checked_bytes: usize,
}

/// What a client has sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    Message(SocketMessage),
    Ping(Bytes),
    Pong,
    /// A part of a message that brings it no further: counted, so that it can't go on for ever.
    Nothing,
    /// The client's close frame; without a code when it has none.
    Close(Option<Closing>),
}

/// How a client breaks the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    #[error("{0}")]
    Protocol(&'static str),
    #[error("text is not UTF-8")]
    NotText,
    #[error("the message is larger than {limit_bytes} bytes")]
    TooLarge { limit_bytes: u64 },
}

impl Violation {
    /// How the connection ends.
    pub(super) fn closing(self) -> Closing {
        let code = match self {
            Self::Protocol(_) => 1002,
            Self::NotText => 1007,
            Self::TooLarge { .. } => 1009,
        };
        Closing::new(code, self.to_string())
    }
}

impl Reader {
    pub(super) fn new(message_bytes_max: u64) -> Self {
        Self { unread: Vec::new(), position: 0, frame: None, message: None, message_bytes_max }
    }

    /// Takes what has arrived.
    pub(super) fn feed(&mut self, data: &[u8]) {
        if self.position > 0 {
            self.unread.drain(..mem::take(&mut self.position));
        }
        self.unread.extend_from_slice(data);
    }

    /// The next thing that has arrived as a whole; `None` when more must arrive before.
    pub(super) fn next(&mut self) -> Result<Option<Received>, Violation> {
        let received = self.advance();
        if self.position == self.unread.len() {
            (self.unread, self.position) = (Vec::new(), 0);
        }
        received
    }

    fn advance(&mut self) -> Result<Option<Received>, Violation> {
        loop {
            let frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.header()? {
                    Some(frame) => frame,
                    None => return Ok(None),
                },
            };
            let received = match frame.opcode {
                OpCode::Control(control) => match self.control(control, &frame)? {
                    Some(received) => Some(received),
                    None => {
                        self.frame = Some(frame);
                        return Ok(None);
                    }
                },
                OpCode::Data(_) => match self.data(frame)? {
                    Payload::Message(message) => Some(Received::Message(message)),
                    Payload::EmptyPart => Some(Received::Nothing),
                    Payload::Part => None,
                    Payload::Incomplete => return Ok(None),
                },
            };
            if received.is_some() {
                return Ok(received);
            }
        }
    }

    /// Reads the header of a frame, and checks it against what came before.
    fn header(&mut self) -> Result<Option<Frame>, Violation> {
        let mut cursor = Cursor::new(&self.unread[self.position..]);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Violation::Protocol("the opcode is reserved"))?;
        let header_bytes = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
        let Some((header, length)) = parsed else { return Ok(None) };
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Violation::Protocol("a reserved bit is set"));
        }
        let Some(mask) = header.mask else { return Err(Violation::Protocol("the frame is not masked")) };
        if header.len(length) != header_bytes {
            return Err(Violation::Protocol("the length is not written in its shortest form"));
        }
        match header.opcode {
            OpCode::Control(_) => {
                if !header.is_final {
                    return Err(Violation::Protocol("a control frame is fragmented"));
                }
                if length > CONTROL_BYTES_MAX {
                    return Err(Violation::Protocol("a control frame has more than 125 bytes"));
                }
            }
            OpCode::Data(data) => self.begin(data, length)?,
        }
        self.position += header_bytes;
        Ok(Some(Frame { opcode: header.opcode, is_final: header.is_final, mask, left_bytes: length }))
    }

    /// Begins a data frame, and with it perhaps a message.
    fn begin(&mut self, data: Data, length: u64) -> Result<(), Violation> {
        let collected_bytes = match (data, &self.message) {
            (Data::Continue, None) => return Err(Violation::Protocol("a continuation of nothing")),
            (Data::Continue, Some(message)) => message.data.len() as u64,
            (_, Some(_)) => return Err(Violation::Protocol("a message begins within another one")),
            (_, None) => 0,
        };
        if collected_bytes.saturating_add(length) > self.message_bytes_max {
            return Err(Violation::TooLarge { limit_bytes: self.message_bytes_max });
        }
        if self.message.is_none() {
            self.message = Some(Partial { is_text: data == Data::Text, data: Vec::new(), checked_bytes: 0 });
        }
        Ok(())
    }

    /// The whole of a control frame; `None` while it is not there.
    fn control(&mut self, control: Control, frame: &Frame) -> Result<Option<Received>, Violation> {
        let length = usize::try_from(frame.left_bytes).unwrap_or(usize::MAX);
        let Some(masked) = self.unread[self.position..].get(..length) else { return Ok(None) };
        let mut payload = masked.to_vec();
        unmask(&mut payload, frame.mask);
        self.position += length;
        Ok(Some(match control {
            Control::Ping => Received::Ping(payload.into()),
            Control::Pong => Received::Pong,
            Control::Close => Received::Close(closing(&payload)?),
            Control::Reserved(_) => return Err(Violation::Protocol("the opcode is reserved")),
        }))
    }

    /// Takes what has arrived of a data frame's payload.
    fn data(&mut self, mut frame: Frame) -> Result<Payload, Violation> {
        let message = self.message.as_mut().expect("a data frame begins a message or goes on with one");
        let is_empty_part = frame.left_bytes == 0 && !frame.is_final;
        let arrived = &self.unread[self.position..];
        let taken_bytes = usize::try_from(frame.left_bytes).unwrap_or(usize::MAX).min(arrived.len());
        let start = message.data.len();
        message.data.extend_from_slice(&arrived[..taken_bytes]);
        unmask(&mut message.data[start..], frame.mask);
        frame.mask.rotate_left(taken_bytes % 4);
        self.position += taken_bytes;
        frame.left_bytes -= taken_bytes as u64;
        let is_whole_frame = frame.left_bytes == 0;
        let is_whole = is_whole_frame && frame.is_final;
        message.check_text(is_whole)?;
        if !is_whole_frame {
            self.frame = Some(frame);
            return Ok(Payload::Incomplete);
        }
        if !is_whole {
            return Ok(if is_empty_part { Payload::EmptyPart } else { Payload::Part });
        }
        let Some(mut message) = self.message.take() else { return Ok(Payload::Part) };
        message.data.shrink_to_fit();
        let data = Bytes::from(message.data);
        Ok(Payload::Message(if message.is_text { SocketMessage::text(data) } else { SocketMessage::binary(data) }))
    }
}

/// What a data frame has come to.
enum Payload {
    Message(SocketMessage),
    /// The frame is whole, the message isn't.
    Part,
    /// The same for a frame without anything in it.
    EmptyPart,
    /// More of the frame must arrive.
    Incomplete,
}

impl Partial {
    /// Checks what is new of a text, so that a mistake is found before the rest of the message has arrived.
    fn check_text(&mut self, is_whole: bool) -> Result<(), Violation> {
        if !self.is_text {
            return Ok(());
        }
        match std::str::from_utf8(&self.data[self.checked_bytes..]) {
            Ok(_) => self.checked_bytes = self.data.len(),
            // The last character may go on in what is still to come, if what there is of it can become one.
            Err(error) if error.error_len().is_none() && !is_whole => self.checked_bytes += error.valid_up_to(),
            Err(_) => return Err(Violation::NotText),
        }
        Ok(())
    }
}

/// The code and the reason of a close frame.
fn closing(payload: &[u8]) -> Result<Option<Closing>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(Violation::Protocol("a close code has two bytes")) };
    };
    let code = u16::from_be_bytes(*code);
    if !CloseCode::from(code).is_allowed() {
        return Err(Violation::Protocol("the close code is not one that is sent"));
    }
    let reason = std::str::from_utf8(reason).map_err(|_| Violation::NotText)?;
    Ok(Some(Closing::new(code, reason)))
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    // Eight bytes at a time, and the rest.
    let key = [mask, mask].concat();
    let key = u64::from_ne_bytes(key.try_into().expect("twice four bytes"));
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use mu_invoke::MessageKind;
    use proptest::prelude::*;

    use super::*;

    const MESSAGE_BYTES_MAX: u64 = 1_000;

    /// Everything that is understood of what arrives in these pieces, up to what breaks the protocol.
    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Received>, Option<String>) {
        let mut reader = Reader::new(MESSAGE_BYTES_MAX);
        let mut all = Vec::new();
        for piece in pieces {
            reader.feed(piece);
            loop {
                match reader.next() {
                    Ok(Some(received)) => all.push(received),
                    Ok(None) => break,
                    Err(violation) => return (all, Some(violation.to_string())),
                }
            }
            let held = reader.unread.len() + reader.message.as_ref().map_or(0, |message| message.data.len());
            assert!(held as u64 <= MESSAGE_BYTES_MAX + CONTROL_BYTES_MAX + 14, "{held} bytes are held");
        }
        (all, None)
    }

    fn frame(head: u8, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![head];
        let length = u16::try_from(payload.len()).unwrap();
        match u8::try_from(length) {
            Ok(length @ 0..126) => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
        }
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        frame
    }

    /// Bytes that look like frames often enough to come further than the first one.
    fn almost_frames() -> impl Strategy<Value = Vec<u8>> {
        let head = prop_oneof![
            4 => prop::sample::select(vec![0x81_u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x88, 0x89, 0x8a]),
            1 => any::<u8>(),
        ];
        let payload = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            "\\PC{0,60}".prop_map(String::into_bytes),
            Just(vec![0x03, 0xe8]),
        ];
        let whole = (head, any::<[u8; 4]>(), payload).prop_map(|(head, mask, payload)| frame(head, mask, &payload));
        let noise = prop::collection::vec(any::<u8>(), 0..20);
        prop::collection::vec(prop_oneof![8 => whole, 1 => noise], 0..8).prop_map(|frames| frames.concat())
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_bytes_arrive(bytes in almost_frames(), size in 1_usize..40) {
            prop_assert_eq!(read(bytes.chunks(size)), read([bytes.as_slice()].into_iter().flat_map(|all| all.chunks(800))));
        }

        #[test]
        fn messages_are_read_as_they_were_sent(
            text in "\\PC{0,200}",
            binary in prop::collection::vec(any::<u8>(), 0..900),
            mask in any::<[u8; 4]>(),
            part in 1_usize..64,
            size in 1_usize..64,
        ) {
            let mut sent = Vec::new();
            for (opcode, data) in [(0x01, text.as_bytes()), (0x02, binary.as_slice())] {
                let mut parts: Vec<_> = data.chunks(part).collect();
                let last = parts.pop().unwrap_or_default();
                for (index, part) in parts.iter().enumerate() {
                    sent.extend(frame(if index == 0 { opcode } else { 0 }, mask, part));
                    sent.extend(frame(0x89, mask, b"between"));
                }
                sent.extend(frame(0x80 | if parts.is_empty() { opcode } else { 0 }, mask, last));
            }
            let (received, violation) = read(sent.chunks(size));
            prop_assert_eq!(violation, None);
            let messages: Vec<_> = received.into_iter().filter_map(|received| match received {
                Received::Message(message) => Some((message.kind(), message.data().to_vec())),
                _ => None,
            }).collect();
            prop_assert_eq!(messages, vec![(MessageKind::Text, text.into_bytes()), (MessageKind::Binary, binary)]);
        }
    }
}
