//! A component to call, and what calls come to.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use mu_runtime::{Body, BodyError, Engine, Limits, LoadParams, Program, Ran, Services, collect_body, full_body};
use mu_stack::{Instances, Runtime};

use crate::support::{Bench, LIMITS, Silent, params};

/// A component of the tests, loaded.
pub(crate) struct Guest {
    pub(crate) bench: Bench,
    pub(crate) program: Arc<dyn Program>,
    pub(crate) services: Arc<dyn Services>,
}

/// What a call came to.
#[derive(Debug)]
pub(crate) struct Told {
    /// The status and the body, or the failure.
    pub(crate) answer: Result<(u16, String), String>,
    pub(crate) headers: http::HeaderMap,
    /// How the handler ended, when it went on after its answer.
    pub(crate) end: Option<Result<(), String>>,
    pub(crate) instructions: u64,
    pub(crate) memory_bytes_max: u64,
}

impl Guest {
    pub(crate) async fn load() -> Self {
        Self::with_instances(Instances::Fresh).await
    }

    pub(crate) async fn with_instances(instances: Instances) -> Self {
        Self::of(LoadParams { instances, ..params(component("http"), Runtime::WasiHttp) }).await
    }

    /// The one that is loaded in this way.
    pub(crate) async fn of(params: LoadParams) -> Self {
        // Compiled once for all tests.
        static CACHE: std::sync::LazyLock<tempfile::TempDir> =
            std::sync::LazyLock::new(|| tempfile::tempdir().unwrap());
        let bench = Bench::in_directory(CACHE.path());
        let program = bench.engine.load(params).await.unwrap();
        Self { bench, program, services: Arc::new(Silent::default()) }
    }

    /// Sends the second part of a request only when the first has come back.
    pub(crate) async fn echoes_piece_by_piece(&self) {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
        let parts = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
        let frames = parts.map(|data| Ok::<_, BodyError>(http_body::Frame::data(data)));
        sender.send(Bytes::from_static(b"one")).unwrap();
        let Ran::Answered { mut response, rest } =
            self.start("/echo", StreamBody::new(frames).boxed_unsync(), LIMITS).await
        else {
            panic!("the answer comes before the end of the request")
        };
        let reading = async {
            let mut next = async || response.body.frame().await.map(|frame| frame.unwrap().into_data().unwrap());
            assert_eq!(next().await.unwrap(), "one");
            sender.send(Bytes::from_static(b"two")).unwrap();
            assert_eq!(next().await.unwrap(), "two");
            drop(sender);
            assert_eq!(next().await, None);
        };
        let ((), (end, _)) = tokio::join!(reading, rest.run());
        assert!(end.is_ok(), "{end:?}");
    }

    pub(crate) async fn get(&self, path: &str) -> Told {
        self.call(path, full_body(""), LIMITS).await
    }

    pub(crate) async fn start(&self, path: &str, body: Body, limits: Limits) -> Ran {
        let mut call = self.bench.call(limits);
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        call.request.path = path.to_owned();
        call.request.raw_query = query.map(str::to_owned);
        call.request.path_params = vec![("name".to_owned(), "a b".to_owned())];
        call.request.body = body;
        call.services = Arc::clone(&self.services);
        call.env = Arc::new([("GREETING".to_owned(), "salve".to_owned())]);
        self.program.run(call).await
    }

    pub(crate) async fn call(&self, path: &str, body: Body, limits: Limits) -> Told {
        let (result, rest, usage) = match self.start(path, body, limits).await {
            Ran::Ended(outcome) => (outcome.result, None, Some(outcome.usage)),
            Ran::Answered { response, rest } => (Ok(response), Some(rest), None),
        };
        let (answer, headers) = match result {
            Err(failure) => (Err(failure.to_string()), None),
            Ok(response) => (Ok((response.status, response.body)), Some(response.headers)),
        };
        let read = async {
            match answer {
                Err(failure) => Err(failure),
                Ok((status, body)) => match collect_body(body, 64 << 20).await {
                    Ok(body) => Ok((status.as_u16(), String::from_utf8_lossy(&body).into_owned())),
                    Err(_) => Ok((status.as_u16(), "cut".to_owned())),
                },
            }
        };
        let run_on = async {
            match rest {
                None => None,
                Some(rest) => Some(rest.run().await),
            }
        };
        let (answer, end) = tokio::join!(read, run_on);
        let usage = end.as_ref().map(|(_, usage)| *usage).or(usage).unwrap();
        Told {
            answer,
            headers: headers.unwrap_or_default(),
            end: end.map(|(result, _)| result.map_err(|failure| failure.to_string())),
            instructions: usage.instructions,
            memory_bytes_max: usage.memory_bytes_max,
        }
    }
}

/// The bytes of a component of `guests/`.
pub(crate) fn component(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../guests/modules").join(format!("{name}.wasm"));
    std::fs::read(path).unwrap()
}

/// The answer of a call that went well.
pub(crate) fn ok(body: &str) -> Result<(u16, String), String> {
    Ok((200, body.to_owned()))
}
