//! One handler for each thing a function can do, well or badly. Tests of the runtime, the gateway and the whole binary
//! call them.

mod database;
mod misbehave;

use mu_sdk::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[mu_functions]
mod handlers {
    use super::*;

    /// The body, with its content type.
    #[mu_function]
    fn echo(request: &Request) -> Response {
        let content_type = request.header("content-type").unwrap_or("application/octet-stream");
        Response::new(Status::OK).with_header("content-type", content_type).with_body(request.body.clone())
    }

    /// All of the request but its body, as JSON.
    #[mu_function]
    fn params(request: &Request) -> Json<Value> {
        let headers: Vec<_> = request.headers.iter().map(|header| (&header.name, &header.value)).collect();
        Json(json!({
            "method": request.method.as_str(),
            "path": request.path_params,
            "query": request.query_params,
            "headers": headers,
            "body_bytes": request.body.len(),
        }))
    }

    /// A response of the status and headers that the body tells.
    #[mu_function]
    fn status(Json(wanted): Json<WantedResponse>) -> Response {
        wanted.headers.into_iter().fold(Response::new(Status::new(wanted.status)), |response, (name, value)| {
            response.with_header(name, value)
        })
    }

    /// `bytes` bytes of `x`.
    #[mu_function]
    fn big(Query(size): Query<Size>) -> Vec<u8> {
        vec![b'x'; size.bytes]
    }

    /// The environment variable that the body names; 404 if there is none.
    #[mu_function]
    fn env(name: &str) -> Result<String> {
        std::env::var(name).map_err(|error| Error::not_found(format!("`{name}`: {error}")))
    }

    /// All environment variables, as JSON.
    #[mu_function]
    fn envs() -> Json<std::collections::BTreeMap<String, String>> {
        Json(std::env::vars().collect())
    }

    /// Runs the operations of muDB that the body lists; answers what came of each, as JSON.
    #[mu_function]
    fn db(ctx: &MuContext, Json(operations): Json<Vec<database::Operation>>) -> Json<Vec<Value>> {
        Json(operations.into_iter().map(|operation| database::run(ctx.db(), operation)).collect())
    }

    /// Writes the body as an object.
    #[mu_function]
    fn storage_put(ctx: &MuContext, Query(object): Query<ObjectName>, body: Vec<u8>) -> Result<()> {
        show(ctx.storage().put(&object.r#box, &object.key, body))
    }

    /// Reads an object.
    #[mu_function]
    fn storage_get(ctx: &MuContext, Query(object): Query<ObjectName>) -> Result<Vec<u8>> {
        show(ctx.storage().get(&object.r#box, &object.key))
    }

    /// Removes an object.
    #[mu_function]
    fn storage_delete(ctx: &MuContext, Query(object): Query<ObjectName>) -> Result<()> {
        show(ctx.storage().delete(&object.r#box, &object.key))
    }

    /// Lists the objects whose keys start with `key`: keys and sizes, as JSON.
    #[mu_function]
    fn storage_list(ctx: &MuContext, Query(object): Query<ObjectName>) -> Result<Json<Vec<(String, u64)>>> {
        let objects = show(ctx.storage().list(&object.r#box, &object.key))?;
        Ok(Json(objects.into_iter().map(|object| (object.key, object.size)).collect()))
    }

    /// Gets the URL that is the body; answers with the response as JSON.
    #[mu_function]
    fn http_get(ctx: &MuContext, url: String) -> Result<Json<HttpAnswer>> {
        HttpAnswer::of(ctx.http_client().get(url))
    }

    /// Sends the request that the body describes; answers with the response as JSON.
    #[mu_function]
    fn http_request(ctx: &MuContext, Json(wanted): Json<WantedRequest>) -> Result<Json<HttpAnswer>> {
        let method = wanted.method.parse().map_err(|error: UnknownMethod| Error::bad_request(error))?;
        let request = ctx.http_client().request(method, wanted.url).body(wanted.body);
        HttpAnswer::of(wanted.headers.into_iter().fold(request, |request, (name, value)| request.header(name, value)))
    }

    /// Writes the body to the log at each level, by the context and by the macros of `log`.
    #[mu_function]
    fn logs(ctx: &MuContext, line: &str) {
        for level in LogLevel::ALL {
            ctx.log(format!("context {level}: {line}"), level);
        }
        log::error!("macro error: {line}");
        log::warn!("macro warn: {line}");
        log::info!("macro info: {line}");
        log::debug!("macro debug: {line}");
        log::trace!("macro trace: {line}");
    }

    /// Logs lines of 100 bytes until there are `bytes` of them.
    #[mu_function]
    fn log_much(Query(size): Query<Size>) {
        for _ in 0..size.bytes.div_ceil(100) {
            log::info!("{}", "l".repeat(100));
        }
    }

    /// Writes the body to standard error.
    #[mu_function]
    fn stderr(text: &str) {
        eprint!("{text}");
    }

    /// Writes the body to standard output, where only messages belong.
    #[mu_function]
    fn stdout(text: &str) {
        print!("{text}");
    }

    /// Panics with the body as the message.
    #[mu_function]
    fn panic(message: &str) {
        panic!("{message}");
    }

    /// Traps.
    #[mu_function]
    fn trap() {
        std::process::abort();
    }

    /// Exits with the code that the body is, without a result.
    #[mu_function]
    fn exit(code: &str) -> Result<()> {
        std::process::exit(code.parse()?);
    }

    /// Computes for ever.
    #[mu_function]
    fn spin() {
        misbehave::spin();
    }

    /// Calls itself until the stack is used up.
    #[mu_function]
    fn overflow() -> String {
        misbehave::overflow(1).to_string()
    }

    /// Takes memory until it is refused; tells how many bytes it got.
    #[mu_function]
    fn alloc() -> String {
        format!("refused after {} bytes", misbehave::allocate())
    }

    /// Asks muDB for a key for ever.
    #[mu_function]
    fn ask_forever(ctx: &MuContext, table: &str) -> Result<()> {
        loop {
            show(ctx.db().get(table, "key"))?;
        }
    }
}

#[derive(Deserialize)]
struct WantedResponse {
    status: u16,
    #[serde(default)]
    headers: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct WantedRequest {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
}

#[derive(Deserialize)]
struct Size {
    bytes: usize,
}

#[derive(Deserialize)]
struct ObjectName {
    r#box: String,
    #[serde(default)]
    key: String,
}

#[derive(Serialize)]
struct HttpAnswer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

// === impl HttpAnswer ===

impl HttpAnswer {
    fn of(request: HttpRequestBuilder<'_>) -> Result<Json<Self>> {
        let response = request.send().map_err(|error| Error::new(Status::BAD_GATEWAY, error))?;
        Ok(Json(Self {
            status: response.status.code(),
            headers: response.headers.into_iter().map(|header| (header.name, header.value)).collect(),
            body: String::from_utf8_lossy(&response.body).into_owned(),
        }))
    }
}

/// Lets the caller see what the host says, which the SDK keeps for the log.
fn show<T>(result: Result<T>) -> Result<T> {
    result.map_err(|error| Error::new(error.status(), error.to_string()))
}
