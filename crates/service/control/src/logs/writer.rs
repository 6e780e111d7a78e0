//! The one task that writes to the database of the logs.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use mu_db::keys::records as keys;
use mu_db::{Batch, Kv, Order, Scan, ScanLimit, Select};
use mu_env::Shutdown;
use mu_stack::StackId;

use super::cleaner::Cleaner;
use super::{LogError, LogLine, LogStore};

/// Lines that are written at once.
pub(super) const BATCH_LINES: usize = 1_000;
/// Bytes that are written at once, about.
const BATCH_BYTES: usize = 4 << 20;
/// How long the first line of a batch waits for others.
const BATCH_WAIT: Duration = Duration::from_millis(100);
/// How long it takes until a failed write is tried again.
const RETRY_WAIT: Duration = Duration::from_secs(1);
/// How many batches are written while the node stops; lines beyond that are lost.
const LAST_BATCHES_MAX: usize = 1_000;

const VERSION: u8 = 1;

/// Writes the lines that a [`LogStore`] takes, and deletes those that are no longer kept. There is one.
#[derive(Debug)]
pub struct LogWriter {
    store: Arc<LogStore>,
    state: State,
    cleaner: Cleaner,
    /// Lines that could not be written.
    failed: Option<Vec<LogLine>>,
    is_failing: bool,
}

/// What the writer knows of the database, which nobody else writes to.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The number of the next line.
    pub(super) sequence: u64,
    /// The bytes of the lines of each stack that has any.
    pub(super) bytes: HashMap<StackId, u64>,
}

impl LogWriter {
    pub(super) fn new(store: Arc<LogStore>, state: State) -> Self {
        Self { store, state, cleaner: Cleaner::default(), failed: None, is_failing: false }
    }

    /// Writes until shutdown is requested, and then what still waits.
    pub async fn run(mut self, shutdown: Shutdown) {
        while !shutdown.is_requested() {
            tokio::select! {
                () = shutdown.requested() => {}
                () = self.wait() => {}
            }
            self.turn().await;
        }
        for _ in 0..LAST_BATCHES_MAX {
            if self.store.queue.is_empty() || self.failed.is_some() {
                break;
            }
            self.write().await;
        }
        self.store.followers.close();
    }

    /// Waits until there is something to do.
    async fn wait(&self) {
        if self.failed.is_some() {
            return tokio::time::sleep(RETRY_WAIT).await;
        }
        let cleaning = self.cleaner.wait(&self.store);
        tokio::select! {
            () = self.store.queue.filled() => {}
            () = tokio::time::sleep(cleaning) => return,
        }
        tokio::select! {
            () = self.store.queue.full() => {}
            () = tokio::time::sleep(BATCH_WAIT) => {}
        }
    }

    /// Writes a batch, and deletes a bounded number of lines.
    pub(super) async fn turn(&mut self) {
        self.write().await;
        if self.failed.is_none() {
            let cleaned = self.cleaner.step(&self.store, &mut self.state).await;
            if let Err(error) = cleaned {
                tracing::warn!(%error, "old log lines could not be deleted");
            }
        }
        self.store.stored_bytes.store(self.state.bytes.values().sum(), Ordering::Relaxed);
    }

    async fn write(&mut self) {
        let lines = match self.failed.take() {
            Some(lines) => lines,
            None => {
                let records = self.store.queue.take(BATCH_BYTES);
                (self.state.sequence..).zip(records).map(|(number, record)| LogLine::new(record, number)).collect()
            }
        };
        let Some(last) = lines.last() else { return };
        let end = last.sequence + 1;
        let (batch, bytes) = self.batch_of(&lines, end);
        // Written again after a failure that was none, it is the same: keys and values stay as they are.
        match self.store.kv.commit(batch).await {
            Ok(_) => {
                if self.is_failing {
                    tracing::info!("log lines are stored again");
                }
                self.is_failing = false;
                self.state.sequence = end;
                for (stack, bytes) in bytes {
                    self.state.bytes.insert(stack, bytes);
                    self.cleaner.check(stack, bytes, &self.store.options);
                }
                self.store.stored.fetch_add(lines.len() as u64, Ordering::Relaxed);
                self.store.followers.publish(lines, end);
            }
            Err(error) => {
                if !self.is_failing {
                    tracing::error!(%error, "log lines are not stored; they wait, and are dropped when too many do");
                }
                self.is_failing = true;
                self.failed = Some(lines);
            }
        }
    }

    /// What is written, and the bytes that each stack has then.
    fn batch_of(&self, lines: &[LogLine], end: u64) -> (Batch, HashMap<StackId, u64>) {
        let mut batch = Batch::new().put(keys::log_sequence(), encode(end));
        let mut bytes: HashMap<StackId, u64> = HashMap::new();
        for line in lines {
            let (key, record) = (line.key(), line.encode());
            let of_stack = bytes.entry(line.stack);
            let known = || self.state.bytes.get(&line.stack).copied().unwrap_or_default();
            *of_stack.or_insert_with(known) += (key.len() + record.len()) as u64;
            batch = batch.put(key, record);
        }
        for (stack, bytes) in &bytes {
            batch = batch.put(keys::log_bytes(stack.key()), encode(*bytes));
        }
        (batch, bytes)
    }
}

/// Reads what the writer has to know.
pub(super) async fn load(kv: &dyn Kv) -> Result<State, LogError> {
    let mut state = State::default();
    if let Some(record) = kv.get(&keys::log_sequence()).await? {
        state.sequence = decode(&record)?;
    }
    let mut range = keys::all_log_bytes();
    loop {
        let limit = ScanLimit { rows: 4_096, bytes: 1 << 20 };
        let scan = Scan { range: range.clone(), order: Order::Ascending, limit, select: Select::Rows };
        let page = kv.scan(scan).await?;
        for row in &page.rows {
            let stack = keys::parse_log_bytes(&row.key).ok_or(LogError::UnreadableRecord)?;
            state.bytes.insert(StackId::new(stack), decode(&row.value)?);
        }
        match page.rows.last() {
            Some(last) if page.cut.is_some() => range = range.after(&last.key),
            _ => return Ok(state),
        }
    }
}

/// A number as it is stored: a version, and eight bytes.
pub(super) fn encode(number: u64) -> Bytes {
    [&[VERSION][..], &number.to_be_bytes()].concat().into()
}

fn decode(record: &[u8]) -> Result<u64, LogError> {
    let number = record.strip_prefix(&[VERSION]).and_then(|number| number.try_into().ok());
    number.map(u64::from_be_bytes).ok_or(LogError::UnreadableRecord)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changing this strands the logs of every node: add a version instead.
    #[test]
    fn golden() {
        assert_eq!(encode(0x0102), &[1, 0, 0, 0, 0, 0, 0, 1, 2][..]);
        assert_eq!(decode(&encode(0x0102)), Ok(0x0102));
        for record in [&[][..], &[1], &[2, 0, 0, 0, 0, 0, 0, 1, 2], &[1, 0, 0, 0, 0, 0, 0, 1, 2, 3]] {
            assert_eq!(decode(record), Err(LogError::UnreadableRecord));
        }
    }
}
