//! The guest's side of the conversation: what it wrote, decoded; what it will read, encoded.

use std::collections::VecDeque;

use mu_abi::{DbRequest, StorageRequest};
use mu_abi::{DecodeError, Decoded, HttpRequest, LogLevel, Outgoing, Response};
use mu_telemetry::{InvocationLog, Level, LogSource};

use crate::Failure;

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
    message_limit_bytes: usize,
    questions: VecDeque<Question>,
    ending: Option<Ending>,
}

/// How the guest ended the conversation.
#[derive(Debug)]
pub(super) enum Ending {
    Result(Response),
    Fatal(String),
    Violation(Failure),
}

/// Questions that may wait at once. The protocol allows one; a guest that asks without reading answers is stopped.
const QUESTIONS_MAX: usize = 16;

impl Conversation {
    /// A conversation that begins with the message `input`.
    pub(super) fn new(input: Vec<u8>, message_limit_bytes: usize) -> Self {
        Self {
            input,
            input_read: 0,
            output: Vec::new(),
            decode_at_bytes: 0,
            message_limit_bytes,
            questions: VecDeque::new(),
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

    /// The oldest question without an answer.
    pub(super) fn next_question(&mut self, log: &InvocationLog) -> Option<Question> {
        self.decode(log);
        self.questions.pop_front()
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
        let mut consumed = 0;
        loop {
            let rest = &self.output[consumed..];
            if rest.is_empty() {
                self.decode_at_bytes = 0;
                break;
            }
            match Outgoing::decode(rest, self.message_limit_bytes) {
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
        if self.questions.len() == QUESTIONS_MAX {
            self.violate(format!("more than {QUESTIONS_MAX} questions without reading an answer"));
            return false;
        }
        self.questions.push_back(question);
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
