//! One container that is ready for calls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mu_container::{Container, ContainerSpec, Exit, Runner};
use mu_env::Tasks;
use mu_telemetry::LogSource;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::engine::Eviction;
use super::exchange::Connection;
use super::log::OutputLog;
use super::reserve::Reservation;
use crate::Failure;

/// How often it is looked whether a function listens: often while most functions get ready, less so later.
const LOOK_OFTEN: Duration = Duration::from_millis(1);
const LOOK_SELDOM: Duration = Duration::from_millis(10);
const OFTEN_FOR: Duration = Duration::from_millis(300);

/// How long it may take to notice that a container whose connection broke has ended.
const EXIT_PATIENCE: Duration = Duration::from_millis(200);

/// A container with its connection. Dropped, it is removed.
#[derive(Debug)]
pub(super) struct Instance {
    held: Held,
    connection: Connection,
    /// Processor time that calls have been charged with.
    charged: Duration,
    is_frozen: bool,
}

/// Why a container is not ready, what it wrote, and the processor time that it has used.
#[derive(Debug)]
pub(super) struct StartFailure {
    pub(super) failure: Failure,
    pub(super) output: Vec<(LogSource, String)>,
    pub(super) cpu_time: Duration,
}

/// A container and what goes with it. Dropped, it is removed.
struct Held {
    container: Option<Arc<Box<dyn Container>>>,
    output: Arc<OutputLog>,
    tasks: Tasks,
    /// Given back when the container is gone.
    reservation: Option<Reservation>,
    /// Why it is removed, if others need its room.
    eviction: Option<Eviction>,
    /// Tasks that look at it.
    watchers: Vec<AbortOnDropHandle<()>>,
}

impl Instance {
    /// Starts a container and waits until its function listens.
    pub(super) async fn start(
        tasks: &Tasks,
        runner: &dyn Runner,
        spec: ContainerSpec,
        reservation: Reservation,
        patience: Duration,
    ) -> Result<Self, StartFailure> {
        let started = runner.start(spec).await.map_err(|error| Failure::NotStarted(error.to_string()))?;
        let held = Held::new(tasks, started, reservation)?;
        match held.listening(patience).await {
            Ok(connection) => Ok(Self { held, connection, charged: Duration::ZERO, is_frozen: false }),
            Err(failure) => {
                let cpu_time = held.container().cpu_time().unwrap_or_default();
                Err(StartFailure { failure, output: held.output.early(), cpu_time })
            }
        }
    }

    /// What it writes.
    pub(super) fn output(&self) -> &OutputLog {
        &self.held.output
    }

    /// The connection for one call, and what tells its processor time meanwhile.
    pub(super) fn parts(&mut self) -> (&mut Connection, &dyn Container) {
        (&mut self.connection, self.held.container())
    }

    /// Notes that it is removed because others need its room.
    pub(super) fn give_way(&mut self, eviction: Eviction) {
        self.held.eviction = Some(eviction);
    }

    /// Calls `gone` when it ends by itself.
    pub(super) fn watch(&mut self, gone: impl FnOnce() + Send + 'static) {
        let Some(container) = self.held.container.clone() else { return };
        self.held.watch(async move {
            container.exited().await;
            gone();
        });
    }

    /// Stops it where it is, until it is woken.
    pub(super) async fn freeze(&mut self) -> Result<(), Failure> {
        self.held.container().freeze().await.map_err(|error| Failure::Internal(error.to_string()))?;
        self.is_frozen = true;
        Ok(())
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.is_frozen
    }

    /// Makes it ready for a call, with a new connection if its function has closed the one before.
    pub(super) async fn wake(&mut self) -> Result<(), Failure> {
        if self.is_frozen {
            self.held.container().thaw().await.map_err(|error| Failure::Internal(error.to_string()))?;
            self.is_frozen = false;
        }
        if !self.connection.is_ready().await {
            self.connection = self.held.listening(EXIT_PATIENCE).await?;
        }
        Ok(())
    }

    /// Processor time since it was asked last, or since the start.
    pub(super) fn charge(&mut self) -> Duration {
        let charge = self.uncharged();
        self.charged += charge;
        charge
    }

    /// Processor time that nobody was charged with yet.
    pub(super) fn uncharged(&self) -> Duration {
        // A container that is gone has used what was charged.
        self.held.container().cpu_time().unwrap_or_default().saturating_sub(self.charged)
    }

    /// Why its connection broke.
    pub(super) async fn epitaph(&self) -> Failure {
        match timeout(EXIT_PATIENCE, self.held.container().exited()).await {
            Ok(exit) => Failure::NoResult(format!(": {}", ended(exit))),
            Err(_) => Failure::NoResult(": its container closed the connection before it had answered".to_owned()),
        }
    }
}

impl Held {
    fn new(tasks: &Tasks, mut container: Box<dyn Container>, reservation: Reservation) -> Result<Self, StartFailure> {
        let output = container.take_output();
        let output = output.ok_or_else(|| Failure::Internal("a container without output".to_owned()))?;
        let output = Arc::new(OutputLog::new(output));
        let (container, reservation) = (Some(Arc::new(container)), Some(reservation));
        let mut held = Self {
            container,
            output: Arc::clone(&output),
            tasks: tasks.clone(),
            reservation,
            eviction: None,
            watchers: Vec::new(),
        };
        held.watch(async move { output.pump().await });
        Ok(held)
    }

    fn watch(&mut self, watcher: impl Future<Output = ()> + Send + 'static) {
        self.watchers.push(AbortOnDropHandle::new(tokio::spawn(watcher)));
    }

    fn container(&self) -> &dyn Container {
        self.container.as_deref().expect("it is there until it is dropped").as_ref()
    }

    /// A connection, as soon as the function listens.
    async fn listening(&self, patience: Duration) -> Result<Connection, Failure> {
        let container = self.container();
        tokio::select! {
            // Who has ended does not listen, whatever it left behind.
            biased;
            exit = container.exited() => Err(Failure::NotStarted(ended(exit))),
            connected = connected(container) => connected,
            () = sleep(patience) => Err(Failure::StartTimedOut { patience }),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(container) = self.container.take() else { return };
        let room = (self.eviction.take(), self.reservation.take());
        let watchers = std::mem::take(&mut self.watchers);
        self.tasks.spawn(async move {
            for watcher in watchers {
                watcher.abort();
                let _ = watcher.await;
            }
            if let Some(container) = Arc::into_inner(container) {
                let id = container.id().clone();
                if let Err(error) = container.remove().await {
                    tracing::warn!(%id, %error, "a container was not removed whole; the next start of the node tries again");
                }
            }
            drop(room);
        });
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.container, f)
    }
}

impl From<Failure> for StartFailure {
    fn from(failure: Failure) -> Self {
        Self { failure, output: Vec::new(), cpu_time: Duration::ZERO }
    }
}

async fn connected(container: &dyn Container) -> Result<Connection, Failure> {
    let begun = Instant::now();
    loop {
        match Connection::open(container.socket_dir()).await {
            Ok(Some(connection)) => return Ok(connection),
            Ok(None) => {}
            Err(error) => return Err(Failure::NotStarted(error.to_string())),
        }
        sleep(if begun.elapsed() < OFTEN_FOR { LOOK_OFTEN } else { LOOK_SELDOM }).await;
    }
}

fn ended(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("its container exited with status {code}"),
        Exit::Signal(signal) => format!("its container was killed by signal {signal}"),
        Exit::OutOfMemory => "its container used up its memory (memory_limit) and was killed".to_owned(),
        Exit::Unknown => "its container ended".to_owned(),
    }
}
