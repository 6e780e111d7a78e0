//! What one instance carries with it while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mu_abi::Incoming;
use mu_env::Env;
use mu_telemetry::{InvocationLog, Level, LogSource};
use tokio::time::Instant;
use wasmtime::ModuleExport;

use super::Shared;
use super::meter::MemoryMeter;
use super::protocol::{Conversation, Question};
use crate::Services;

/// The data of an instance's store: everything host functions work on.
pub(super) struct State {
    pub(super) meter: MemoryMeter,
    pub(super) fuel_budget: u64,
    pub(super) conversation: Conversation,
    pub(super) stderr: StderrLines,
    pub(super) environment: Arc<[(String, String)]>,
    pub(super) memory: Option<ModuleExport>,
    pub(super) started: Instant,
    pub(super) log: InvocationLog,
    pub(super) slice: Slice,
    pub(super) services: Arc<dyn Services>,
    shared: Arc<Shared>,
}

impl State {
    #[expect(clippy::too_many_arguments, reason = "one constructor for a record of independent parts")]
    pub(super) fn new(
        shared: Arc<Shared>,
        services: Arc<dyn Services>,
        log: InvocationLog,
        environment: Arc<[(String, String)]>,
        conversation: Conversation,
        meter: MemoryMeter,
        fuel_budget: u64,
        slice: Slice,
    ) -> Self {
        Self {
            meter,
            fuel_budget,
            conversation,
            stderr: StderrLines::default(),
            environment,
            memory: None,
            started: shared.env.clock().instant(),
            log,
            slice,
            services,
            shared,
        }
    }

    pub(super) fn env(&self) -> &Env {
        &self.shared.env
    }

    /// The oldest question that waits for an answer, with what is needed to find it.
    pub(super) fn next_question(&mut self) -> Option<(Question, Answerer)> {
        let question = self.conversation.next_question(&self.log)?;
        let answerer = Answerer { services: Arc::clone(&self.services), shared: Arc::clone(&self.shared) };
        Some((question, answerer))
    }
}

/// Answers questions without holding on to the instance that asked.
pub(super) struct Answerer {
    services: Arc<dyn Services>,
    shared: Arc<Shared>,
}

impl Answerer {
    pub(super) async fn answer(&self, question: Question) -> Incoming {
        match question {
            Question::Db(request) => Incoming::Db(self.services.db(request).await),
            Question::Storage(request) => Incoming::Storage(self.services.storage(request).await),
            Question::Http(request) => Incoming::Http(self.shared.http.send(request).await),
        }
    }
}

/// Tells whoever polls a guest why it is pending: because it waits for the node, or because its time slice is used up.
#[derive(Clone, Debug)]
pub(super) struct Slice(Arc<AtomicBool>);

impl Slice {
    /// For a guest that has not begun, so that what is pending is the node.
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    /// The guest begins to compute.
    pub(super) fn begin(&self) {
        self.set_waiting(false);
    }

    /// Whether the guest, when it is pending, waits for the node.
    pub(super) fn is_waiting(&self) -> bool {
        // Only the thread that polls the guest sets it.
        self.0.load(Ordering::Relaxed)
    }

    /// Does something that the guest waits for.
    pub(super) async fn while_waiting<T>(self, work: impl Future<Output = T>) -> T {
        self.set_waiting(true);
        let done = work.await;
        self.set_waiting(false);
        done
    }

    fn set_waiting(&self, is_waiting: bool) {
        self.0.store(is_waiting, Ordering::Relaxed);
    }
}

/// Standard error, cut into lines for the log.
#[derive(Debug, Default)]
pub(super) struct StderrLines {
    partial: Vec<u8>,
}

/// A line longer than this is logged in pieces.
const LINE_BYTES_MAX: usize = 8 << 10;

impl StderrLines {
    pub(super) fn write(&mut self, mut data: &[u8], log: &InvocationLog) {
        while !data.is_empty() {
            let room = LINE_BYTES_MAX - self.partial.len();
            let window = &data[..data.len().min(room)];
            if let Some(end) = window.iter().position(|byte| *byte == b'\n') {
                self.partial.extend_from_slice(&window[..end]);
                data = &data[end + 1..];
                self.flush(log);
            } else {
                self.partial.extend_from_slice(window);
                data = &data[window.len()..];
                if self.partial.len() == LINE_BYTES_MAX {
                    self.flush(log);
                }
            }
        }
    }

    /// Logs what has been written of a line; an empty line is not worth one.
    pub(super) fn flush(&mut self, log: &InvocationLog) {
        if !self.partial.is_empty() {
            let line = String::from_utf8_lossy(&self.partial).trim_end().to_owned();
            log.write(LogSource::Stderr, Level::Info, line);
            self.partial.clear();
        }
    }
}
