//! Tells where a stack is served, to people and to programs, and at the end what it used.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use mu_invoke::Totals;
use mu_stack::{Gateway, HandlerRef, Method, PathTemplate, Segment, Stack, StackId};
use serde_json::{Value, json};

use crate::failure::{Cause, Failure};
use crate::file;
use crate::report::{Event, Reporter, megabyte_instructions, with_unit};
use crate::terminal::{self, BOLD, DIM};

/// Tells where a stack is served: at first, and whenever a new version is served elsewhere.
pub(super) struct Announcer<'a> {
    address: SocketAddr,
    file: Option<&'a Path>,
    reporter: &'a Reporter,
    told: Option<Announcement>,
}

impl<'a> Announcer<'a> {
    /// An announcer of what a gateway at `address` serves, which also writes the addresses to `file`.
    pub(super) fn new(address: SocketAddr, file: Option<&'a Path>, reporter: &'a Reporter) -> Self {
        Self { address, file, reporter, told: None }
    }

    /// Prints the routes, and writes the addresses to the file, unless they are what was told last.
    pub(super) fn announce(&mut self, id: StackId, stack: &Stack) -> Result<(), Failure> {
        let announcement = Announcement::new(id, stack, self.address);
        if self.told.as_ref() != Some(&announcement) {
            announcement.publish(self.file, self.reporter)?;
            self.told = Some(announcement);
        }
        Ok(())
    }
}

/// Where a stack is served.
#[derive(PartialEq, Eq)]
struct Announcement {
    id: StackId,
    name: String,
    version: String,
    address: SocketAddr,
    routes: Vec<Route>,
}

#[derive(PartialEq, Eq)]
struct Route {
    gateway: String,
    /// Without one, WebSockets.
    method: Option<Method>,
    template: PathTemplate,
    handler: HandlerRef,
    url: String,
}

impl Announcement {
    fn new(id: StackId, stack: &Stack, address: SocketAddr) -> Self {
        let base = format!("{}/{}", reachable(address), stack.name());
        let routes = stack.gateways().flat_map(|gateway| routes(gateway, &base)).collect();
        Self { id, name: stack.name().to_string(), version: stack.version().to_owned(), address, routes }
    }

    /// Prints the routes, and writes the addresses to `file`: from now on, requests are answered there.
    fn publish(&self, file: Option<&Path>, reporter: &Reporter) -> Result<(), Failure> {
        let (addresses, name, version) = (self.to_json(), &self.name, &self.version);
        terminal::say(format!("Serving {BOLD}{name}{BOLD:#} {version} at http://{}/{name}", reachable(self.address)));
        for route in &self.routes {
            terminal::say(match route.method {
                Some(method) => format!("  {:<7} {}", method.as_str(), curl(method, &route.url)),
                None => format!("  {:<7} {}", "WS", route.url),
            });
        }
        terminal::say(format!("{DIM}Ctrl-C ends it{DIM:#}"));
        if let Some(path) = file {
            let written = file::create_parent(path)
                .and_then(|()| file::write_atomically(path, format!("{addresses:#}\n").as_bytes()));
            written.map_err(|e| Failure::from_error(Cause::Failed, format!("writing {}", path.display()), &e))?;
        }
        reporter.event(Event::Ready(addresses));
        Ok(())
    }

    fn to_json(&self) -> Value {
        let routes: Vec<Value> = self.routes.iter().map(Route::to_json).collect();
        json!({
            "gateway": self.address.to_string(),
            "stack": self.name,
            "stack_id": self.id.to_string(),
            "routes": routes,
        })
    }
}

impl Route {
    fn to_json(&self) -> Value {
        json!({
            "gateway": self.gateway,
            "method": self.method.map_or("websocket", Method::as_str),
            "path": self.template.to_string(),
            "handler": self.handler.to_string(),
            "url": self.url,
        })
    }
}

fn routes(gateway: &Gateway, base: &str) -> Vec<Route> {
    let mut all = Vec::new();
    for route in gateway.routes.routes() {
        let template = route.template();
        let handlers = route.handlers().iter().map(|(method, handler)| (Some(*method), handler));
        for (method, handler) in handlers.chain(route.websocket().map(|handler| (None, handler))) {
            let scheme = if method.is_some() { "http" } else { "ws" };
            let url = format!("{scheme}://{base}/{}/{}", gateway.name, example_path(template));
            let (gateway, template, handler) = (gateway.name.to_string(), template.clone(), handler.clone());
            all.push(Route { gateway, method, template, handler, url });
        }
    }
    all
}

/// A path that the template matches, without its leading slash: each parameter stands for itself.
pub(crate) fn example_path(template: &PathTemplate) -> String {
    let segments = template.segments().iter().map(|segment| match segment {
        Segment::Literal(text) => text.to_string(),
        Segment::Parameter(name) | Segment::Rest(name) => name.to_string(),
    });
    segments.collect::<Vec<_>>().join("/")
}

/// A command to paste into a shell. A body is an empty JSON object, to be filled in.
pub(crate) fn curl(method: Method, url: &str) -> String {
    let quoted = format!("'{}'", url.replace('\'', "%27"));
    match method {
        Method::Get => format!("curl {quoted}"),
        Method::Head => format!("curl --head {quoted}"),
        Method::Post | Method::Put | Method::Patch => {
            format!("curl -X {} -H 'content-type: application/json' --data '{{}}' {quoted}", method.as_str())
        }
        Method::Delete | Method::Options => format!("curl -X {} {quoted}", method.as_str()),
    }
}

/// An address to connect to: a listener on every address is reached on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

/// Tells what the stack used in all.
pub(super) fn totals(totals: &Totals, reporter: &Reporter) {
    let (used, megabytes) = (&totals.usage, megabyte_instructions(totals.usage.byte_instructions));
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let instructions = used.instructions as f64;
    terminal::say(format!(
        "Served {} requests ({} bytes) with {} calls ({} failed, {} refused)",
        used.gateway_requests, used.gateway_traffic_bytes, totals.invocations, totals.failures, totals.rejections
    ));
    terminal::say(format!(
        "Used {} instructions, {} MB-instructions; db {} read {} written; storage {} read {} written",
        with_unit(instructions),
        with_unit(megabytes),
        used.db_reads,
        used.db_writes,
        used.storage_reads,
        used.storage_writes
    ));
    reporter.event(Event::Stopped(json!({
        "invocations": totals.invocations,
        "failures": totals.failures,
        "rejections": totals.rejections,
        "gateway_requests": used.gateway_requests,
        "gateway_traffic_bytes": used.gateway_traffic_bytes,
        "instructions": used.instructions,
        "megabyte_instructions": used.megabyte_instructions().to_string(),
        "db_reads": used.db_reads,
        "db_writes": used.db_writes,
        "storage_reads": used.storage_reads,
        "storage_writes": used.storage_writes,
        "storage_read_bytes": used.storage_read_bytes,
        "storage_written_bytes": used.storage_written_bytes,
    })));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_a_command_to_paste() {
        for (method, template, expected) in [
            (Method::Get, "/", "curl 'http://x/web/'"),
            (Method::Post, "/", "curl -X POST -H 'content-type: application/json' --data '{}' 'http://x/web/'"),
            (Method::Delete, "/todos/{title}", "curl -X DELETE 'http://x/web/todos/title'"),
            (Method::Head, "/it's", "curl --head 'http://x/web/it%27s'"),
        ] {
            let url = format!("http://x/web/{}", example_path(&template.parse().unwrap()));
            assert_eq!(curl(method, &url), expected);
        }
    }

    #[test]
    fn a_listener_on_all_addresses_is_reached_on_loopback() {
        for (listens, expected) in [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:2", "[::1]:2"), ("10.0.0.1:3", "10.0.0.1:3")] {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), expected);
        }
    }
}
