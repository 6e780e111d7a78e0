//! One line per call, and the functions' own lines: on standard output, for people or for programs.

pub(crate) mod json;
mod queue;
mod tap;
mod text;

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use clap::ValueEnum;
use mu_invoke::{Receipt, ReceiptSink};
use mu_telemetry::{LogRecord, LogSink};

pub(crate) use crate::report::json::Event;
use crate::report::queue::Queue;
pub(crate) use crate::report::tap::{Captured, Tap};
pub(crate) use crate::report::text::{Text, megabyte_instructions, with_unit};

/// How long entries are gathered before they are written together. A function's lines and the line of its call mostly
/// arrive within this time, and under load it saves a wake-up and a write per call.
const GATHERING: Duration = Duration::from_millis(5);

/// How standard output is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Lines for people
    Text,
    /// One JSON object per line
    Json,
}

/// Something to be written.
pub(crate) enum Entry {
    Call(Box<Receipt>),
    Log(Box<LogRecord>),
    Event(Event),
}

/// Takes entries from anywhere without blocking; a thread of its own writes them.
pub(crate) struct Reporter {
    shared: Arc<Shared>,
    output: Output,
    writer: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

impl Reporter {
    pub(crate) fn start(output: Output) -> io::Result<Self> {
        let shared = Arc::new(Shared { queue: Mutex::default(), wake: Condvar::new() });
        let format: Box<dyn Format> = match output {
            Output::Text => Box::new(Text::new(colours())),
            Output::Json => Box::new(json::Json),
        };
        let queue = Arc::clone(&shared);
        let writer = std::thread::Builder::new().name("report".to_owned()).spawn(move || queue.write_all(&*format))?;
        Ok(Self { shared, output, writer: Mutex::new(Some(writer)) })
    }

    /// Writes an event of the run itself. For people these are talk, which goes to standard error elsewhere.
    pub(crate) fn event(&self, event: Event) {
        if self.output == Output::Json {
            self.push(Entry::Event(event));
        }
    }

    /// Writes what is waiting, and ends.
    pub(crate) fn finish(&self) {
        self.shared.lock().is_closed = true;
        self.shared.wake.notify_one();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // It panics only where a bug is; that its last lines are missing says so.
            let _ = writer.join();
        }
    }

    fn push(&self, entry: Entry) {
        let mut queue = self.shared.lock();
        let was_empty = queue.is_empty();
        queue.push(entry);
        drop(queue);
        if was_empty {
            self.shared.wake.notify_one();
        }
    }
}

impl LogSink for Reporter {
    fn write(&self, record: LogRecord) {
        self.push(Entry::Log(Box::new(record)));
    }
}

impl ReceiptSink for Reporter {
    fn accept(&self, receipt: Receipt) {
        self.push(Entry::Call(Box::new(receipt)));
    }
}

/// Turns entries into lines.
pub(crate) trait Format: Send {
    /// Appends the lines of `entries`, which arrived in this order, and then the notice that `dropped` more did not
    /// find room.
    fn format(&self, entries: &[Entry], dropped: u64, into: &mut String);
}

impl Shared {
    /// Writes until closed and empty.
    fn write_all(&self, format: &dyn Format) {
        let mut text = String::new();
        loop {
            let (entries, dropped, is_closed) = self.gather();
            format.format(&entries, dropped, &mut text);
            // Nobody may be reading any more, which is no reason to stop serving.
            let mut out = io::stdout().lock();
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            drop(out);
            text.clear();
            if is_closed && entries.is_empty() {
                return;
            }
        }
    }

    /// Waits for entries, and for those that belong to them.
    fn gather(&self) -> (Vec<Entry>, u64, bool) {
        let is_waiting = |queue: &mut Queue| queue.is_empty() && !queue.is_closed;
        let queue = self.wake.wait_while(self.lock(), is_waiting).unwrap_or_else(PoisonError::into_inner);
        if !queue.is_closed {
            drop(queue);
            std::thread::sleep(GATHERING);
        } else {
            drop(queue);
        }
        let mut queue = self.lock();
        let (entries, dropped) = queue.take();
        (entries, dropped, queue.is_closed)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether standard output shows colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    Shown,
    Plain,
}

fn colours() -> Colours {
    let choice = anstream::AutoStream::choice(&io::stdout());
    if io::stdout().is_terminal() && choice != anstream::ColorChoice::Never { Colours::Shown } else { Colours::Plain }
}
