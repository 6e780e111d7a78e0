//! Objects of public boxes over HTTP.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use mu_invoke::{Deployment, Kind};
use mu_runtime::{Body, BodyError};
use mu_stack::MethodSet;
use mu_storage::{Boxes, ObjectMeta, ObjectReader, StorageError};

use crate::address::Address;
use crate::error::{ApiError, shown};
use crate::headers::survey;
use crate::query::decode_segment;
use crate::response::{ResponseBody, Traffic, respond};
use crate::selection::{Selection, select};
use crate::service::{Received, method_not_allowed, options};

/// What the objects of a public box answer to.
const METHODS: MethodSet =
    MethodSet::EMPTY.with(mu_stack::Method::Get).with(mu_stack::Method::Head).with(mu_stack::Method::Options);

/// Answers a request for an object of a public box.
pub(crate) async fn answer(
    boxes: &Boxes,
    deployment: &Deployment,
    address: &Address<'_>,
    uri_bytes: usize,
    received: &Received,
) -> Result<Response<ResponseBody>, ApiError> {
    match received.method {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return Ok(options(METHODS)),
        _ => return Err(method_not_allowed(&received.method, address.rest, METHODS)),
    }
    let key = decode_segment(address.rest.strip_prefix('/').unwrap_or(address.rest))?;
    let opened = boxes.open_object(deployment.id().key(), &address.service, &key).await;
    let (object, _) = opened.map_err(|error| unreadable(&error, deployment, &address.service, &key))?;

    let request_bytes = uri_bytes as u64 + survey(&received.headers).bytes;
    let mut traffic = Traffic::of_object(deployment.meter(), request_bytes);
    let response = send(object, &key, received)?;
    traffic.add(survey(response.headers()).bytes);
    Ok(response.map(|body| body.counting(traffic)))
}

/// The response to a request for an object that exists.
fn send(object: ObjectReader, key: &str, received: &Received) -> Result<Response<ResponseBody>, ApiError> {
    let ObjectMeta { size_bytes, etag } = object.meta();
    let etag = format!("\"{etag}\"");
    let mut headers = HeaderMap::new();
    headers.insert(header::ETAG, HeaderValue::from_str(&etag).expect("an entity tag is fit for a header"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));

    let selection = match select(&received.headers, &etag, size_bytes) {
        // A range is meant for GET alone (RFC 9110, 14.2).
        Selection::Part(_) | Selection::Unsatisfiable if received.method == Method::HEAD => Selection::Whole,
        selection => selection,
    };
    let (status, part) = match selection {
        Selection::Whole => (StatusCode::OK, 0..size_bytes),
        Selection::Part(part) => {
            let range = format!("bytes {}-{}/{size_bytes}", part.start, part.end - 1);
            headers.insert(header::CONTENT_RANGE, content_range(&range));
            (StatusCode::PARTIAL_CONTENT, part)
        }
        Selection::NotModified => return Ok(respond(StatusCode::NOT_MODIFIED, headers, ResponseBody::nothing())),
        Selection::PreconditionFailed => {
            let message = format!("object `{}` has another entity tag now", shown(key));
            let error = ApiError::new(Kind::Invalid, message).status(StatusCode::PRECONDITION_FAILED);
            return Err(error.code("precondition_failed").detail("etag", etag));
        }
        Selection::Unsatisfiable => {
            let message = format!("object `{}` has {size_bytes} bytes, none of them in the range", shown(key));
            let error = ApiError::new(Kind::Invalid, message).status(StatusCode::RANGE_NOT_SATISFIABLE);
            let range = content_range(&format!("bytes */{size_bytes}"));
            return Err(error.code("range_not_satisfiable").header(header::CONTENT_RANGE, range));
        }
    };
    headers.insert(header::CONTENT_TYPE, content_type(key));
    // The type is a guess by the name: a browser must not guess another one by the content.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));

    // Stated here, because not every protocol states it for an empty body.
    let length_bytes = part.end - part.start;
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length_bytes));
    let stream = object.stream(part).map_err(|error| ApiError::new(Kind::Internal, error.to_string()))?;
    let body: Body = ObjectBody { stream: Box::pin(stream), length_bytes }.boxed_unsync();
    Ok(respond(status, headers, ResponseBody::stream(body)))
}

fn content_range(range: &str) -> HeaderValue {
    HeaderValue::from_str(range).expect("a range is fit for a header")
}

fn content_type(key: &str) -> HeaderValue {
    let guess = mime_guess::from_path(key).first_raw();
    HeaderValue::from_static(guess.unwrap_or("application/octet-stream"))
}

fn unreadable(error: &StorageError, deployment: &Deployment, box_name: &str, key: &str) -> ApiError {
    match error {
        StorageError::NotFound { .. } | StorageError::InvalidKey { .. } | StorageError::UnknownBox { .. } => {
            let stack = deployment.name();
            let message = format!("box `{box_name}` of stack `{stack}` has no object `{}`", shown(key));
            ApiError::new(Kind::NotFound, message).detail("stack", &**stack).detail("box", box_name).detail("key", key)
        }
        StorageError::Store(_) => {
            tracing::error!(%error, stack = %deployment.name(), box_name, "reading an object of a public box");
            ApiError::new(Kind::Unavailable, format!("object `{}` cannot be read now", shown(key)))
                .header(header::RETRY_AFTER, HeaderValue::from_static("1"))
        }
        _ => {
            tracing::error!(%error, stack = %deployment.name(), box_name, "reading an object of a public box");
            ApiError::new(Kind::Internal, format!("object `{}` cannot be read", shown(key)))
        }
    }
}

/// An object, or a part of it, as the body of a response of a known length.
struct ObjectBody<S> {
    stream: Pin<Box<S>>,
    /// What is left to be read.
    length_bytes: u64,
}

impl<S: Stream<Item = Result<Bytes, StorageError>>> http_body::Body for ObjectBody<S> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let piece = ready!(self.stream.as_mut().poll_next(cx));
        if let Some(Ok(piece)) = &piece {
            self.length_bytes = self.length_bytes.saturating_sub(piece.len() as u64);
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data).map_err(|error| BodyError::Broken(error.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.length_bytes == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length_bytes)
    }
}
