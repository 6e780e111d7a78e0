use std::sync::Arc;
use std::time::Duration;

use mu_runtime::{ContainerConfig, Failure, Limits};
use mu_stack::ContainerSettings;
use tokio::sync::Semaphore;

use super::world::{World, answer, body, config, failure, until};
use crate::support::{LIMITS, ended};

/// Room for so many containers of these tests.
fn room_for(containers: u64) -> ContainerConfig {
    ContainerConfig { memory_bytes: containers * LIMITS.memory_bytes, ..config() }
}

/// Containers whose calls each wait for a permit.
fn gated(config: ContainerConfig) -> (World, Arc<Semaphore>) {
    let open = Arc::new(Semaphore::new(0));
    let world = World::serving(config, {
        let open = Arc::clone(&open);
        move |_| {
            let open = Arc::clone(&open);
            async move {
                open.acquire().await.unwrap().forget();
                answer(200, "done")
            }
        }
    });
    (world, open)
}

#[tokio::test]
async fn idle_containers_end_after_their_time() {
    let world = World::serving(config(), |_| async { answer(200, "done") });
    let program = world.load(ContainerSettings { idle_timeout: Duration::ZERO, ..ContainerSettings::default() }).await;
    world.run(&program).await.result.unwrap();
    until(|| world.runner.containers().is_empty()).await;
    assert_eq!(world.engine.readings().reserved_bytes, 0);
}

#[tokio::test]
async fn some_are_kept_ready() {
    let world = World::serving(config(), |_| async { answer(200, "done") });
    let settings = ContainerSettings { min_instances: 2, idle_timeout: Duration::ZERO, ..ContainerSettings::default() };
    let program = world.load(settings).await;
    until(|| world.engine.readings().idle == 2).await;
    let before = world.runner.containers();
    for _ in 0..3 {
        assert_eq!(body(world.run(&program).await).await, "done");
    }
    assert_eq!(world.runner.containers(), before);
    drop(program);
    until(|| world.runner.containers().is_empty()).await;
}

#[tokio::test]
async fn one_that_ends_by_itself_is_replaced() {
    let ends = Arc::new(Semaphore::new(0));
    let world = World::running(config(), {
        let ends = Arc::clone(&ends);
        move |process| {
            let ends = Arc::clone(&ends);
            async move {
                let handler = Arc::new(|_: super::world::Asked| {
                    Box::pin(async { answer(200, "done") }) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
                });
                tokio::select! {
                    () = super::world::listen(Arc::new(process), handler) => {}
                    end = ends.acquire() => end.unwrap().forget(),
                }
                mu_container::Exit::Code(1)
            }
        }
    });
    let program = world.load(ContainerSettings { min_instances: 1, ..ContainerSettings::default() }).await;
    until(|| world.engine.readings().idle == 1).await;
    let before = world.runner.containers();
    ends.add_permits(1);
    until(|| world.engine.readings().started == 2 && world.engine.readings().idle == 1).await;
    assert_ne!(world.runner.containers(), before);
    assert_eq!(body(world.run(&program).await).await, "done");
}

#[tokio::test]
async fn idle_containers_of_others_give_way() {
    let world = World::serving(room_for(1), |_| async { answer(200, "done") });
    let (first, second) =
        (world.load(ContainerSettings::default()).await, world.load(ContainerSettings::default()).await);
    for program in [&first, &second, &first] {
        assert_eq!(body(world.run(program).await).await, "done");
        assert_eq!(world.runner.containers().len(), 1);
    }
    let readings = world.engine.readings();
    assert_eq!((readings.started, readings.evicted), (3, 2));
}

#[tokio::test]
async fn who_finds_no_room_waits_and_is_told() {
    let (world, open) = gated(room_for(1));
    let (first, second) =
        (world.load(ContainerSettings::default()).await, world.load(ContainerSettings::default()).await);
    let busy = tokio::spawn({
        let (first, call) = (Arc::clone(&first), world.call(LIMITS));
        async move { ended(first.run(call).await) }
    });
    until(|| world.engine.readings().busy == 1).await;
    let limits = Limits { timeout: Duration::from_millis(50), ..LIMITS };
    let refused = failure(ended(second.run(world.call(limits)).await));
    assert!(matches!(refused, Failure::NoRoom), "{refused}");
    // Who can wait for longer gets it when the other one ends.
    let waits = tokio::spawn({
        let (second, call) = (Arc::clone(&second), world.call(LIMITS));
        async move { ended(second.run(call).await) }
    });
    until(|| world.engine.readings().waiting_calls == 1).await;
    open.add_permits(2);
    assert_eq!(body(busy.await.unwrap()).await, "done");
    assert_eq!(body(waits.await.unwrap()).await, "done");
    assert_eq!(world.runner.containers().len(), 1);
}

#[tokio::test]
async fn who_stops_waiting_leaves_nothing_behind() {
    let (world, open) = gated(room_for(1));
    let program = world.load(ContainerSettings::default()).await;
    let spawn = || {
        let (program, call) = (Arc::clone(&program), world.call(LIMITS));
        tokio::spawn(async move { ended(program.run(call).await) })
    };
    let busy = spawn();
    until(|| world.engine.readings().busy == 1).await;
    let gives_up = spawn();
    until(|| world.engine.readings().waiting_calls == 1).await;
    gives_up.abort();
    until(|| world.engine.readings().waiting_calls == 0).await;
    open.add_permits(1);
    assert_eq!(body(busy.await.unwrap()).await, "done");
    until(|| world.engine.readings().idle == 1).await;
}

#[tokio::test]
async fn many_calls_are_all_answered() {
    let config = ContainerConfig { freeze_after: Some(Duration::ZERO), ..room_for(3) };
    let world = World::serving(config, |_| async { answer(200, "done") });
    let settings = ContainerSettings { idle_timeout: Duration::from_millis(1), ..ContainerSettings::default() };
    let program = world.load(settings).await;
    for round in 0..30 {
        let calls = (0..round).map(|_| {
            let (program, call) = (Arc::clone(&program), world.call(LIMITS));
            tokio::spawn(async move { ended(program.run(call).await) })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(body(call.await.unwrap()).await, "done");
        }
    }
    assert!(world.runner.containers().len() <= 3);
}

#[tokio::test]
async fn closing_removes_everything() {
    let world = World::serving(config(), |_| async { answer(200, "done") });
    let program = world.load(ContainerSettings { min_instances: 3, ..ContainerSettings::default() }).await;
    assert_eq!(body(world.run(&program).await).await, "done");
    world.engine.close().await;
    assert!(world.runner.containers().is_empty());
}
