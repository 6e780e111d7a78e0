//! What one instance carries with it while it runs.

use std::sync::Arc;

use mu_abi::Incoming;
use mu_env::Env;
use mu_telemetry::{InvocationLog, LogSource};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use wasmtime::ModuleExport;

use super::Shared;
use super::meter::{MemoryMeter, Metered};
use super::protocol::{Conversation, Question};
use super::slice::{SLICE_INSTRUCTIONS, Slice};
use crate::egress::{is_to_node, send_to_node};
use crate::lines::Lines;
use crate::{ExecutionUsage, Services};

/// The data of an instance's store: everything host functions work on.
pub(super) struct State {
    pub(super) meter: MemoryMeter,
    pub(super) fuel_budget: u64,
    pub(super) conversation: Conversation,
    pub(super) stderr: Lines,
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
            stderr: Lines::new(LogSource::Stderr),
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

impl Metered for State {
    fn meter(&mut self) -> &mut MemoryMeter {
        &mut self.meter
    }

    fn budget(&self) -> u64 {
        self.fuel_budget
    }

    fn abandoned(&self, usage: ExecutionUsage) {
        self.services.abandoned(usage);
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
