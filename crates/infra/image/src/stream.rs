//! Bytes that a thread writes and a task sends.

use std::io::{self, BufWriter, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::mpsc;

const PIECE_BYTES: usize = 64 << 10;
const PIECES_WAITING: usize = 4;

/// A tar archive, in pieces.
#[derive(Debug)]
pub struct ArchiveStream(mpsc::Receiver<io::Result<Bytes>>);

impl Stream for ArchiveStream {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// What `write` writes, on a thread of its own; it is told with an error when nobody reads any more.
pub(crate) fn piped(write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static) -> ArchiveStream {
    let (sender, receiver) = mpsc::channel(PIECES_WAITING);
    tokio::task::spawn_blocking(move || {
        let mut writer = BufWriter::with_capacity(PIECE_BYTES, Pieces(&sender));
        if let Err(error) = write(&mut writer).and_then(|()| writer.flush()) {
            // What is left in the buffer must not be sent behind the error.
            drop(writer.into_parts());
            let _ = sender.blocking_send(Err(error));
        }
    });
    ArchiveStream(receiver)
}

struct Pieces<'a>(&'a mpsc::Sender<io::Result<Bytes>>);

impl Write for Pieces<'_> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(piece)));
        sent.map(|()| piece.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
