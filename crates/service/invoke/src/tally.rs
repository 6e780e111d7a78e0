//! Sees to it that every invocation ends in exactly one receipt.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use mu_env::{InvocationId, Timestamp};
use mu_pricing::Usage;
use mu_runtime::{ExecutionUsage, Failure, Outcome, Response, RestOutcome};
use mu_telemetry::{InvocationLog, Level};
use tokio::time::Instant;

use crate::admission::Refusal;
use crate::deployment::{DeployedFunction, Deployment, InFlightGuard, Target};
use crate::error::{InvokeError, Kind, RETRY_AFTER, classify, code, failure_text};
use crate::gatekeeper::{self, Pass};
use crate::invoker::Invoker;
use crate::receipt::{Cause, OpenReceipt, Receipt, Verdict};
use crate::services::CallServices;

/// One invocation from when it is asked for until its receipt is written. Dropped before that, because its caller went
/// away, it writes the receipt of an abandoned call.
pub(crate) struct Tally {
    invoker: Arc<Invoker>,
    target: Target,
    id: InvocationId,
    /// Taken when the receipt is written.
    cause: Option<Cause>,
    started: Timestamp,
    start: Instant,
    waited: Duration,
    services: Option<Arc<CallServices>>,
    in_flight: InFlightGuard,
    /// Ends after the receipt is written.
    pass: Pass,
}

impl Tally {
    pub(crate) fn start(
        invoker: &Arc<Invoker>,
        deployment: &Arc<Deployment>,
        target: &Target,
        cause: Cause,
        id: InvocationId,
    ) -> Self {
        let clock = invoker.env().clock();
        Self {
            invoker: Arc::clone(invoker),
            target: target.clone(),
            id,
            cause: Some(cause),
            started: clock.now(),
            start: clock.instant(),
            waited: Duration::ZERO,
            services: None,
            in_flight: deployment.enter(),
            pass: Pass::free(),
        }
    }

    /// When the invocation was asked for. Its time runs from then on.
    pub(crate) fn start_instant(&self) -> Instant {
        self.start
    }

    /// Keeps the gatekeeper's permission until the invocation's end.
    pub(crate) fn holds(&mut self, pass: Pass) {
        self.pass = pass;
    }

    /// Notes that the invocation had to wait for a place until now.
    pub(crate) fn waited(&mut self) {
        self.waited = self.elapsed();
    }

    /// Notes that the invocation runs from now on, with these services.
    pub(crate) fn runs(&mut self, services: Arc<CallServices>) {
        self.services = Some(services);
    }

    /// The invocation's log.
    pub(crate) fn log(&self, limit_bytes: usize) -> InvocationLog {
        InvocationLog::new(
            self.invoker.env().clone(),
            Arc::clone(self.invoker.logs()),
            self.id,
            *self.deployment().id().key(),
            Arc::clone(self.deployment().name()),
            Arc::clone(&self.function().name),
            limit_bytes,
        )
    }

    /// The end of an invocation that the gatekeeper did not let in.
    pub(crate) fn turned_away(mut self, refusal: gatekeeper::Refusal) -> InvokeError {
        let gatekeeper::Refusal { code, message, retry_after } = refusal;
        self.write_receipt(Verdict::Refused(code), ExecutionUsage::default());
        let retry_after = Some(retry_after.max(RETRY_AFTER));
        InvokeError { kind: Kind::Exhausted, code, message, invocation: self.id, retry_after }
    }

    /// The end of an invocation that found no place.
    pub(crate) fn refused(mut self, refusal: Refusal) -> InvokeError {
        let function = Arc::clone(&self.function().name);
        let (code, message) = match refusal {
            Refusal::QueueFull => (code::QUEUE_FULL, format!("too many calls of function `{function}` wait already")),
            Refusal::TimedOut => {
                let timeout = self.function().limits.timeout;
                (code::QUEUE_TIMED_OUT, format!("function `{function}` had no room for the call within {timeout:?}"))
            }
        };
        self.waited();
        self.write_receipt(Verdict::Rejected(code), ExecutionUsage::default());
        let retry_after = Some(RETRY_AFTER);
        InvokeError { kind: Kind::Unavailable, code, message, invocation: self.id, retry_after }
    }

    /// The end of an invocation that ran.
    pub(crate) fn ran(mut self, outcome: Outcome) -> Result<Response, InvokeError> {
        match outcome.result {
            Ok(response) => {
                self.write_receipt(Verdict::Answered(response.status), outcome.usage);
                Ok(response)
            }
            Err(failure) => {
                let error = self.tell(&failure);
                self.write_receipt(Verdict::Failed(error.code), outcome.usage);
                Err(error)
            }
        }
    }

    /// The end of an invocation whose handler had answered before it ended: its caller has the answer, or as much of it
    /// as there was.
    pub(crate) fn ran_on(mut self, status: StatusCode, (result, usage): RestOutcome) {
        let verdict = match result {
            Ok(()) => Verdict::Answered(status),
            Err(failure) => Verdict::Failed(self.tell(&failure).code),
        };
        self.write_receipt(verdict, usage);
    }

    /// The end of an invocation whose engine panicked. The engine reports what the execution had used as it does when
    /// a call is dropped, so that the receipt is written when the execution has let go of its services.
    pub(crate) fn panicked(mut self, failure: &Failure) -> InvokeError {
        let error = self.tell(failure);
        self.leave_receipt(Verdict::Failed(error.code));
        error
    }

    /// Tells the function's author of a failure, and answers what its caller is told.
    fn tell(&self, failure: &Failure) -> InvokeError {
        self.log(0).write_runtime(level_of(failure), failure_text(failure));
        InvokeError::from_failure(failure, self.id, self.invoker.config().failure_detail)
    }

    /// Leaves the receipt with the services, which complete and write it when nobody uses them any more.
    fn leave_receipt(&mut self, verdict: Verdict) {
        let Some(receipt) = self.receipt(verdict, ExecutionUsage::default()) else { return };
        let (meter, sink) = (Arc::clone(self.deployment().meter()), Arc::clone(self.invoker.receipts()));
        let receipt = OpenReceipt { receipt, meter, sink };
        match self.services.take() {
            Some(services) => services.close_at_end(receipt),
            // It had not begun.
            None => receipt.close(Usage::default(), 0),
        }
    }

    fn write_receipt(&mut self, verdict: Verdict, execution: ExecutionUsage) {
        let Some(receipt) = self.receipt(verdict, execution) else { return };
        self.deployment().meter().add_receipt(&receipt);
        self.invoker.receipts().accept(receipt);
    }

    /// The receipt, the first time it is asked for.
    fn receipt(&mut self, verdict: Verdict, execution: ExecutionUsage) -> Option<Receipt> {
        let cause = self.cause.take()?;
        let duration = self.elapsed();
        self.deployment().stats().record(verdict, duration);
        Some(Receipt {
            invocation: self.id,
            stack_id: self.deployment().id(),
            stack: Arc::clone(self.deployment().name()),
            version: self.deployment().version(),
            function: Arc::clone(&self.function().name),
            handler: Arc::clone(self.target.handler()),
            cause,
            started: self.started,
            waited: self.waited,
            duration,
            verdict,
            usage: self.services.as_ref().map(|services| services.usage(execution)).unwrap_or_default(),
            memory_bytes_max: execution.memory_bytes_max,
        })
    }

    fn deployment(&self) -> &Deployment {
        self.in_flight.deployment()
    }

    fn function(&self) -> &DeployedFunction {
        self.deployment().function(&self.target)
    }

    fn elapsed(&self) -> Duration {
        self.invoker.env().clock().instant().saturating_duration_since(self.start)
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if self.cause.is_some() && self.services.is_some() {
            let message = "stopped, because the caller went away before there was an answer";
            self.log(0).write_runtime(Level::Warn, message.to_owned());
        }
        self.leave_receipt(Verdict::Abandoned);
    }
}

/// A failure of the function is an error in its log; one that its caller or the node's load brought about, a warning.
fn level_of(failure: &Failure) -> Level {
    match classify(failure).0 {
        Kind::Invalid | Kind::TooLarge | Kind::Unavailable => Level::Warn,
        _ => Level::Error,
    }
}
