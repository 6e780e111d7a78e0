//! The guest's side of the conversation: what it wrote, decoded; what it will read, encoded.

use mu_abi::{DbRequest, StorageRequest};
use mu_abi::{DecodeError, Decoded, HttpRequest, LogLevel, Outgoing, Response};
use mu_telemetry::{InvocationLog, Level, LogSource};

use crate::{Failure, Limits};

/// Something that the guest asked and that the node has to answer.
#[derive(Debug)]
pub(super) enum Question {
    Db(DbRequest),
    Storage(StorageRequest),
    Http(HttpRequest),
}

/// Standard input and output as streams of messages.
pub(super) struct Conversation {
    input: Vec<u8>,
    input_read: usize,
    output: Vec<u8>,
    /// Decoding starts from a message's first byte, so it is not tried before it can get further.
    decode_at_bytes: usize,
    /// Output bytes at the last attempt to decode that found a message incomplete.
    decoded_bytes: usize,
    limits: MessageLimits,
    question: Option<Question>,
    ending: Option<Ending>,
}

/// How the guest ended the conversation.
#[derive(Debug)]
pub(super) enum Ending {
    Result(Response),
    Fatal(String),
    Violation(Failure),
}

/// The largest messages, in bytes, by what they are: what a guest says is held in the node's memory, decoded, and lists
/// of small items take several times their size there.
pub(super) struct MessageLimits {
    response: usize,
    largest: usize,
}

/// A log line or the last words of a function; the log has a limit of its own, which is not larger.
const TEXT_BYTES_MAX: usize = 1 << 20;
/// A question to the database, whose batches have 16 MiB at most, and an HTTP request, which may carry as large a message
/// to a WebSocket connection.
const DB_BYTES_MAX: usize = 17 << 20;
const HTTP_BYTES_MAX: usize = 17 << 20;
/// Items of one batch; as many as the database accepts.
const BATCH_ITEMS_MAX: u32 = 10_240;
/// What a response has besides its body.
const RESPONSE_OVERHEAD_BYTES: usize = 256 << 10;

/// Codes of messages and their first fields, as far as they matter before a message is decoded.
mod code {
    pub(super) const FATAL_ERROR: u16 = 1;
    pub(super) const FUNCTION_RESULT: u16 = 2;
    pub(super) const LOG: u16 = 3;
    pub(super) const DB: std::ops::RangeInclusive<u16> = 1001..=1013;
    pub(super) const DB_BATCHES: std::ops::RangeInclusive<u16> = 1008..=1012;
    pub(super) const HTTP_REQUEST: u16 = 3001;
}

impl MessageLimits {
    pub(super) fn new(limits: &Limits) -> Self {
        let bytes = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        let response = bytes(limits.response_bytes).saturating_add(RESPONSE_OVERHEAD_BYTES);
        Self { response, largest: bytes(limits.message_bytes) }
    }

    /// The limit of the message that starts like this.
    fn of(&self, message: &[u8]) -> usize {
        let Some(code) = message.first_chunk().copied().map(u16::from_le_bytes) else { return self.largest };
        let limit = match code {
            code::FATAL_ERROR | code::LOG => TEXT_BYTES_MAX,
            code::FUNCTION_RESULT => self.response,
            code::HTTP_REQUEST => HTTP_BYTES_MAX,
            code if code::DB.contains(&code) => DB_BYTES_MAX,
            _ => self.largest,
        };
        limit.min(self.largest)
    }
}

/// The items of a batch that is longer than a batch can be.
fn excessive_items(message: &[u8]) -> Option<u32> {
    let code = u16::from_le_bytes(*message.first_chunk()?);
    let items = u32::from_le_bytes(*message.get(2..)?.first_chunk()?);
    (code::DB_BATCHES.contains(&code) && items > BATCH_ITEMS_MAX).then_some(items)
}

impl Conversation {
    /// A conversation that begins with the message `input`.
    pub(super) fn new(input: Vec<u8>, limits: MessageLimits) -> Self {
        Self {
            input,
            input_read: 0,
            output: Vec::new(),
            decode_at_bytes: 0,
            decoded_bytes: 0,
            limits,
            question: None,
            ending: None,
        }
    }

    /// What the guest has not read yet.
    pub(super) fn unread(&self) -> &[u8] {
        &self.input[self.input_read..]
    }

    /// Notes that the guest has read `bytes` more.
    pub(super) fn mark_read(&mut self, bytes: usize) {
        self.input_read += bytes;
    }

    /// The question without an answer.
    pub(super) fn next_question(&mut self, log: &InvocationLog) -> Option<Question> {
        self.decode(log);
        self.question.take()
    }

    /// What the guest wrote of a message that is not complete, in bytes.
    pub(super) fn unfinished_bytes(&self) -> usize {
        self.output.len()
    }

    /// Puts an answer where the guest will read it.
    pub(super) fn answer(&mut self, message: &mu_abi::Incoming) {
        if self.input_read == self.input.len() {
            self.input.clear();
            self.input_read = 0;
        }
        message.encode(&mut self.input);
    }

    /// Takes what the guest wrote. `false` when it has broken the protocol and should be stopped.
    pub(super) fn write(&mut self, data: &[u8], log: &InvocationLog) -> bool {
        if matches!(self.ending, Some(Ending::Violation(_))) {
            return false;
        }
        self.output.extend_from_slice(data);
        if self.output.len() >= self.decode_at_bytes {
            self.decode(log);
        }
        !matches!(self.ending, Some(Ending::Violation(_)))
    }

    /// How the conversation ended, once the guest has.
    pub(super) fn finish(&mut self, log: &InvocationLog) -> Option<Ending> {
        self.decode(log);
        if self.ending.is_none() && !self.output.is_empty() {
            let bytes = self.output.len();
            self.violate(format!("it ended in the middle of a message, after {bytes} bytes"));
        }
        self.ending.take()
    }

    fn decode(&mut self, log: &InvocationLog) {
        // An incomplete message to which nothing was added is still incomplete.
        if self.output.len() == self.decoded_bytes {
            return;
        }
        let mut consumed = 0;
        loop {
            let rest = &self.output[consumed..];
            if rest.is_empty() {
                self.decode_at_bytes = 0;
                break;
            }
            if let Some(items) = excessive_items(rest) {
                self.violate(format!("a batch of {items} items, and {BATCH_ITEMS_MAX} are possible"));
                consumed = self.output.len();
                continue;
            }
            match Outgoing::decode(rest, self.limits.of(rest)) {
                Ok(Decoded::Complete { message, consumed_bytes }) => {
                    consumed += consumed_bytes;
                    if !self.receive(message, log) {
                        consumed = self.output.len();
                    }
                }
                Ok(Decoded::Incomplete { at_least_bytes }) => {
                    // At least half as much again, so that many small writes cost no more than a few large ones; a
                    // message that is complete earlier is found when the guest reads or ends.
                    self.decode_at_bytes = at_least_bytes.max(rest.len() + rest.len() / 2);
                    break;
                }
                Err(DecodeError::TooLarge { limit_bytes, .. }) => {
                    let limit_bytes = limit_bytes as u64;
                    self.ending = Some(Ending::Violation(Failure::OutputTooLarge { what: "message", limit_bytes }));
                    consumed = self.output.len();
                }
                Err(error) => {
                    self.violate(error.to_string());
                    consumed = self.output.len();
                }
            }
        }
        self.output.drain(..consumed);
        self.decoded_bytes = self.output.len();
    }

    /// Takes one message; `false` when what follows does not matter.
    fn receive(&mut self, message: Outgoing, log: &InvocationLog) -> bool {
        if matches!(self.ending, Some(Ending::Fatal(_) | Ending::Violation(_))) {
            return false;
        }
        let question = match message {
            Outgoing::FatalError(text) => {
                self.ending = Some(Ending::Fatal(text));
                return false;
            }
            Outgoing::FunctionResult(response) if self.ending.is_none() => {
                self.ending = Some(Ending::Result(response));
                return true;
            }
            Outgoing::FunctionResult(_) => {
                self.violate("a second result".to_owned());
                return false;
            }
            Outgoing::Log { body, level } => {
                log.write(LogSource::Function, log_level(level), body);
                return true;
            }
            Outgoing::Db(request) => Question::Db(request),
            Outgoing::Storage(request) => Question::Storage(request),
            Outgoing::Http(request) => Question::Http(request),
        };
        if self.question.is_some() {
            self.violate("a question before the answer to the one before was read".to_owned());
            return false;
        }
        self.question = Some(question);
        true
    }

    fn violate(&mut self, reason: String) {
        self.ending = Some(Ending::Violation(Failure::Protocol(reason)));
    }
}

fn log_level(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::Error,
        LogLevel::Warn => Level::Warn,
        LogLevel::Info => Level::Info,
        LogLevel::Debug => Level::Debug,
        LogLevel::Trace => Level::Trace,
    }
}
