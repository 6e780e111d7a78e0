//! What functions have logged.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{StackPath, found};
use crate::access::Action;
use crate::api::Control;
use crate::api::error::ApiError;
use crate::api::front::Caller;
use crate::api::input::{At, Output, Params};
use crate::api::page::{Page, limit_within};
use crate::api::time::parse_time;
use crate::logs::{Followed, History, LINES_MAX, LogFilter, LogLine, LogOrder, LogQuery};

/// Lines of a page unless the caller says otherwise.
const LIMIT_DEFAULT: u32 = 100;
/// Lines with which following begins, unless the caller says since when.
const HISTORY_LINES: usize = 20;
/// Between two signs of life while nothing is logged.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) fn router() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(query)).routes(routes!(follow))
}

/// One line.
#[derive(Debug, Serialize, ToSchema)]
struct LineView {
    /// When the node received it.
    #[schema(format = DateTime)]
    time: String,
    /// The function that wrote it.
    function: String,
    /// The invocation during which it was written.
    invocation: String,
    /// How important it is: `error`, `warn`, `info`, `debug` or `trace`.
    level: String,
    /// Who wrote it: `function`, `stdout`, `stderr`, or `runtime`, which says why a call failed.
    source: String,
    /// The text.
    message: String,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LogsQuery {
    /// Lines of this function.
    #[param(max_length = 255)]
    function: Option<String>,
    /// From this time on: RFC 3339, or so long ago, as `15m`.
    #[param(max_length = 64)]
    since: Option<String>,
    /// Before this time.
    #[param(max_length = 64)]
    until: Option<String>,
    /// Lines of this level and of more important ones.
    #[param(max_length = 16)]
    level: Option<String>,
    /// Lines of this invocation.
    #[param(max_length = 64)]
    invocation: Option<String>,
    /// Lines with this text in them, in whatever case.
    #[param(max_length = 1024)]
    contains: Option<String>,
    /// Which come first: `asc` for the oldest, `desc` for the newest.
    #[param(inline)]
    order: Option<OrderView>,
    /// Lines of a page.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// Where the page begins: `next_cursor` of the one before.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

/// Which lines come first.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum OrderView {
    Asc,
    Desc,
}

/// Search the logs, newest first unless asked otherwise
#[utoipa::path(get, path = "/v1/stacks/{stack}/logs", tag = "logs", params(StackPath, LogsQuery), responses((status = 200, body = Page<LineView>)))]
async fn query(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
    Params(query): Params<LogsQuery>,
) -> Result<Output<Page<LineView>>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::ReadLogs).await?;
    let now = control.env.now();
    let time = |text: &Option<String>| text.as_deref().map(|text| parse_time(text, now)).transpose();
    let cursor = query.cursor.as_deref().map(str::parse).transpose();
    let asked = LogQuery {
        stack: stack.id,
        since: time(&query.since)?,
        until: time(&query.until)?,
        order: match query.order {
            Some(OrderView::Asc) => LogOrder::OldestFirst,
            Some(OrderView::Desc) | None => LogOrder::NewestFirst,
        },
        limit: limit_within(query.limit, LIMIT_DEFAULT, u32::try_from(LINES_MAX).unwrap_or(u32::MAX))?,
        cursor: cursor.map_err(|e| ApiError::invalid(format!("`cursor`: {e}")))?,
        filter: filter(&query)?,
    };
    let page = control.logs.query(&asked).await?;
    let items = page.lines.iter().map(LineView::new).collect();
    Ok(Output(Page { items, next_cursor: page.next.map(|next| next.to_string()) }))
}

/// Follow the logs as they are written
///
/// Server-sent events: `line` with a line as JSON, `lost` with the number of lines that were not fetched in time. Without
/// `since`, it begins with the last lines that were written.
#[utoipa::path(get, path = "/v1/stacks/{stack}/logs/follow", tag = "logs", params(StackPath, LogsQuery), responses((status = 200, content_type = "text/event-stream", body = String)))]
async fn follow(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<StackPath>,
    Params(query): Params<LogsQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let stack = found(&control, &caller, &path.stack, Action::ReadLogs).await?;
    if query.until.is_some() || query.order.is_some() || query.cursor.is_some() || query.limit.is_some() {
        return Err(ApiError::invalid("`until`, `order`, `limit` and `cursor` are for searching, not for following"));
    }
    let since = query.since.as_deref().map(|text| parse_time(text, control.env.now())).transpose()?;
    let history = since.map_or(History::Newest(HISTORY_LINES), History::Since);
    let followed = control.logs.follow(stack.id, filter(&query)?, history).await?;
    // A log that can no longer be read ends the stream: the client begins anew and is told why.
    let events = followed.into_stream().take_while(|next| std::future::ready(next.is_ok())).filter_map(|next| async {
        let event = match next.ok()? {
            Followed::Line(line) => Event::default().event("line").json_data(LineView::new(&line)).ok()?,
            Followed::Lost(count) => Event::default().event("lost").data(count.to_string()),
        };
        Some(Ok(event))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn filter(query: &LogsQuery) -> Result<LogFilter, ApiError> {
    let level = query.level.as_deref().map(str::parse).transpose();
    let invocation = query.invocation.as_deref().map(str::parse).transpose();
    Ok(LogFilter {
        function: query.function.clone(),
        level: level.map_err(|e| ApiError::invalid(format!("`level`: {e}")))?,
        invocation: invocation.map_err(|e| ApiError::invalid(format!("`invocation`: {e}")))?,
        contains: query.contains.clone(),
    })
}

impl LineView {
    fn new(line: &LogLine) -> Self {
        Self {
            time: line.time.to_string(),
            function: line.function.to_string(),
            invocation: line.invocation.to_string(),
            level: line.level.as_str().to_owned(),
            source: line.source.as_str().to_owned(),
            message: line.message.clone(),
        }
    }
}
