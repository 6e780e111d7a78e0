//! The end of a connection on the wire: the close frames of both sides, then TCP.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::reader::{Reader, Received};
use super::session::{End, Rules, poll_read};
use super::writer::Writer;

/// Bytes that are read and thrown away while a client has not noticed the end yet, beside a message of the largest size.
const IGNORED_BYTES_MAX: u64 = 256 * 1024;

/// Says what is left to say, and closes. Takes at most as long as a client may take to answer.
pub(super) async fn part<S>(mut stream: S, mut reader: Reader, mut writer: Writer, end: &End, rules: Rules)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let parting = async {
        match end {
            End::Vanished => return Ok(()),
            End::Client(closing) => writer.close(closing.as_ref()),
            End::Violated(closing) | End::Stopped(closing) | End::Ended(closing) => writer.close(Some(closing)),
        }
        while !writer.is_empty() {
            poll_fn(|cx| writer.poll_write(&mut stream, cx)).await?;
        }
        poll_fn(|cx| Pin::new(&mut stream).poll_flush(cx)).await?;
        let mut left_bytes = IGNORED_BYTES_MAX + rules.message_bytes_max;
        let says_goodbye = matches!(end, End::Stopped(_) | End::Ended(_))
            && await_goodbye(&mut stream, &mut reader, &mut left_bytes).await?;
        poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx)).await?;
        if says_goodbye {
            return Ok(());
        }
        // Closed before the client has, the socket would be reset by what still arrives, and the client might lose the
        // close frame.
        ignore_rest(&mut stream, left_bytes).await
    };
    // Whether the client hears of it or not, the connection has ended.
    let _: Result<io::Result<()>, _> = tokio::time::timeout(rules.close_timeout, parting).await;
}

/// Reads until the client's close frame; `false` when there is something else that can't be read.
async fn await_goodbye<S>(stream: &mut S, reader: &mut Reader, left_bytes: &mut u64) -> io::Result<bool>
where
    S: AsyncRead + Unpin,
{
    loop {
        match reader.next() {
            Ok(Some(Received::Close(_))) => return Ok(true),
            Err(_) => return Ok(false),
            Ok(Some(_)) => {}
            Ok(None) => {
                let read_bytes = poll_fn(|cx| poll_read(stream, reader, cx)).await? as u64;
                if read_bytes == 0 || read_bytes > *left_bytes {
                    return Ok(false);
                }
                *left_bytes -= read_bytes;
            }
        }
    }
}

async fn ignore_rest<S>(stream: &mut S, mut left_bytes: u64) -> io::Result<()>
where
    S: AsyncRead + Unpin,
{
    loop {
        let read_bytes = poll_fn(|cx| {
            let mut space = [std::mem::MaybeUninit::uninit(); 1024];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
            Poll::Ready(io::Result::Ok(buffer.filled().len() as u64))
        })
        .await?;
        if read_bytes == 0 || read_bytes > left_bytes {
            return Ok(());
        }
        left_bytes -= read_bytes;
    }
}
