use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::Full;
use mu_container::Exit;
use mu_runtime::{Call, ContainerConfig, Engine, Failure, Limits, LoadError, LoadParams};
use mu_stack::ContainerSettings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio::sync::Notify;

use super::world::{Seen, World, answer, body, config, failure, params, until};
use crate::support::{LIMITS, Silent, ended};

/// What a container says of a call, whether it has another one, and why the first failed.
#[tokio::test]
async fn what_a_container_says_decides_over_it() {
    for (status, is_kept, message) in [
        (502, true, "the function failed: said"),
        (504, true, "the function did not answer within 60s (timeout)"),
        (500, false, "the function answered with the status 500 Internal Server Error of its FDK"),
        (204, false, "the function answered with the status 204 No Content of its FDK"),
    ] {
        let seen = Seen::default();
        let world = World::serving(config(), {
            let seen = seen.clone();
            move |asked| {
                seen.note(&asked);
                async move { answer(status, "said") }
            }
        });
        let program = world.load(ContainerSettings::default()).await;
        for _ in 0..2 {
            assert_eq!(failure(world.run(&program).await).to_string(), message);
        }
        let ids = seen.ids();
        assert_eq!(ids[0] == ids[1], is_kept, "{status}");
    }
}

/// A program that is asked once, and then does this with the connection.
async fn raw(process: mu_container::MemoryProcess, said: &'static [u8], exit: Option<Exit>) -> Exit {
    let listener = UnixListener::bind(process.socket_dir.join("lsnr.sock")).unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    // The request is smaller.
    assert_ne!(stream.read(&mut [0; 4096]).await.unwrap(), 0);
    stream.write_all(said).await.unwrap();
    drop(stream);
    match exit {
        Some(exit) => exit,
        None => std::future::pending().await,
    }
}

#[tokio::test]
async fn what_is_no_answer_is_told_as_such() {
    for (said, exit, message) in [
        (
            &b""[..],
            None,
            "the function ended without a result: its container closed the connection before it had answered",
        ),
        (b"", Some(Exit::Code(3)), "the function ended without a result: its container exited with status 3"),
        (b"", Some(Exit::Signal(9)), "the function ended without a result: its container was killed by signal 9"),
        (
            b"",
            Some(Exit::OutOfMemory),
            "the function ended without a result: its container used up its memory (memory_limit) and was killed",
        ),
        (b"SSH-2.0\r\n\r\n", None, "the function answered with what is not HTTP: "),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
            Some(Exit::Code(0)),
            "the function ended without a result: ",
        ),
    ] {
        let world = World::running(config(), move |process| raw(process, said, exit));
        let program = world.load(ContainerSettings::default()).await;
        let failure = failure(world.run(&program).await).to_string();
        assert!(failure.starts_with(message), "{failure}");
        until(|| world.runner.containers().is_empty()).await;
    }
}

#[tokio::test]
async fn an_answer_may_be_too_large() {
    let world = World::serving(config(), |asked| async move {
        match asked.request.headers().contains_key("fn-http-h-x-head") {
            true => http::Response::builder().header("x-large", "x".repeat(100_000)).body(Full::default()).unwrap(),
            false => answer(200, vec![b'x'; 2_000]),
        }
    });
    let program = world.load(ContainerSettings::default()).await;
    let limits = Limits { response_bytes: 1_999, ..LIMITS };
    let outcome = ended(program.run(world.call(limits)).await);
    assert_eq!(failure(outcome).to_string(), "the function's response is larger than 1999 bytes");
    let mut call = world.call(LIMITS);
    call.request.headers.insert("x-head", "1".parse().unwrap());
    let outcome = ended(program.run(call).await);
    assert_eq!(failure(outcome).to_string(), "the function's response head is larger than 65536 bytes");
}

#[tokio::test]
async fn a_request_may_be_too_large() {
    let world = World::serving(config(), |_| async { answer(200, "done") });
    let program = world.load(ContainerSettings::default()).await;
    let mut call = world.call(Limits { request_bytes: 3, ..LIMITS });
    call.request.body = mu_runtime::full_body("four");
    assert!(matches!(failure(ended(program.run(call).await)), Failure::RequestTooLarge { limit_bytes: 3 }));
    // No container was needed to say so.
    assert!(world.runner.containers().is_empty());
}

#[tokio::test]
async fn whoever_does_not_get_ready_says_why() {
    let patience = ContainerConfig { start_timeout: Duration::from_millis(20), ..config() };
    let world = World::running(patience, |mut process| async move {
        process.stderr.write_all(b"no module named fdk\n").await.unwrap();
        Exit::Code(1)
    });
    let program = world.load(ContainerSettings::default()).await;
    let text = failure(world.run(&program).await).to_string();
    assert_eq!(text, "the function did not start: its container exited with status 1");
    assert_eq!(world.lines(), ["stderr info no module named fdk"]);

    let world = World::running(patience, |_| std::future::pending());
    let program = world.load(ContainerSettings::default()).await;
    let failed = failure(world.run(&program).await);
    assert!(matches!(failed, Failure::StartTimedOut { .. }), "{failed}");
    until(|| world.runner.containers().is_empty()).await;

    world.runner.refuse_next("there is no such program");
    let text = failure(world.run(&program).await).to_string();
    assert!(text.contains("there is no such program"), "{text}");
}

#[tokio::test]
async fn a_start_that_fails_is_charged() {
    let ends = Arc::new(Notify::new());
    let world = World::running(config(), {
        let ends = Arc::clone(&ends);
        move |_| {
            let ends = Arc::clone(&ends);
            async move {
                ends.notified().await;
                Exit::Code(1)
            }
        }
    });
    let program = world.load(ContainerSettings::default()).await;
    let call = tokio::spawn({
        let (program, call) = (Arc::clone(&program), world.call(LIMITS));
        async move { ended(program.run(call).await) }
    });
    until(|| world.runner.containers().len() == 1).await;
    world.runner.set_cpu_time(&world.runner.containers()[0], Duration::from_millis(7));
    ends.notify_one();
    let outcome = call.await.unwrap();
    assert_eq!(outcome.usage.instructions, 7_000_000);
    assert!(matches!(failure(outcome), Failure::NotStarted(_)));
}

#[tokio::test]
async fn a_start_may_take_longer_than_the_call() {
    let world = World::running(config(), |_| std::future::pending());
    let program = world.load(ContainerSettings::default()).await;
    let limits = Limits { timeout: Duration::from_millis(50), ..LIMITS };
    let failed = failure(ended(program.run(world.call(limits)).await));
    assert!(matches!(failed, Failure::TimedOut { .. }), "{failed}");
}

#[tokio::test]
async fn a_socket_that_leads_elsewhere_is_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let path = outside.path().join("other.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let world = World::running(config(), move |process| {
        symlink(&path, process.socket_dir.join("lsnr.sock")).unwrap();
        std::future::pending()
    });
    let program = world.load(ContainerSettings::default()).await;
    let text = failure(world.run(&program).await).to_string();
    assert_eq!(text, "the function did not start: `lsnr.sock` leads out of its directory");
}

#[tokio::test]
async fn a_call_ends_with_its_time_and_its_container() {
    let calls = Arc::new(AtomicUsize::new(0));
    let world = World::serving(config(), {
        let calls = Arc::clone(&calls);
        move |_| {
            let is_first = calls.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                if is_first {
                    std::future::pending::<()>().await;
                }
                answer(200, "done")
            }
        }
    });
    let program = world.load(ContainerSettings::default()).await;
    let limits = Limits { timeout: Duration::from_millis(300), ..LIMITS };
    let failed = failure(ended(program.run(world.call(limits)).await));
    assert!(matches!(failed, Failure::TimedOut { .. }), "{failed}");
    until(|| world.runner.containers().is_empty()).await;
    assert_eq!(body(world.run(&program).await).await, "done");
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_accounted_for() {
    let world = World::serving(config(), |asked| async move {
        asked.process.spec.env.len();
        std::future::pending().await
    });
    let program = world.load(ContainerSettings::default()).await;
    let services = Arc::new(Silent::default());
    let call = Call { services: Arc::clone(&services) as _, ..world.call(LIMITS) };
    let mut call = call;
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    call.request.begun = Some(begun);
    let running = tokio::spawn({
        let program = Arc::clone(&program);
        async move { program.run(call).await }
    });
    has_begun.await.unwrap();
    running.abort();
    let _ = running.await;
    assert_eq!(services.0.lock().unwrap().len(), 1);
    until(|| world.runner.containers().is_empty()).await;
}

#[tokio::test]
async fn a_budget_of_instructions_ends_a_call() {
    let world = World::serving(config(), |asked| async move {
        let _ = asked;
        std::future::pending().await
    });
    let program = world.load(ContainerSettings::default()).await;
    let limits = Limits { instructions: 1_000_000, ..LIMITS };
    let run = tokio::spawn({
        let (program, call) = (Arc::clone(&program), world.call(limits));
        async move { ended(program.run(call).await) }
    });
    // The second half of the budget is used when the call is under way, whenever that is.
    for used_ms in 1.. {
        if run.is_finished() {
            break;
        }
        for id in world.runner.containers() {
            world.runner.set_cpu_time(&id, Duration::from_millis(used_ms));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let failed = failure(run.await.unwrap());
    assert!(matches!(failed, Failure::InstructionsExhausted { limit: 1_000_000 }), "{failed}");
}

#[tokio::test]
async fn what_cannot_be_loaded_says_why() {
    let world = World::serving(ContainerConfig { memory_bytes: 1 << 20, ..config() }, |_| async { answer(200, "") });
    let usual = || params(ContainerSettings::default());
    let error = world.engine.load(usual()).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "its memory_limit of 16777216 bytes is more than the 1048576 bytes that the node has for containers"
    );
    for (bytes, message) in
        [(&b"{}"[..], "the artifact is not `{\"image\": \"NAME\"}`: it has no `image`"), (b"\0asm\x01\0\0\0", "")]
    {
        let artifact = mu_runtime::Artifact::from_bytes(bytes);
        let error =
            world.engine.load(LoadParams { artifact, memory_limit_bytes: 1 << 20, ..usual() }).await.err().unwrap();
        assert!(error.to_string().contains(message), "{error}");
        assert!(matches!(error, LoadError::NotAnImage { .. } | LoadError::Image(_)), "{error:?}");
    }
}
