//! `mu logs`: what the functions of a stack wrote.

use std::io;
use std::time::Duration;

use clap::builder::styling::Style;
use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::Value;

use super::OnStack;
use crate::client::{Call, CallError, Client, Limit, ServerEvent, path};
use crate::failure::{Cause, Failure};
use crate::output::{short_time, view, written};
use crate::terminal::{self, DIM, RED, YELLOW, printable};

/// Lines that a node gives at once.
const PAGE_LINES: u32 = 1_000;
/// How often a stream that broke off is taken up again without a line in between.
const RESUMES_MAX: u32 = 5;
const RESUME_DELAY: Duration = Duration::from_secs(1);

/// Show what the functions of a stack wrote
///
/// Prints the newest lines, the oldest of them first. With -f it begins with the last few, or with those since --since, and
/// goes on with lines as they are written.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Only lines of this function
    function: Option<String>,
    /// Go on with lines as they are written
    #[arg(long, short)]
    follow: bool,
    /// Only lines from this time on: RFC 3339 in UTC, or how long ago, like 15m
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only lines before this time
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    until: Option<String>,
    /// Only lines that are at least as important
    #[arg(long, value_enum)]
    level: Option<Level>,
    /// Only lines of this invocation
    #[arg(long, value_name = "ID")]
    invocation: Option<String>,
    /// Only lines that contain this text, in upper or lower case
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
    #[command(flatten)]
    stack: OnStack,
    #[command(flatten)]
    limit: Limit,
    /// How to print on standard output
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Lines for people
    Text,
    /// One JSON object per line
    Json,
}

/// A line, as far as it is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LineView {
    time: String,
    function: String,
    level: String,
    message: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (client, stack) = arguments.stack.connect()?;
    if arguments.follow { follow(&client, &stack, arguments) } else { show(&client, &stack, arguments) }
}

impl Arguments {
    fn query<'a>(&'a self, since: Option<&'a str>) -> [(&'static str, Option<&'a str>); 6] {
        let level = self.level.map(|level| match level {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        });
        [
            ("function", self.function.as_deref()),
            ("since", since),
            ("until", self.until.as_deref()),
            ("level", level),
            ("invocation", self.invocation.as_deref()),
            ("contains", self.contains.as_deref()),
        ]
    }
}

fn show(client: &Client, stack: &str, arguments: &Arguments) -> Result<(), Failure> {
    let query = [&arguments.query(arguments.since.as_deref())[..], &[("order", Some("desc"))]].concat();
    let lines = client.list_in_pages_of(PAGE_LINES, &path(&["stacks", stack, "logs"]), &query, arguments.limit)?;
    // The newest were asked for; they are read in the order in which they were written.
    lines.iter().rev().try_for_each(|line| print(line, arguments.output))
}

/// Prints lines until somebody ends it. A stream that breaks off is taken up where it was.
fn follow(client: &Client, stack: &str, arguments: &Arguments) -> Result<(), Failure> {
    let mut place = Place { since: arguments.since.clone(), seen: Vec::new() };
    let mut resumes = 0;
    loop {
        let call = place.call(stack, arguments);
        let broken = match client.events(&call) {
            // A node that says no will not say yes by being asked again.
            Err(error @ (CallError::Refused(_) | CallError::Impossible { .. })) => return Err(error.into()),
            Err(error) => Failure::from(error),
            Ok(events) => {
                let mut broken = Failure::new(Cause::Unavailable, "the node ended the stream of lines");
                for event in events {
                    match event {
                        Ok(event) => {
                            resumes = 0;
                            take(&event, &mut place, arguments.output)?;
                        }
                        Err(e) => broken = Failure::from_error(Cause::Unavailable, "following the logs", &e),
                    }
                }
                broken
            }
        };
        resumes += 1;
        if resumes > RESUMES_MAX {
            return Err(broken.hint("is the node running? `mu logs -f` goes on from now"));
        }
        terminal::say(format!("{DIM}The stream broke off; taking it up again{DIM:#}"));
        place.resume();
        std::thread::sleep(RESUME_DELAY);
    }
}

/// How far somebody has read.
struct Place {
    since: Option<String>,
    /// The lines of that time that were printed, which a node sends again when the stream is taken up there.
    seen: Vec<Seen>,
}

struct Seen {
    line: Value,
    /// Whether it was printed before the stream broke off.
    is_before: bool,
}

impl Place {
    fn call(&self, stack: &str, arguments: &Arguments) -> Call<'static> {
        let call = Call::events(path(&["stacks", stack, "logs", "follow"]));
        call.query(&arguments.query(self.since.as_deref()))
    }

    /// What was printed so far may come again.
    fn resume(&mut self) {
        self.seen.iter_mut().for_each(|seen| seen.is_before = true);
    }

    /// Whether a line is to be printed: unless it was before.
    fn is_new(&mut self, line: &Value) -> bool {
        if let Some(at) = self.seen.iter().position(|seen| seen.is_before && seen.line == *line) {
            self.seen[at].is_before = false;
            return false;
        }
        if let Some(time) = line["time"].as_str() {
            if self.since.as_deref() != Some(time) {
                self.since = Some(time.to_owned());
                self.seen.clear();
            }
            self.seen.push(Seen { line: line.clone(), is_before: false });
        }
        true
    }
}

fn take(event: &ServerEvent, place: &mut Place, output: Output) -> Result<(), Failure> {
    match event.name.as_str() {
        "line" => {
            let line = serde_json::from_str(&event.data)
                .map_err(|e| Failure::from_error(Cause::Failed, "reading what the node sent", &e))?;
            if place.is_new(&line) { print(&line, output) } else { Ok(()) }
        }
        "lost" => {
            let lines = printable(&event.data);
            let why = "they came faster than they were read";
            terminal::say(format!("{YELLOW}{lines} lines are missing here: {why}{YELLOW:#}"));
            Ok(())
        }
        // Something of later.
        _ => Ok(()),
    }
}

fn print(line: &Value, output: Output) -> Result<(), Failure> {
    let printed = match output {
        Output::Json => terminal::print(format!("{line}\n")),
        Output::Text => terminal::print_styled(&text(&view(line)?)),
    };
    match printed {
        // Whoever read it, as `head` does, has enough.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => written(other),
    }
}

/// A line for people; each line of its message says again whose it is.
fn text(line: &LineView) -> String {
    let style = match line.level.as_str() {
        "error" => RED,
        "warn" => YELLOW,
        "debug" | "trace" => DIM,
        _ => Style::new(),
    };
    let (time, level, function) = (short_time(&line.time), printable(&line.level), printable(&line.function));
    let front = format!("{DIM}{time}{DIM:#} {style}{level:<5}{style:#} {DIM}{function}{DIM:#}");
    let lines = line.message.lines().chain(line.message.is_empty().then_some(""));
    lines.map(|line| format!("{front} {}\n", printable(line).replace("\\t", "\t"))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::client::Credentials;
    use crate::client::stand_in::{Reply, StandIn};

    fn arguments(given: &[&str]) -> Arguments {
        #[derive(clap::Parser)]
        struct Only {
            #[command(flatten)]
            arguments: Arguments,
        }
        <Only as clap::Parser>::parse_from([&["logs"], given].concat()).arguments
    }

    #[test]
    fn a_line_says_when_and_whose_it_is() {
        let line = LineView {
            time: "2026-11-21T17:35:38.123456Z".to_owned(),
            function: "cart".to_owned(),
            level: "warn".to_owned(),
            message: "first\nsecond\u{1b}[2J".to_owned(),
        };
        let told = anstream::adapter::strip_str(&text(&line)).to_string();
        assert_eq!(told, "2026-11-21 17:35:38 warn  cart first\n2026-11-21 17:35:38 warn  cart second\\u{1b}[2J\n");
    }

    #[test]
    fn what_is_wanted_is_asked_of_the_node() {
        let server = StandIn::start(|_, _| Reply::json(200, &json!({"items": [], "next_cursor": null})));
        let arguments = arguments(&["cart", "--since", "15m", "--level", "warn", "--contains", "a b", "--limit", "5"]);
        show(&server.client(Credentials::None), "shop", &arguments).unwrap();
        assert_eq!(
            server.lines(),
            ["GET /v1/stacks/shop/logs?function=cart&since=15m&level=warn&contains=a+b&order=desc&limit=5"]
        );
    }

    #[test]
    fn following_goes_on_after_the_last_line() {
        let mut place = Place { since: Some("15m".to_owned()), seen: Vec::new() };
        let arguments = arguments(&["-f"]);
        assert_eq!(place.call("s", &arguments).line(), "GET /v1/stacks/s/logs/follow?since=15m");
        let line =
            |second: u32, text: &str| json!({"time": format!("2026-11-21T17:35:{second}.123Z"), "message": text});
        let mut printed = |lines: &[Value]| lines.iter().map(|line| place.is_new(line)).collect::<Vec<_>>();
        assert_eq!(printed(&[line(10, "a"), line(11, "a"), line(11, "a"), line(11, "b")]), [true; 4]);
        place.resume();
        assert_eq!(
            place.call("s", &arguments).line(),
            "GET /v1/stacks/s/logs/follow?since=2026-11-21T17%3A35%3A11.123Z"
        );
        let mut printed = |lines: &[Value]| lines.iter().map(|line| place.is_new(line)).collect::<Vec<_>>();
        let again = [line(11, "a"), line(11, "a"), line(11, "b"), line(11, "b"), line(12, "a")];
        assert_eq!(printed(&again), [false, false, false, true, true]);
    }
}
