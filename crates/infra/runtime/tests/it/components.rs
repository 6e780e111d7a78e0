//! Components of WASI 0.2 through the engine's port: what they see, how they answer, what stops them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http_body_util::{BodyExt, StreamBody};
use mu_runtime::{BodyError, Engine, Limits, LoadParams, Ran, collect_body, full_body};
use mu_stack::{Instances, Runtime};

use crate::component_guest::{Guest, component, ok};
use crate::support::{Bench, LIMITS, params};

#[tokio::test]
async fn a_component_answers() {
    let guest = Guest::load().await;
    let told = guest.get("/hello").await;
    assert_eq!(told.answer, ok("hello"));
    assert_eq!(told.headers["content-type"], "text/plain");
    // It ends with its answer, or after it where its slice of time was over in between.
    assert!(matches!(told.end, None | Some(Ok(()))), "{told:?}");
    assert!(told.instructions > 100 && told.memory_bytes_max >= 64 << 10, "{told:?}");
    assert_eq!(guest.get("/env/GREETING").await.answer, ok("salve"));
    assert_eq!(guest.get("/config/GREETING").await.answer, ok("Ok(Some(\"salve\")) of Ok(1)"));
    let seen = guest.get("/seen/%20x?q=1&q=2").await;
    let expected = "GET /seen/%20x?q=1&q=2\nhost: localhost\nmu-handler: handle\nmu-path-name: a%20b";
    assert_eq!(seen.answer, ok(expected).map(|(status, text)| (status, text.replace("host: localhost\n", ""))));
    assert_eq!(seen.headers.get_all("x-twice").iter().count(), 2);
}

/// Channels are silent towards a task that has received much without a pause; answers must show all the same.
#[tokio::test]
async fn an_answer_is_seen_whatever_its_caller_did_before() {
    let guest = Guest::load().await;
    for received in 110..=128 {
        tokio::task::yield_now().await;
        for _ in 0..received {
            tokio::task::consume_budget().await;
        }
        assert_eq!(guest.get("/hello").await.answer, ok("hello"), "after {received}");
    }
}

/// Each call has an instance of its own, unless the stack says otherwise.
#[tokio::test]
async fn instances_are_fresh_or_reused() {
    for (instances, expected) in [(Instances::Fresh, ["1", "1", "1"]), (Instances::Reuse, ["1", "2", "3"])] {
        let guest = Guest::with_instances(instances).await;
        for expected in expected {
            assert_eq!(guest.get("/calls").await.answer, ok(expected), "{instances:?}");
        }
        // One that fails is not used again.
        assert!(guest.get("/trap").await.answer.is_err());
        assert_eq!(guest.get("/calls").await.answer, ok("1"), "{instances:?}");
    }
}

#[tokio::test]
async fn counts_do_not_depend_on_what_an_instance_did_before() {
    let guest = Guest::with_instances(Instances::Reuse).await;
    guest.get("/compute/10").await;
    let counts = [guest.get("/compute/1000").await, guest.get("/compute/1000").await];
    assert_eq!(counts[0].instructions, counts[1].instructions);
}

#[tokio::test]
async fn counts_are_the_same_on_every_run() {
    let guest = Guest::load().await;
    let first = guest.get("/compute/100000").await;
    for _ in 0..3 {
        assert_eq!(guest.get("/compute/100000").await.instructions, first.instructions);
    }
    assert!(guest.get("/compute/200000").await.instructions > first.instructions + 500_000);
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let guest = Guest::load().await;
    guest.echoes_piece_by_piece().await;
}

#[tokio::test]
async fn large_bodies_pass_in_pieces() {
    let guest = Guest::load().await;
    let told = guest.get("/stream/64/1000000").await;
    assert_eq!(told.answer.unwrap().1.len(), 64_000_000);
    assert_eq!(told.end, Some(Ok(())));
    assert!(told.memory_bytes_max < 8 << 20, "{}", told.memory_bytes_max);
    let chunks = stream::iter((0..100).map(|_| Ok(http_body::Frame::data(Bytes::from_static(&[7; 1 << 16])))));
    let told = guest.call("/count", StreamBody::new(chunks).boxed_unsync(), LIMITS).await;
    assert_eq!(told.answer, ok("6553600 whole"));
    // More than the buffered runtime would take.
    let told = guest.call("/count", full_body(vec![0; 8 << 20]), LIMITS).await;
    assert_eq!(told.answer, ok("8388608 whole"));
}

#[tokio::test]
async fn events_come_one_by_one() {
    let guest = Guest::load().await;
    let Ran::Answered { mut response, rest } = guest.start("/events/3", full_body(""), LIMITS).await else {
        panic!("the answer comes before the last event")
    };
    assert_eq!(response.headers["content-type"], "text/event-stream");
    let reading = async {
        let mut events = Vec::new();
        while let Some(frame) = response.body.frame().await {
            events.push(frame.unwrap().into_data().unwrap());
        }
        events
    };
    let (events, (end, _)) = tokio::join!(reading, rest.run());
    assert_eq!(events, ["data: 0\n\n", "data: 1\n\n", "data: 2\n\n"]);
    assert!(end.is_ok());
}

#[tokio::test]
async fn trailers_pass() {
    let guest = Guest::load().await;
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-sum", "7".parse().unwrap());
    let body = full_body("data").with_trailers(std::future::ready(Some(Ok(trailers)))).boxed_unsync();
    let Ran::Ended(outcome) = guest.start("/trailers", body, LIMITS).await else { panic!("it is over at once") };
    let collected = outcome.result.unwrap().body.collect().await.unwrap();
    assert_eq!(collected.trailers().unwrap()["x-came"], "x-sum=7");
    assert_eq!(collected.to_bytes(), "body");
}

#[tokio::test]
async fn a_declared_length_is_told() {
    let guest = Guest::load().await;
    let Ran::Answered { response, rest } = guest.start("/length", full_body(""), LIMITS).await else {
        panic!("it pauses before the second half")
    };
    assert_eq!(http_body::Body::size_hint(&response.body).exact(), Some(8));
    let (body, _) = tokio::join!(collect_body(response.body, 100), rest.run());
    assert_eq!(body.unwrap(), "halfhalf");
}

#[tokio::test]
async fn standard_streams_are_the_log() {
    let guest = Guest::load().await;
    guest.get("/log").await;
    assert_eq!(
        guest.bench.logs.lines(),
        ["stdout info to standard output", "stderr info to standard error", "stderr info without an end"]
    );
}

/// There are no files, and no sockets but those of the node's own client.
#[tokio::test]
async fn nothing_of_the_machine_is_reachable() {
    let guest = Guest::load().await;
    let files = guest.get("/files").await.answer.unwrap().1;
    assert!(files.starts_with("Err("), "{files}");
    assert_eq!(guest.get("/sockets").await.answer, ok("refused"));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let fetched = guest.get(&format!("/fetch?{}/x", listener.local_addr().unwrap())).await;
    assert_eq!(fetched.answer, Ok((502, "ErrorCode::DestinationIpProhibited".to_owned())));
}

#[tokio::test]
async fn failures_are_told() {
    let guest = Guest::load().await;
    for (path, expected) in [
        ("/exit", "the function ended without a result: it exited with status 1"),
        ("/silent", "the function ended without a result: it set no response"),
        ("/code", "the function answered with the error ErrorCode::LoopDetected"),
        ("/short", "the function ended without a result: it did not finish its response's body"),
        ("/headers", "the function trapped: total size of fields exceeds limit"),
    ] {
        let failure = guest.get(path).await.answer.expect_err(path);
        assert!(failure.starts_with(expected), "{path}: {failure}");
    }
    // The head may have been passed on before the function ended.
    match guest.get("/unfinished").await.answer {
        Err(failure) => assert!(failure.ends_with("it did not finish its response's body"), "{failure}"),
        Ok(answer) => assert_eq!(answer, (200, "cut".to_owned())),
    }
    let trap = guest.get("/trap").await.answer.unwrap_err();
    assert!(trap.starts_with("the function trapped: wasm trap: wasm `unreachable` instruction executed"), "{trap}");
    assert!(guest.get("/handles").await.answer.unwrap_err().starts_with("the function trapped: "));
}

/// What a client already has of an answer cannot be taken back; it is cut off.
#[tokio::test]
async fn an_answer_under_way_is_cut_off() {
    let guest = Guest::load().await;
    let half = guest.get("/half").await;
    assert_eq!(half.answer, ok("cut"));
    assert!(half.end.unwrap().unwrap_err().starts_with("the function trapped: "));
    let after = guest.get("/after").await;
    assert_eq!(after.answer, ok("said"));
    assert!(guest.bench.logs.lines().iter().any(|line| line.contains("after its response, the function failed")));
}

#[tokio::test]
async fn limits_hold() {
    let guest = Guest::load().await;
    let limits = Limits { instructions: 10_000_000, ..LIMITS };
    let spun = guest.call("/spin", full_body(""), limits).await;
    assert_eq!(spun.answer.unwrap_err(), "the function used up its 10000000 instructions (max_instructions)");
    let grown = guest.get("/grow/100").await;
    let got: u64 = grown.answer.unwrap().1.parse().unwrap();
    assert!((8..16).contains(&got) && grown.memory_bytes_max <= LIMITS.memory_bytes, "{got}");

    let limits = Limits { timeout: Duration::from_millis(50), ..LIMITS };
    for path in ["/sleep", "/spin"] {
        let failure = guest.call(path, full_body(""), limits).await.answer.unwrap_err();
        assert_eq!(failure, "the function did not answer within 50ms (timeout)", "{path}");
    }
    // Begun in time, and not finished in time.
    let stalled = guest.call("/stall", full_body(""), limits).await;
    assert_eq!(stalled.answer, ok("cut"));
    assert!(stalled.end.unwrap().unwrap_err().contains("(timeout)"));
    // A client that sends nothing is not waited for longer than that.
    let silent = StreamBody::new(stream::pending::<Result<http_body::Frame<Bytes>, BodyError>>()).boxed_unsync();
    assert!(guest.call("/count", silent, limits).await.answer.unwrap_err().contains("(timeout)"));
}

/// A reader that went away is noticed when something is written to it.
#[tokio::test]
async fn a_handler_learns_that_nobody_reads() {
    let guest = Guest::load().await;
    let Ran::Answered { response, rest } = guest.start("/events/1000", full_body(""), LIMITS).await else {
        panic!("the answer comes before the last event")
    };
    drop(response);
    assert!(rest.run().await.0.is_ok());
    assert_eq!(guest.bench.logs.lines(), ["stderr info nobody listens"]);
}

/// A guest that makes the host work, or computes, leaves the thread to others.
#[tokio::test]
async fn a_busy_component_does_not_hold_a_thread() {
    let guest = Guest::load().await;
    let limits = Limits { timeout: Duration::from_secs(2), instructions: u64::MAX, ..LIMITS };
    let busy = async {
        tokio::join!(guest.call("/random/1000000", full_body(""), limits), guest.call("/spin", full_body(""), limits))
    };
    let mut busy = Box::pin(busy);
    assert!((&mut busy).now_or_never().is_none());
    for _ in 0..20 {
        tokio::select! {
            _ = &mut busy => panic!("it goes on until its time is over"),
            told = guest.get("/hello") => assert_eq!(told.answer, ok("hello")),
        }
    }
    let (random, spin) = busy.await;
    for told in [random, spin] {
        assert!(told.answer.unwrap_err().contains("(timeout)"));
    }
}

#[tokio::test]
async fn what_cannot_run_is_refused_with_the_reason() {
    let bench = Bench::new();
    let load = async |wasm: Vec<u8>, runtime| {
        bench.engine.load(params(wasm, runtime)).await.err().expect("it is refused").to_string()
    };
    let module = wat::parse_str("(module)").unwrap();
    let expected = "not what the function's runtime runs: the file is a core module, not a component";
    assert!(load(module, Runtime::WasiHttp).await.starts_with(expected));
    let expected = "not what the function's runtime runs: the file is a component";
    assert!(load(component("http"), Runtime::Wasi1).await.starts_with(expected));
    let unknown = wat::parse_str(r#"(component (import "acme:mail/send@1.0.0" (instance (export "send" (func)))))"#);
    let error = load(unknown.unwrap(), Runtime::WasiHttp).await;
    assert!(error.contains("wasi-http does not offer") && error.contains("acme:mail/send@1.0.0"), "{error}");
    let error = load(wat::parse_str("(component)").unwrap(), Runtime::WasiHttp).await;
    assert!(error.contains("wasi:http/incoming-handler"), "{error}");
    let mut cut = component("http");
    cut.truncate(cut.len() / 2);
    assert!(load(cut, Runtime::WasiHttp).await.starts_with("not what the function's runtime runs: "));
    let params = LoadParams { memory_limit_bytes: 64 << 10, ..params(component("http"), Runtime::WasiHttp) };
    assert!(matches!(bench.engine.load(params).await.err(), Some(mu_runtime::LoadError::MemoryLimitTooLow { .. })));
}

/// The same handler, whichever version of WASI it was built for, is accounted for.
#[tokio::test]
async fn a_dropped_call_is_metered() {
    let guest = Guest::load().await;
    let services = crate::support::Silent::default();
    let mut call = guest.bench.call(LIMITS);
    call.request.path = "/sleep".to_owned();
    call.services = Arc::new(services.clone());
    assert!(guest.program.run(call).now_or_never().is_none());
    let told = services.0.lock().unwrap().clone();
    assert!(matches!(told.as_slice(), [usage] if usage.instructions > 0), "{told:?}");
}
