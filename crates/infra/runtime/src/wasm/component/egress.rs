//! A component's outgoing requests: by the node's client, under its rules.

use std::sync::{Arc, LazyLock};

use http::HeaderName;
use http_body_util::{BodyExt, Full, Limited};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks,
};

use crate::egress::is_node_host;
use crate::{HttpClient, Services};

/// Writes of a body's stream that wait for the network, and the most bytes of one: 1 MiB in all. Guests mostly write
/// some KiB at a time; with one write at a time in waiting, each would be a handover between two tasks.
const BODY_CHUNKS: usize = 16;
const BODY_CHUNK_BYTES: usize = 64 << 10;

static IS_FORBIDDEN: LazyLock<ForbiddenHeaderFilter> =
    LazyLock::new(|| Arc::new(|name| DEFAULT_FORBIDDEN_HEADERS.contains(name)));

/// What `wasi:http` asks of its host.
pub(super) struct Egress {
    http: HttpClient,
    services: Arc<dyn Services>,
}

impl Egress {
    pub(super) fn new(http: HttpClient, services: Arc<dyn Services>) -> Self {
        Self { http, services }
    }
}

/// The largest request to the node itself, in bytes: above the largest message of a WebSocket.
const NODE_REQUEST_BYTES_MAX: usize = 17 << 20;

/// Asks the node itself, which takes requests and gives answers whole.
async fn ask_node(
    services: &dyn Services,
    request: http::Request<WasiBody>,
) -> Result<http::Response<WasiBody>, Error> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, NODE_REQUEST_BYTES_MAX).collect().await;
    let body = body.map_err(|_| Error::HttpRequestBodySize(Some(NODE_REQUEST_BYTES_MAX as u64)))?.to_bytes();
    let mut asked = http::Request::new(body);
    *asked.method_mut() = parts.method;
    // The node is asked for paths.
    *asked.uri_mut() = parts.uri.path_and_query().map_or_else(http::Uri::default, |path| http::Uri::from(path.clone()));
    *asked.headers_mut() = parts.headers;
    let answer = services.node(asked).await;
    Ok(answer.map(|body| Full::new(body).map_err(|never| match never {}).boxed_unsync()))
}

type Sent = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl WasiHttpHooks for Egress {
    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        DEFAULT_FORBIDDEN_HEADERS.contains(name)
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::clone(&IS_FORBIDDEN)
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let (http, services) = (self.http.clone(), Arc::clone(&self.services));
        Box::new(async move {
            let response = if request.uri().host().is_some_and(is_node_host) {
                ask_node(&*services, request).await?
            } else {
                http.stream(request, options.unwrap_or_default()).await?
            };
            let nothing_else: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(std::future::ready(Ok(())));
            Ok((response, nothing_else))
        })
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        BODY_CHUNKS
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }

    fn p3_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES
    }

    // The function learns of these; they are nothing that the node's operator has to know.

    fn p2_error_from_hyper(&mut self, _error: &hyper::Error) -> ErrorCode {
        ErrorCode::HttpProtocolError
    }

    fn p2_error_from_connect(&mut self, _error: &std::io::Error) -> ErrorCode {
        ErrorCode::ConnectionRefused
    }

    fn p2_error_from_tls(&mut self, _error: &std::io::Error) -> ErrorCode {
        ErrorCode::TlsProtocolError
    }
}
