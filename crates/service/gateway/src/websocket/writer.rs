//! Frames on their way to a client.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use mu_invoke::{Closing, MessageKind, SocketMessage};
use tokio::io::AsyncWrite;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// A payload up to this size is copied behind its header; a larger one is sent from where it is.
const COPIED_BYTES_MAX: usize = 512;

/// Pieces handed to the operating system at once.
const PIECES_MAX: usize = 16;

/// Collects frames until they are written. The bound is its owner's: it stops adding to what is not taken.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pieces: VecDeque<Bytes>,
    waiting_bytes: usize,
}

impl Writer {
    pub(super) fn message(&mut self, message: &SocketMessage) {
        let data = match message.kind() {
            MessageKind::Text => Data::Text,
            MessageKind::Binary => Data::Binary,
        };
        self.frame(OpCode::Data(data), message.data());
    }

    pub(super) fn ping(&mut self) {
        self.frame(OpCode::Control(Control::Ping), &Bytes::new());
    }

    pub(super) fn pong(&mut self, payload: &Bytes) {
        self.frame(OpCode::Control(Control::Pong), payload);
    }

    /// The last frame; without a code when there is none to say.
    pub(super) fn close(&mut self, closing: Option<&Closing>) {
        let payload = closing.map(|closing| [&closing.code.to_be_bytes()[..], closing.reason.as_bytes()].concat());
        self.frame(OpCode::Control(Control::Close), &payload.unwrap_or_default().into());
    }

    /// Whether everything is written.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Writes as much as is possible now; how much that was. Waits when nothing is.
    pub(super) fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        io: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); PIECES_MAX];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece);
            count += 1;
        }
        let written = ready!(Pin::new(io).poll_write_vectored(cx, &slices[..count]))?;
        if written == 0 && self.waiting_bytes > 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.taken(written);
        Poll::Ready(Ok(written))
    }

    fn frame(&mut self, opcode: OpCode, payload: &Bytes) {
        let mut head = Vec::with_capacity(2);
        let header = FrameHeader { opcode, ..FrameHeader::default() };
        header.format(payload.len() as u64, &mut head).expect("a vector can be written to");
        self.waiting_bytes += head.len() + payload.len();
        if payload.len() <= COPIED_BYTES_MAX {
            head.extend_from_slice(payload);
            self.pieces.push_back(head.into());
        } else {
            self.pieces.extend([head.into(), payload.clone()]);
        }
    }

    fn taken(&mut self, mut bytes: usize) {
        self.waiting_bytes -= bytes;
        while let Some(piece) = self.pieces.front_mut() {
            if bytes < piece.len() {
                piece.advance(bytes);
                return;
            }
            bytes -= piece.len();
            self.pieces.pop_front();
        }
        // Between messages a connection holds no memory for them.
        self.pieces = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Takes a few bytes at a time.
    struct Trickle(Vec<u8>);

    impl AsyncWrite for Trickle {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
            let taken = data.len().min(100);
            self.0.extend_from_slice(&data[..taken]);
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn frames_are_written_in_their_order_however_little_is_taken() {
        let mut writer = Writer::default();
        let (short, long) = (Bytes::from_static(b"hello"), Bytes::from(vec![b'x'; 70_000]));
        writer.message(&SocketMessage::text(short.clone()));
        writer.pong(&Bytes::from_static(b"p"));
        writer.message(&SocketMessage::binary(long.clone()));
        writer.ping();
        writer.close(Some(&Closing::new(1001, "bye")));
        writer.close(None);
        let expected = [
            &b"\x81\x05hello\x8a\x01p\x82\x7f\x00\x00\x00\x00\x00\x01\x11\x70"[..],
            &long,
            b"\x89\x00\x88\x05\x03\xe9bye\x88\x00",
        ]
        .concat();
        assert_eq!(writer.waiting_bytes, expected.len());

        let (mut io, mut context) = (Trickle(Vec::new()), Context::from_waker(Waker::noop()));
        while !writer.is_empty() {
            assert!(matches!(writer.poll_write(&mut io, &mut context), Poll::Ready(Ok(1..))));
        }
        assert_eq!(io.0, expected);
        assert_eq!(writer.waiting_bytes, 0);
    }
}
