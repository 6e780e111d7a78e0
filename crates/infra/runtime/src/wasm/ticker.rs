//! Moves the engine's epoch on, so that a guest that computes for long yields.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use wasmtime::Engine;

/// The time between two epochs.
const TICK: Duration = Duration::from_millis(5);

/// Ticks without any call after which the thread sleeps until the next call wakes it: an idle node uses no CPU.
const TICKS_UNTIL_SLEEP: u32 = 200;

/// Epochs that a guest may compute before it yields. One would be cut short by the tick under way.
pub(super) const SLICE_EPOCHS: u64 = 2;

/// A thread that increments the epoch while there are calls.
pub(super) struct Ticker {
    signals: Arc<Signals>,
    thread: Thread,
    handle: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Signals {
    is_used: AtomicBool,
    is_asleep: AtomicBool,
    is_stopped: AtomicBool,
}

impl Ticker {
    pub(super) fn start(engine: Engine) -> io::Result<Self> {
        let signals = Arc::new(Signals::default());
        let shared = Arc::clone(&signals);
        let handle = thread::Builder::new().name("mu-ticker".to_owned()).spawn(move || tick(&engine, &shared))?;
        Ok(Self { signals, thread: handle.thread().clone(), handle: Some(handle) })
    }

    /// Notes that a guest is about to run.
    pub(super) fn note_use(&self) {
        // Written only when it changes, so that cores do not fight over the line.
        if !self.signals.is_used.load(Ordering::Relaxed) {
            self.signals.is_used.store(true, Ordering::SeqCst);
        }
        if self.signals.is_asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.signals.is_stopped.store(true, Ordering::SeqCst);
        self.thread.unpark();
        if let Some(handle) = self.handle.take() {
            // The thread only sleeps and counts; it cannot have panicked.
            let _ = handle.join();
        }
    }
}

fn tick(engine: &Engine, signals: &Signals) {
    let mut unused_ticks = 0;
    while !signals.is_stopped.load(Ordering::SeqCst) {
        if unused_ticks < TICKS_UNTIL_SLEEP {
            thread::sleep(TICK);
        } else {
            // Asleep is announced before the last look at `is_used`, and a caller marks use before it looks at
            // `is_asleep`: one of the two sees the other.
            signals.is_asleep.store(true, Ordering::SeqCst);
            if !signals.is_used.load(Ordering::SeqCst) && !signals.is_stopped.load(Ordering::SeqCst) {
                thread::park();
            }
            signals.is_asleep.store(false, Ordering::SeqCst);
        }
        engine.increment_epoch();
        unused_ticks = if signals.is_used.swap(false, Ordering::SeqCst) { 0 } else { unused_ticks + 1 };
    }
}
