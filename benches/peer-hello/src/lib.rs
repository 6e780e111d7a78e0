//! Greets whoever the last segment of the path names.

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Hello;

wasip2::http::proxy::export!(Hello);

impl Guest for Hello {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let greeting = format!("Hello, {}!\n", path.rsplit('/').next().unwrap_or_default());

        let headers = Fields::new();
        headers.set("content-type", &[b"text/plain; charset=utf-8".to_vec()]).expect("the header is well-formed");
        let response = OutgoingResponse::new(headers);
        let body = response.body().expect("a new response gives out its body once");
        ResponseOutparam::set(response_out, Ok(response));

        let stream = body.write().expect("a new body gives out its stream once");
        // A client that went away is not worth a trap.
        let _ = stream.blocking_write_and_flush(greeting.as_bytes());
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
    }
}
