//! A component of WASI 0.3 that answers each path in its own way. The first segment of the path says which.

use wasip3::clocks::monotonic_clock;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{wit_bindgen, wit_future, wit_stream};

struct Component;

wasip3::http::service::export!(Component);

impl wasip3::exports::http::handler::Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let mut segments = target.trim_matches('/').split('/');
        let (path, argument) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
        let number: u64 = argument.parse().unwrap_or(0);
        match path {
            "hello" => Ok(text(200, "hello")),
            "echo" => Ok(echo(request)),
            "compute" => Ok(text(200, &compute(number).to_string())),
            "code" => Err(ErrorCode::LoopDetected),
            "trap" => unreachable!("on purpose"),
            "spin" => loop {
                std::hint::black_box(0);
            },
            "sleep" => {
                monotonic_clock::wait_for(3_600_000_000_000).await;
                Ok(text(200, "late"))
            }
            // The response's head and some of its body are sent, and then nothing comes.
            "stall" => Ok(stall()),
            "half" => Ok(half()),
            other => Ok(text(404, &format!("no such path: {other}"))),
        }
    }
}

fn text(status: u16, text: &str) -> Response {
    let (mut body, reader) = wit_stream::new();
    let (trailers, trailers_reader) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(Fields::new(), Some(reader), trailers_reader);
    response.set_status_code(status).unwrap();
    drop(trailers);
    let data = text.as_bytes().to_vec();
    wit_bindgen::spawn_local(async move {
        body.write_all(data).await;
    });
    response
}

/// Passes on what comes, as it comes.
fn echo(request: Request) -> Response {
    let (_, result) = wit_future::new(|| Ok(()));
    let (mut incoming, incoming_trailers) = Request::consume_body(request, result);
    let (mut body, reader) = wit_stream::new();
    let (response, _sent) = Response::new(Fields::new(), Some(reader), incoming_trailers);
    wit_bindgen::spawn_local(async move {
        loop {
            let (status, data) = incoming.read(Vec::with_capacity(64 << 10)).await;
            if !data.is_empty() {
                body.write_all(data).await;
            }
            if matches!(status, wit_bindgen::StreamResult::Dropped) {
                return;
            }
        }
    });
    response
}

fn stall() -> Response {
    let (mut body, reader) = wit_stream::new();
    let (trailers, trailers_reader) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(Fields::new(), Some(reader), trailers_reader);
    wit_bindgen::spawn_local(async move {
        body.write_all(b"begun".to_vec()).await;
        monotonic_clock::wait_for(3_600_000_000_000).await;
        drop((body, trailers));
    });
    response
}

fn half() -> Response {
    let (mut body, reader) = wit_stream::new();
    let (trailers, trailers_reader) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(Fields::new(), Some(reader), trailers_reader);
    wit_bindgen::spawn_local(async move {
        body.write_all(vec![b'x'; 4 << 20]).await;
        drop(trailers);
        unreachable!("after half of it");
    });
    response
}

/// A number that takes `rounds` rounds to find.
fn compute(rounds: u64) -> u64 {
    let mut number = 1_u64;
    for round in 0..rounds {
        number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round));
    }
    number
}
