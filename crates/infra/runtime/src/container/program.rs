//! One call of a container function.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use mu_env::Env;
use mu_telemetry::{InvocationLog, Level};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::exchange::{Broken, Exchanged};
use super::http_stream::{self, Answer, Head};
use super::instance::StartFailure;
use super::meter;
use super::pool::{Lease, OpenPool};
use crate::{
    BodyError, Call, ExecutionUsage, Failure, Form, Limits, Outcome, Program, Ran, Request, Response, Services,
    collect_body,
};

/// How often a call is begun whose container turns out to be gone.
const ATTEMPTS_MAX: usize = 3;

/// The least and the longest time after which it is looked again whether a call has used up its instructions.
const BUDGET_LOOK: Duration = Duration::from_millis(10);
const BUDGET_LOOK_SELDOM: Duration = Duration::from_secs(1);

/// A container function that was loaded.
pub(super) struct ContainerProgram {
    env: Env,
    pool: OpenPool,
    memory_limit_bytes: u64,
}

impl ContainerProgram {
    pub(super) fn new(env: Env, pool: OpenPool, memory_limit_bytes: u64) -> Self {
        Self { env, pool, memory_limit_bytes }
    }

    async fn call(&self, call: Call) -> Outcome {
        let Call { handler, request, limits, deadline, services, log, .. } = call;
        let log = Arc::new(log);
        let mut usage = ExecutionUsage::default();
        let late = Failure::TimedOut { timeout: limits.timeout };
        // Whoever sends slowly keeps no container waiting.
        let (mut request, body) = match timeout_at(deadline, whole(request, &limits)).await {
            Err(_) => return Outcome { result: Err(late), usage },
            Ok(Err(failure)) => return Outcome { result: Err(failure), usage },
            Ok(Ok(read)) => read,
        };
        let (form, mut begun) = (request.form, request.begun.take());
        let made = match self.message(&handler, request, body, deadline, &log) {
            Ok(made) => made,
            Err(failure) => return Outcome { result: Err(failure), usage },
        };
        let mut attempts_left = ATTEMPTS_MAX;
        loop {
            attempts_left -= 1;
            let lease = match timeout_at(deadline, self.pool.pool().lease()).await {
                Err(_) if self.pool.pool().is_starting() => return Outcome { result: Err(late), usage },
                Err(_) => return Outcome { result: Err(Failure::NoRoom), usage },
                Ok(Err(failure)) => return self.not_started(failure, usage, &log),
                Ok(Ok(lease)) => lease,
            };
            let mut running = Running::begin(lease, Arc::clone(&services), self.memory_limit_bytes, &log, usage);
            if let Some(begun) = begun.take() {
                let _ = begun.send(());
            }
            let answered = exchange(&mut running, made.clone(), &limits, deadline, self.pool.pool().processors()).await;
            let result = match answered {
                Ok(exchanged) => understood(&mut running, form, exchanged, &limits, &log),
                // Its container ended between two calls, and nobody had noticed yet: this one never came to it.
                Err(Broken::Unread) if attempts_left > 0 => {
                    usage = running.end();
                    continue;
                }
                Err(Broken::Unread | Broken::Closed) => Err(running.lease().instance().epitaph().await),
                Err(Broken::Answer(failure)) => Err(failure),
            };
            return Outcome { result, usage: running.end() };
        }
    }

    /// The end of a call whose container did not get ready: it is told what that wrote, and charged with what it used.
    fn not_started(&self, failure: StartFailure, usage: ExecutionUsage, log: &InvocationLog) -> Outcome {
        let StartFailure { failure, output, cpu_time } = failure;
        for (source, line) in output {
            log.write(source, Level::Info, line);
        }
        Outcome { result: Err(failure), usage: meter::sum(usage, meter::usage(cpu_time, self.memory_limit_bytes)) }
    }

    /// The call as its container is sent it.
    fn message(
        &self,
        handler: &str,
        request: Request,
        body: Bytes,
        deadline: Instant,
        log: &InvocationLog,
    ) -> Result<http::Request<Full<Bytes>>, Failure> {
        let Request { form, method, path, path_params, raw_query, headers, .. } = request;
        let time_left = deadline.saturating_duration_since(Instant::now());
        let (path_params, raw_query) = (&path_params[..], raw_query.as_deref());
        let head = Head { form, handler, method: &method, path: &path, path_params, raw_query, headers };
        http_stream::request(head, body, log.invocation(), self.env.now(), time_left)
    }
}

/// Sends a call to its container and waits for the answer, within the call's time and its budget of instructions.
async fn exchange(
    running: &mut Running,
    made: http::Request<Full<Bytes>>,
    limits: &Limits,
    deadline: Instant,
    processors: u32,
) -> Result<Exchanged, Broken> {
    let (connection, container) = running.lease().instance().parts();
    let cpu_time = || container.cpu_time().unwrap_or_default();
    let before = cpu_time();
    let budget = meter::cpu_budget(limits.instructions);
    tokio::select! {
        exchanged = connection.exchange(made, limits.response_bytes) => exchanged,
        () = sleep_until(deadline) => Err(Broken::Answer(Failure::TimedOut { timeout: limits.timeout })),
        () = spent(|| cpu_time().saturating_sub(before), budget, processors) => {
            Err(Broken::Answer(Failure::InstructionsExhausted { limit: limits.instructions }))
        }
    }
}

/// What an answer means for the caller, and for the container.
fn understood(
    running: &mut Running,
    form: Form,
    exchanged: Exchanged,
    limits: &Limits,
    log: &InvocationLog,
) -> Result<Response, Failure> {
    let Exchanged { status, headers, body } = exchanged;
    match http_stream::answer(form, status, headers, body, limits.timeout) {
        Answer::Response(response) => {
            running.is_unharmed();
            Ok(response)
        }
        Answer::Failed(failure) => {
            running.is_unharmed();
            Err(failure)
        }
        Answer::Broken(failure) => {
            log.write_runtime(Level::Warn, "its container is replaced: it does not keep to the contract".to_owned());
            Err(failure)
        }
    }
}

#[async_trait]
impl Program for ContainerProgram {
    async fn run(&self, call: Call) -> Ran {
        self.call(call).await.into()
    }
}

/// A container in a call. Dropped before its end, it is removed, and the node is told what it has used.
struct Running {
    /// `None` when the call has ended.
    open: Option<(Lease, Arc<dyn Services>)>,
    memory_limit_bytes: u64,
    /// What containers have used to which the call did not come.
    used_before: ExecutionUsage,
}

impl Running {
    fn begin(
        mut lease: Lease,
        services: Arc<dyn Services>,
        memory_limit_bytes: u64,
        log: &Arc<InvocationLog>,
        used_before: ExecutionUsage,
    ) -> Self {
        lease.call_begins();
        lease.instance().output().begin(log);
        Self { open: Some((lease, services)), memory_limit_bytes, used_before }
    }

    fn lease(&mut self) -> &mut Lease {
        &mut self.open.as_mut().expect("a call is open until its end").0
    }

    /// However the call ends, the container is good for the next.
    fn is_unharmed(&mut self) {
        self.lease().call_ended();
    }

    fn end(mut self) -> ExecutionUsage {
        self.close().map(|(_, usage)| usage).unwrap_or_default()
    }

    fn close(&mut self) -> Option<(Arc<dyn Services>, ExecutionUsage)> {
        let (mut lease, services) = self.open.take()?;
        let instance = lease.instance();
        instance.output().catch_up();
        let usage = meter::sum(self.used_before, meter::usage(instance.charge(), self.memory_limit_bytes));
        Some((services, usage))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some((services, usage)) = self.close() {
            services.abandoned(usage);
        }
    }
}

/// The request with its body apart, read whole.
async fn whole(mut request: Request, limits: &Limits) -> Result<(Request, Bytes), Failure> {
    let body = std::mem::replace(&mut request.body, crate::empty_body());
    match collect_body(body, limits.request_bytes).await {
        Ok(body) => Ok((request, body)),
        Err(BodyError::TooLarge { limit_bytes }) => Err(Failure::RequestTooLarge { limit_bytes }),
        Err(error) => Err(Failure::RequestBroken(error.to_string())),
    }
}

/// Ends when so much processor time has been used from now on.
async fn spent(used: impl Fn() -> Duration, budget: Duration, processors: u32) {
    let mut left = budget;
    while !left.is_zero() {
        // It cannot be over sooner. Of a container that has ended, some runners know only what it had used at the last look.
        sleep((left / processors).clamp(BUDGET_LOOK, BUDGET_LOOK_SELDOM)).await;
        left = budget.saturating_sub(used());
    }
}
