use std::sync::Arc;
use std::time::Duration;

use http::Response;
use http_body_util::Full;
use mu_runtime::{Call, Form, INSTRUCTIONS_PER_CPU_MICROSECOND, Request, full_body};
use mu_stack::ContainerSettings;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::oneshot;

use super::world::{Seen, World, answer, body, config, listen, until};
use crate::support::{LIMITS, ended};

#[tokio::test]
async fn a_request_and_its_response_travel_in_headers() {
    let world = World::serving(config(), |asked| async move {
        let headers = asked.request.headers();
        let text = |name: &str| headers.get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
        let said = [
            asked.request.method().to_string(),
            asked.request.uri().to_string(),
            text("fn-intent"),
            text("fn-http-method"),
            text("fn-http-request-url"),
            text("fn-http-h-mu-handler"),
            String::from_utf8(asked.request.body().to_vec()).unwrap(),
        ];
        let response = Response::builder().header("fn-http-status", "201").header("fn-http-h-x-own", "1");
        response.header("content-type", "text/plain").header("x-hidden", "1").body(Full::from(said.join(" "))).unwrap()
    });
    let program = world.load(ContainerSettings::default()).await;
    let mut call = world.call(LIMITS);
    call.request.body = full_body("body");
    call.request.raw_query = Some("q=1".to_owned());
    let outcome = ended(program.run(call).await);
    let response = outcome.result.as_ref().unwrap();
    assert_eq!(response.status, 201);
    assert_eq!(response.headers["x-own"], "1");
    assert_eq!(response.headers["content-type"], "text/plain");
    assert!(!response.headers.contains_key("x-hidden"));
    assert_eq!(body(outcome).await, "POST /call httprequest GET http://localhost/?q=1 handle body");

    let plain = world.call(LIMITS);
    let plain = Call { request: Request { form: Form::Plain, ..plain.request }, ..plain };
    let outcome = ended(program.run(plain).await);
    assert_eq!(outcome.result.as_ref().unwrap().headers["x-hidden"], "1");
    assert_eq!(body(outcome).await, "POST /call - - - - ");
}

#[tokio::test]
async fn a_container_knows_whose_it_is() {
    let world = World::serving(config(), |asked| async move {
        let env: Vec<String> = asked.process.spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        answer(200, env.join("\n"))
    });
    let program = world.load(ContainerSettings::default()).await;
    let env = body(world.run(&program).await).await;
    let id = "s_4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi";
    let expected = [
        "GREETING=hi",
        "FN_LISTENER=unix:/tmp/iofs/lsnr.sock",
        "FN_FORMAT=http-stream",
        "FN_TYPE=sync",
        "FN_MEMORY=16",
        "FN_TMPSIZE=4",
        &format!("FN_APP_ID={id}"),
        "FN_APP_NAME=stack",
        &format!("FN_FN_ID={id}.function"),
        "FN_NAME=function",
    ];
    assert_eq!(env.lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn one_container_serves_calls_one_after_the_other() {
    let seen = Seen::default();
    let world = World::serving(config(), {
        let seen = seen.clone();
        move |asked| {
            seen.note(&asked);
            async { answer(200, "done") }
        }
    });
    let program = world.load(ContainerSettings::default()).await;
    for _ in 0..5 {
        assert_eq!(body(world.run(&program).await).await, "done");
    }
    let ids = seen.ids();
    assert_eq!(ids.len(), 5);
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test]
async fn calls_that_wait_get_containers_of_their_own() {
    // Every call waits for the other one.
    let barrier = Arc::new(tokio::sync::Barrier::new(2));
    let world = World::serving(config(), move |_| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            answer(200, "done")
        }
    });
    let program = world.load(ContainerSettings::default()).await;
    let (first, second) = tokio::join!(world.run(&program), world.run(&program));
    assert_eq!((body(first).await, body(second).await), ("done".to_owned(), "done".to_owned()));
    assert_eq!(world.runner.containers().len(), 2);
}

#[tokio::test]
async fn a_connection_that_the_function_closes_is_made_again() {
    let seen = Seen::default();
    let world = World::serving(config(), {
        let seen = seen.clone();
        move |asked| {
            seen.note(&asked);
            async { Response::builder().header("connection", "close").body(Full::from("done")).unwrap() }
        }
    });
    let program = world.load(ContainerSettings::default()).await;
    for _ in 0..3 {
        assert_eq!(body(world.run(&program).await).await, "done");
    }
    let ids = seen.ids();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test]
async fn lines_belong_to_the_call_in_which_they_were_written() {
    let world = World::running(config(), |mut process| async move {
        process.stderr.write_all(b"starting\n").await.unwrap();
        let stdout = Arc::new(tokio::sync::Mutex::new((process.stdout, 0)));
        let (stdout_end, _) = tokio::net::unix::pipe::pipe().unwrap();
        process.stdout = stdout_end;
        listen(
            Arc::new(process),
            Arc::new(move |_| {
                let stdout = Arc::clone(&stdout);
                Box::pin(async move {
                    let (pipe, count) = &mut *stdout.lock().await;
                    *count += 1;
                    pipe.write_all(format!("call {count}\nhalf a line").as_bytes()).await.unwrap();
                    answer(200, "done")
                })
            }),
        )
        .await;
        mu_container::Exit::Code(0)
    });
    let program = world.load(ContainerSettings::default()).await;
    world.run(&program).await.result.unwrap();
    world.run(&program).await.result.unwrap();
    assert_eq!(
        world.lines(),
        [
            "stderr info starting",
            "stdout info call 1",
            "stdout info half a line",
            "stdout info call 2",
            "stdout info half a line",
        ]
    );
}

#[tokio::test]
async fn processor_time_is_charged_once() {
    let world = World::serving(config(), |_| async { answer(200, "done") });
    let program = world.load(ContainerSettings::default()).await;
    world.run(&program).await.result.unwrap();
    let id = world.runner.containers().remove(0);
    for (total_ms, charged_ms) in [(3, 3), (3, 0), (10, 7)] {
        world.runner.set_cpu_time(&id, Duration::from_millis(total_ms));
        let usage = world.run(&program).await.usage;
        assert_eq!(usage.instructions, charged_ms * 1_000 * INSTRUCTIONS_PER_CPU_MICROSECOND);
        assert_eq!(usage.byte_instructions, u128::from(usage.instructions) * u128::from(LIMITS.memory_bytes));
    }
}

#[tokio::test]
async fn who_wants_to_know_is_told_that_a_call_begins() {
    let (begun, mut has_begun) = oneshot::channel();
    let (goes_on, go_on) = oneshot::channel::<()>();
    let go_on = Arc::new(std::sync::Mutex::new(Some(go_on)));
    let world = World::serving(config(), move |_| {
        let go_on = go_on.lock().unwrap().take().unwrap();
        async move {
            go_on.await.unwrap();
            answer(200, "done")
        }
    });
    let program = world.load(ContainerSettings::default()).await;
    let mut call = world.call(LIMITS);
    call.request.begun = Some(begun);
    let run = tokio::spawn(async move { ended(program.run(call).await) });
    (&mut has_begun).await.unwrap();
    goes_on.send(()).unwrap();
    assert_eq!(body(run.await.unwrap()).await, "done");
}

#[tokio::test]
async fn a_frozen_container_is_thawed_for_its_next_call() {
    let config = mu_runtime::ContainerConfig { freeze_after: Some(Duration::from_millis(1)), ..config() };
    let world = World::serving(config, |_| async { answer(200, "done") });
    let program = world.load(ContainerSettings::default()).await;
    for _ in 0..3 {
        assert_eq!(body(world.run(&program).await).await, "done");
        let ids = world.runner.containers();
        assert_eq!(ids.len(), 1);
        until(|| world.runner.is_frozen(&ids[0]) == Some(true)).await;
    }
    let readings = world.engine.readings();
    assert_eq!((readings.frozen, readings.started), (1, 1));
}
