//! Components that handle HTTP requests: runtimes `wasi-http` and `wasi-http-0.3`.
//!
//! A component sees what any other host of `wasi:http` would show it; its requests and responses stream. Metering and
//! limits are those of modules: fuel counts its instructions, and the same hook that tells the meter of growing memory
//! keeps account of what host functions do for it, so that a guest which makes the host work yields like one that
//! computes.

mod answer;
mod blobstore;
mod compile;
mod config;
mod egress;
mod execute;
mod keyvalue;
mod logging;
mod pacing;
mod request;
mod reuse;
mod state;
mod stdio;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use mu_stack::{Instances, Runtime};
use mu_telemetry::{InvocationLog, Level};
use tokio::sync::oneshot;
use tokio::time::timeout_at;

use self::answer::{Answer, Cut, Settled};
pub(super) use self::compile::{CompiledComponent, compile, latest_linker, linker};
use self::execute::{Job, execute};
use self::reuse::IdleInstances;
pub(super) use self::state::ComponentState;
use super::Shared;
use super::slice::{InSlices, Slice};
use crate::{Artifact, Call, ExecutionUsage, Failure, Outcome, Program, Ran, Rest, RestOutcome};

/// A loaded component.
pub(super) struct ComponentProgram {
    shared: Arc<Shared>,
    artifact: Artifact,
    runtime: Runtime,
    /// Where instances wait for their next call, when they are to have one.
    idle: Option<Arc<IdleInstances>>,
}

impl ComponentProgram {
    pub(super) fn new(shared: Arc<Shared>, artifact: Artifact, runtime: Runtime, instances: Instances) -> Self {
        let idle = match instances {
            Instances::Fresh => None,
            Instances::Reuse => Some(Arc::new(IdleInstances::new(Arc::clone(&shared.idle_places)))),
        };
        Self { shared, artifact, runtime, idle }
    }
}

#[async_trait]
impl Program for ComponentProgram {
    async fn run(&self, call: Call) -> Ran {
        let code = match timeout_at(call.deadline, self.shared.code.obtain(&self.artifact, self.runtime)).await {
            Ok(Ok(code)) => code,
            Ok(Err(error)) => return ended(Err(error.into()), ExecutionUsage::default()),
            Err(_) => {
                return ended(Err(Failure::TimedOut { timeout: call.limits.timeout }), ExecutionUsage::default());
            }
        };
        let (slice, log, cut) = (Slice::new(), Arc::new(call.log), Cut::default());
        let (reply, mut answer) = oneshot::channel();
        let job = Job {
            handler: call.handler,
            request: call.request,
            env: call.env,
            limits: call.limits,
            deadline: call.deadline,
            services: call.services,
            log: Arc::clone(&log),
            cut: cut.clone(),
            reply,
        };
        let execution = execute(Arc::clone(&self.shared), code, job, slice.clone(), self.idle.clone());
        let mut running = InSlices::start(Arc::clone(&self.shared), slice, execution);

        // Most calls are over at once, with everything that they have to say.
        let mut is_unanswerable = false;
        let first = poll_fn(|context| {
            let over = match Pin::new(&mut running).poll(context) {
                Poll::Ready(over) => Some(over),
                Poll::Pending => None,
            };
            let mut answered = None;
            if !is_unanswerable && let Poll::Ready(answer) = Pin::new(&mut answer).poll(context) {
                is_unanswerable = answer.is_err();
                answered = answer.ok();
            }
            if over.is_none() && answered.is_none() { Poll::Pending } else { Poll::Ready((over, answered)) }
        });
        match first.await {
            (Some(over), answered) => {
                // A channel does not show what it holds to a task that has received much at once; it does when asked so.
                let answered = answered.or_else(|| answer.try_recv().ok());
                conclude(answered, over.unwrap_or_else(shut_down), &log, &cut)
            }
            (None, Some(answered)) => match answer::response(answered, &cut) {
                Ok(response) => {
                    let rest = async move { running.await.unwrap_or_else(shut_down) };
                    Ran::Answered { response, rest: Rest::new(rest) }
                }
                // Whatever the handler still does, it has no answer. It runs to its end, so that it is accounted for.
                Err(failure) => ended(Err(failure), running.await.unwrap_or_else(shut_down).1),
            },
            (None, None) => ended(Err(closing()), ExecutionUsage::default()),
        }
    }
}

/// What the answer and the end of a call mean together.
fn conclude(answered: Option<Answer>, (result, usage): RestOutcome, log: &InvocationLog, cut: &Cut) -> Ran {
    let Some(answered) = answered else {
        let none = || Failure::NoResult(": it set no response".to_owned());
        return ended(Err(result.err().unwrap_or_else(none)), usage);
    };
    let response = match answer::response(answered, cut) {
        Ok(response) => response,
        Err(failure) => return ended(Err(failure), usage),
    };
    match (answer::settle(response), result) {
        (Settled::Whole(response), Ok(())) => ended(Ok(response), usage),
        (Settled::Whole(response), Err(failure)) => {
            log.write_runtime(Level::Warn, format!("after its response, the function failed: {failure}"));
            ended(Ok(response), usage)
        }
        (Settled::Cut, result) => {
            let cut = || Failure::NoResult(": it did not finish its response's body".to_owned());
            ended(Err(result.err().unwrap_or_else(cut)), usage)
        }
    }
}

fn ended(result: Result<crate::Response, Failure>, usage: ExecutionUsage) -> Ran {
    Ran::Ended(Outcome { result, usage })
}

fn shut_down() -> RestOutcome {
    (Err(closing()), ExecutionUsage::default())
}

fn closing() -> Failure {
    Failure::Internal("the engine is shutting down".to_owned())
}
