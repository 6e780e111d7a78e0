//! The quotas of stacks and of their owners, as the invoker asks for them.

use std::sync::Arc;

use async_trait::async_trait;
use mu_control::quota::{Exceeded, Limit, Measure, MeasureError, Quota, QuotaDefaults, Quotas, Stored};
use mu_db::MuDb;
use mu_invoke::{Asks, DataKind, Gatekeeper, Pass, Refusal, WritePermit, code};
use mu_stack::StackId;
use mu_storage::Boxes;

use crate::settings::{QuotaSettings, Settings};

/// The [`Gatekeeper`] of a server.
pub(super) struct QuotaGate(pub(super) Arc<Quotas>);

impl Gatekeeper for QuotaGate {
    fn admit(&self, asks: &Asks<'_>) -> Result<Pass, Refusal> {
        match self.0.admit(asks.stack, asks.owner) {
            Ok(admitted) if admitted.is_free() => Ok(Pass::free()),
            Ok(admitted) => Ok(Pass::holding(admitted)),
            Err(exceeded) => Err(refusal(&exceeded)),
        }
    }

    fn may_write(&self, stack: &StackId, kind: DataKind, bytes: u64) -> WritePermit<'_> {
        let (stack, stored) = (*stack, stored(kind));
        match self.0.admit_bytes_at_once(stack, stored, bytes) {
            Ok(()) => WritePermit::Granted,
            Err(over) if !over.may_fit() => WritePermit::Refused(over.exceeded.to_string()),
            Err(_) => WritePermit::Later(Box::pin(async move {
                self.0.admit_bytes(stack, stored, bytes).await.map_err(|exceeded| exceeded.to_string())
            })),
        }
    }
}

/// Looks at all data of a stack.
pub(super) struct DataSize {
    pub(super) db: Arc<MuDb>,
    pub(super) boxes: Arc<Boxes>,
}

#[async_trait]
impl Measure for DataSize {
    async fn measure(&self, stack: &StackId, stored: Stored) -> Result<u64, MeasureError> {
        match stored {
            Stored::Tables => self.db.stored_bytes(stack.key()).await.map_err(|e| MeasureError(e.to_string())),
            Stored::Boxes => self.boxes.stored_bytes(stack.key()).await.map_err(|e| MeasureError(e.to_string())),
        }
    }
}

/// What applies where operators have set no quota.
pub(super) fn defaults(settings: &Settings) -> QuotaDefaults {
    QuotaDefaults { client: quota(&settings.client_quota), stack: quota(&settings.stack_quota) }
}

fn quota(settings: &QuotaSettings) -> Quota {
    Quota {
        invocations_per_second: settings.invocations_per_second,
        concurrent_invocations: settings.concurrent_invocations,
        instructions_per_day: settings.instructions_per_day,
        table_bytes: settings.table_bytes,
        box_bytes: settings.box_bytes,
        requests_per_second: settings.requests_per_second,
    }
}

fn stored(kind: DataKind) -> Stored {
    match kind {
        DataKind::Tables => Stored::Tables,
        DataKind::Boxes => Stored::Boxes,
    }
}

fn refusal(exceeded: &Exceeded) -> Refusal {
    let code = match exceeded.limit {
        Limit::ConcurrentInvocations => code::TOO_MANY_CALLS,
        Limit::InstructionsPerDay => code::INSTRUCTIONS_USED_UP,
        _ => code::RATE_LIMITED,
    };
    Refusal { code, message: exceeded.to_string(), retry_after: exceeded.retry_after.unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mu_control::quota::{Owners, QuotaParts, Subject};
    use mu_control::usage::UsageLedger;
    use mu_db::{Atomicity, Kv, MemJournal, MemKv};
    use mu_env::{Env, Timestamp};
    use mu_invoke::Cause;
    use mu_storage::{MemBlobs, RootKey};
    use mu_telemetry::{Metrics, MetricsParams};

    use super::*;

    const STACK: StackId = StackId::new([1; 32]);

    struct World {
        env: Env,
        db: Arc<MuDb>,
        boxes: Arc<Boxes>,
        quotas: Arc<Quotas>,
        gate: QuotaGate,
        owner: Arc<str>,
    }

    impl World {
        async fn new(client: Quota, stack: Quota) -> Self {
            let env = Env::simulated(1, Timestamp::from_micros(43_200_000_000));
            let kv: Arc<dyn Kv> = Arc::new(MemKv::new());
            let db = Arc::new(MuDb::new(Arc::clone(&kv)));
            let boxes = Arc::new(Boxes::open(Arc::new(MemBlobs::new()), RootKey::from_bytes([2; 32]), &env));
            db.declare_tables(STACK.key(), &["t"]).await.unwrap();
            boxes.declare_boxes(STACK.key(), &["b"]).await.unwrap();
            let journal = Arc::new(MemJournal::new([3; 16]));
            let (usage, _) = UsageLedger::open(journal, Arc::clone(&kv), env.clone()).await.unwrap();
            let owners = Owners::default();
            let owner = owners.add(STACK, "k_owner");
            let quotas = Quotas::open(QuotaParts {
                env: env.clone(),
                kv,
                defaults: QuotaDefaults { client, stack },
                owners,
                usage,
                measure: Arc::new(DataSize { db: Arc::clone(&db), boxes: Arc::clone(&boxes) }),
                metrics: Metrics::new(MetricsParams { version: "1", functions_max: 1 }),
            });
            let quotas = Arc::new(quotas.await.unwrap());
            Self { env, db, boxes, gate: QuotaGate(Arc::clone(&quotas)), quotas, owner }
        }

        fn admit(&self) -> Result<Pass, Refusal> {
            let cause = Cause::CommandLine;
            self.gate.admit(&Asks { stack: STACK, owner: Some(&self.owner), version: 1, cause: &cause })
        }

        /// What a function is told that writes so much.
        async fn write(&self, kind: DataKind, bytes: u64) -> Result<(), String> {
            match self.gate.may_write(&STACK, kind, bytes) {
                WritePermit::Granted => Ok(()),
                WritePermit::Refused(told) => Err(told),
                WritePermit::Later(permit) => permit.await,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn calls_are_refused_with_what_the_caller_needs_to_know() {
        let none = Quota::default;
        let (zero, one) = (Some(0), Some(1));
        for (client, stack, expected) in [
            (none(), Quota { invocations_per_second: one, ..none() }, (code::RATE_LIMITED, 1)),
            (none(), Quota { concurrent_invocations: one, ..none() }, (code::TOO_MANY_CALLS, 1)),
            (Quota { concurrent_invocations: one, ..none() }, none(), (code::TOO_MANY_CALLS, 1)),
            (Quota { invocations_per_second: one, ..none() }, none(), (code::RATE_LIMITED, 1)),
        ] {
            let world = World::new(client, stack).await;
            let pass = world.admit().unwrap();
            let refusal = world.admit().unwrap_err();
            assert_eq!((refusal.code, refusal.retry_after), (expected.0, Duration::from_secs(expected.1)));
            assert!(!refusal.message.contains("k_owner"), "callers are not told who owns it: {}", refusal.message);
            drop(pass);
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(world.admit().is_ok());
        }
        let world = World::new(none(), Quota { instructions_per_day: Some(0), ..none() }).await;
        let refusal = world.admit().unwrap_err();
        assert_eq!((refusal.code, refusal.retry_after), (code::INSTRUCTIONS_USED_UP, Duration::from_secs(43_200)));
        let world = World::new(none(), Quota { concurrent_invocations: zero, ..none() }).await;
        assert_eq!(world.admit().unwrap_err().retry_after, Duration::from_secs(3_600));
    }

    #[tokio::test(start_paused = true)]
    async fn writes_are_held_against_what_is_stored() {
        let world = World::new(Quota::default(), Quota::default()).await;
        let row = || world.db.put(STACK.key(), "t", b"key", b"1234567", Atomicity::Plain);
        row().await.unwrap();
        world.boxes.put(STACK.key(), "b", "key", "12".into()).await.unwrap();
        assert_eq!(world.write(DataKind::Tables, u64::MAX).await, Ok(()), "nobody has a limit");
        let quota = Quota { table_bytes: Some(25), box_bytes: Some(6), ..Quota::default() };
        world.quotas.set(&Subject::Stack(STACK), quota).await.unwrap();
        // A first write brings the measurement about.
        for kind in [DataKind::Tables, DataKind::Boxes] {
            assert_eq!(world.write(kind, 1).await, Ok(()));
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let over = |limit, allowed| {
            let limit = format!("stack {STACK} is at the limit `{limit}` of its quota, {allowed}");
            Err(format!("{limit}: delete something, or ask an operator for more"))
        };
        // The same row over and over takes no more room, which is found out when it seems to.
        for _ in 0..20 {
            assert_eq!(world.write(DataKind::Tables, 10).await, Ok(()));
            row().await.unwrap();
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        assert_eq!(world.write(DataKind::Tables, 16).await, over("table_bytes", 25));
        assert_eq!(world.write(DataKind::Boxes, 5).await, over("box_bytes", 6));
        world.boxes.delete(STACK.key(), "b", "key").await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(world.write(DataKind::Boxes, 5).await, Ok(()), "something was deleted");
        world.env.tasks().stop().await;
    }
}
