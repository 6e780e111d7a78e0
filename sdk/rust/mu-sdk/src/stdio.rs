//! The host at the other end of standard input and output.

use std::{
    cell::RefCell,
    io::{self, BufRead, Read, Write},
};

use mu_abi::{Decoded, Incoming, Outgoing};

use crate::{
    error::{Error, Result},
    host::Host,
};

/// The host at the other end of standard input and output.
#[derive(Default)]
pub(crate) struct Stdio {
    /// What has arrived and was not yet decoded.
    received: RefCell<Vec<u8>>,
}

/// Writes a message, whole, to standard output.
///
/// Needs no `Stdio`, because a panic and a line of the log have none at hand.
pub(crate) fn send(message: &Outgoing) -> io::Result<()> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    let mut output = io::stdout().lock();
    output.write_all(&bytes)?;
    output.flush()
}

// === impl Stdio ===

impl Stdio {
    /// Waits for the next message.
    pub(crate) fn receive(&self) -> Result<Incoming> {
        receive(&mut io::stdin().lock(), &mut self.received.borrow_mut())
    }
}

impl Host for Stdio {
    fn ask(&self, question: Outgoing) -> Result<Incoming> {
        send(&question)?;
        self.receive()
    }

    fn tell(&self, message: Outgoing) -> Result<()> {
        Ok(send(&message)?)
    }
}

/// Reads the next message; what follows it stays in `received`.
fn receive(input: &mut impl BufRead, received: &mut Vec<u8>) -> Result<Incoming> {
    loop {
        // The host is trusted to keep its messages within what this program's memory can hold.
        match Incoming::decode(received, usize::MAX)? {
            Decoded::Complete { message, consumed_bytes } => {
                received.drain(..consumed_bytes);
                return Ok(message);
            }
            Decoded::Incomplete { at_least_bytes } => read_until(input, received, at_least_bytes)?,
        }
    }
}

/// Reads until there are `at_least_bytes`, and what has arrived beyond: most messages need one read, as each has to be
/// decoded from its start.
fn read_until(input: &mut impl BufRead, received: &mut Vec<u8>, at_least_bytes: usize) -> Result<()> {
    let arrived = loop {
        match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => break result?,
        }
    };
    received.extend_from_slice(arrived);
    let arrived_bytes = arrived.len();
    input.consume(arrived_bytes);

    let missing_bytes = at_least_bytes.saturating_sub(received.len());
    if arrived_bytes > 0 && missing_bytes > 0 {
        input.take(missing_bytes as u64).read_to_end(received)?;
    }
    if received.len() < at_least_bytes {
        return Err(Error::internal("the host ended the conversation before its message was whole"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use mu_abi::{DbReply, Request};

    use super::*;

    /// Yields a few bytes at a time, and is interrupted before each.
    struct Trickle<'a> {
        bytes: &'a [u8],
        chunk_bytes: usize,
        is_interrupted: bool,
    }

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.is_interrupted = !self.is_interrupted;
            if self.is_interrupted {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let (chunk, rest) = self.bytes.split_at(self.chunk_bytes.min(buffer.len()).min(self.bytes.len()));
            buffer[..chunk.len()].copy_from_slice(chunk);
            self.bytes = rest;
            Ok(chunk.len())
        }
    }

    #[test]
    fn messages_are_received_however_they_are_cut() {
        let request = Request::default().with_header("a", "b").with_body(vec![7; 20_000]);
        let messages = [Incoming::ExecuteFunction { function: "f".to_owned(), request }, Incoming::Db(DbReply::Empty)];
        let mut bytes = Vec::new();
        messages.iter().for_each(|message| message.encode(&mut bytes));

        for chunk_bytes in [1, 7, 10_000, usize::MAX] {
            let mut input = BufReader::new(Trickle { bytes: &bytes, chunk_bytes, is_interrupted: false });
            let mut received = Vec::new();
            for message in &messages {
                assert_eq!(&receive(&mut input, &mut received).expect("a message"), message);
            }
            let error = receive(&mut input, &mut received).expect_err("nothing is left");
            assert_eq!(error.to_string(), "the host ended the conversation before its message was whole");
        }
    }
}
