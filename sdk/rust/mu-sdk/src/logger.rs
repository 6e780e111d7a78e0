//! The [`log`] crate's macros as lines of the function's log.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::atomic::{AtomicBool, Ordering},
};

use log::{Log, Metadata, Record};
use mu_abi::{LogLevel, Outgoing};

use crate::stdio;

/// Where a test's lines are collected.
pub(crate) type Lines = Rc<RefCell<Vec<(LogLevel, String)>>>;

/// Whether lines go to the host: never in a test.
static IS_SERVING: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The lines of the test that runs on this thread.
    static LINES: RefCell<Option<Lines>> = const { RefCell::new(None) };
}

/// Has the macros write to the host.
pub(crate) fn send_to_host() {
    IS_SERVING.store(true, Ordering::Relaxed);
    install();
}

/// Has the macros, on this thread, add to `lines` from now on.
pub(crate) fn collect(lines: Lines) {
    install();
    LINES.set(Some(lines));
}

fn install() {
    // It fails when a logger is there already: the second test of a program, or a function that brings its own.
    if log::set_logger(&Facade).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
    }
}

struct Facade;

impl Log for Facade {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let level = match record.level() {
            log::Level::Error => LogLevel::Error,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Info => LogLevel::Info,
            log::Level::Debug => LogLevel::Debug,
            log::Level::Trace => LogLevel::Trace,
        };
        let body = record.args().to_string();
        if IS_SERVING.load(Ordering::Relaxed) {
            // As in `MuContext::log`: when the host is gone, the next question or the result will meet that.
            let _ = stdio::send(&Outgoing::Log { body, level });
        } else {
            LINES.with_borrow(|lines| {
                if let Some(lines) = lines {
                    lines.borrow_mut().push((level, body));
                }
            });
        }
    }

    fn flush(&self) {}
}
