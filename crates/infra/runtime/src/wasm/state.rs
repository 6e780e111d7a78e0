//! What one instance carries with it while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mu_abi::Incoming;
use mu_env::Env;
use mu_telemetry::{InvocationLog, Level, LogSource};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use wasmtime::ModuleExport;

use super::Shared;
use super::meter::MemoryMeter;
use super::protocol::{Conversation, Question};
use crate::Services;
use crate::egress::{is_to_node, send_to_node};

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
    /// Work of host functions since the guest last yielded, in instructions it might as well have been.
    host_work: u64,
    /// Instructions executed when the guest last yielded in a host function.
    yielded_at: u64,
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
            host_work: 0,
            yielded_at: 0,
            services,
            shared,
        }
    }

    pub(super) fn env(&self) -> &Env {
        &self.shared.env
    }

    /// Notes work that a host function did for the guest, of which it can ask without limit, after `instructions` in
    /// all. `true` when the guest should yield now: instructions and host work together have filled a slice.
    pub(super) fn note_host_work(&mut self, work: u64, instructions: u64) -> bool {
        self.host_work = self.host_work.saturating_add(work);
        let is_full = self.host_work.saturating_add(instructions.saturating_sub(self.yielded_at)) >= SLICE_INSTRUCTIONS;
        if is_full {
            self.host_work = 0;
            self.yielded_at = instructions;
        }
        is_full
    }

    /// The oldest question that waits for an answer, with what is needed to find it.
    pub(super) fn next_question(&mut self) -> Option<(Question, Answerer)> {
        let question = self.conversation.next_question(&self.log)?;
        let (services, shared) = (Arc::clone(&self.services), Arc::clone(&self.shared));
        let answerer = Answerer { services, shared, has_moved: self.slice.has_moved() };
        Some((question, answerer))
    }
}

/// Answers questions without holding on to the instance that asked.
pub(super) struct Answerer {
    services: Arc<dyn Services>,
    shared: Arc<Shared>,
    has_moved: bool,
}

impl Answerer {
    /// The answer, worked out by the node's own threads: those that compute do nothing else.
    pub(super) async fn answer(self, question: Question) -> wasmtime::Result<Incoming> {
        if !self.has_moved {
            return Ok(self.answer_here(question).await);
        }
        let node = self.shared.node.clone();
        // Dropped, when the guest's time is over, it stops the work.
        Ok(AbortOnDropHandle::new(node.spawn(self.answer_here(question))).await?)
    }

    async fn answer_here(self, question: Question) -> Incoming {
        match question {
            Question::Db(request) => Incoming::Db(self.services.db(request).await),
            Question::Storage(request) => Incoming::Storage(self.services.storage(request).await),
            Question::Http(request) if is_to_node(&request.url) => {
                Incoming::Http(send_to_node(&*self.services, request).await)
            }
            Question::Http(request) => Incoming::Http(self.shared.http.send(request).await),
        }
    }
}

/// A time slice, in instructions: about a millisecond of computing, after which others get their turn. What host
/// functions do for a guest fills slices as well, so none is much longer than another.
pub(super) const SLICE_INSTRUCTIONS: u64 = 2_000_000;

/// What whoever polls a guest and the guest's host functions tell each other about its time slices.
#[derive(Clone, Debug)]
pub(super) struct Slice(Arc<SliceFlags>);

#[derive(Debug)]
struct SliceFlags {
    /// Whether the guest, when it is pending, waits for the node; otherwise its time slice is used up. Set by the
    /// thread that polls the guest only.
    is_waiting: AtomicBool,
    /// Whether the guest has moved to the compute threads.
    has_moved: AtomicBool,
}

impl Slice {
    /// For a guest that has not begun, so that what is pending is the node.
    pub(super) fn new() -> Self {
        Self(Arc::new(SliceFlags { is_waiting: AtomicBool::new(true), has_moved: AtomicBool::new(false) }))
    }

    /// The guest begins to compute.
    pub(super) fn begin(&self) {
        self.set_waiting(false);
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.0.is_waiting.load(Ordering::Relaxed)
    }

    /// The guest goes on on the compute threads.
    pub(super) fn mark_moved(&self) {
        self.0.has_moved.store(true, Ordering::Relaxed);
    }

    fn has_moved(&self) -> bool {
        self.0.has_moved.load(Ordering::Relaxed)
    }

    /// Does something that the guest waits for.
    pub(super) async fn while_waiting<T>(self, work: impl Future<Output = T>) -> T {
        self.set_waiting(true);
        let done = work.await;
        self.set_waiting(false);
        done
    }

    fn set_waiting(&self, is_waiting: bool) {
        self.0.is_waiting.store(is_waiting, Ordering::Relaxed);
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
