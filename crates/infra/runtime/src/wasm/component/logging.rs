//! `wasi:logging`: lines of the invocation's log, with a level.

use mu_telemetry::{Level, LogSource};
use wasmtime::component::{ComponentType, Lift, Linker, Lower};

use super::state::ComponentState;

const INTERFACE: &str = "wasi:logging/logging@0.1.0-draft";

/// The levels of the interface, in its order.
#[derive(Clone, Copy, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "guests make them; what lifts them does so by number")]
enum LevelName {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
    #[component(name = "critical")]
    Critical,
}

impl From<LevelName> for Level {
    /// The log knows nothing worse than an error.
    fn from(level: LevelName) -> Self {
        match level {
            LevelName::Trace => Self::Trace,
            LevelName::Debug => Self::Debug,
            LevelName::Info => Self::Info,
            LevelName::Warn => Self::Warn,
            LevelName::Error | LevelName::Critical => Self::Error,
        }
    }
}

pub(super) fn add_to(linker: &mut Linker<ComponentState>) -> wasmtime::Result<()> {
    let mut interface = linker.instance(INTERFACE)?;
    interface.func_wrap("log", |mut store, (level, context, message): (LevelName, String, String)| {
        let state = store.data_mut();
        state.pacing.note_function();
        let message = message.trim_end();
        let line = if context.is_empty() { message.to_owned() } else { format!("{context}: {message}") };
        state.log.write(LogSource::Function, level.into(), line);
        Ok(())
    })
}
