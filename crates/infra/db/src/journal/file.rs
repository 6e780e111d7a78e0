//! The journal in files: segments in a directory, appended to with one `write` per record.
//!
//! What was written belongs to the operating system's page cache and survives the process. [`Journal::sync`] makes it
//! survive the machine. Segments that were released are deleted; a segment that has grown to its size is followed by a
//! new one at the next release, never while a record is appended.

mod segment;

use std::collections::VecDeque;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use mu_env::Random;

use self::segment::{FRAME_BYTES, HEADER_BYTES, Header, read_frames, valid_end};
use super::error::{check_record, explain};
use super::{Journal, JournalError, JournalId, Position, Records};

const LOCK: &str = "lock";

/// How a [`FileJournal`] uses its disk.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// A segment of at least this many bytes is followed by a new one. Default 16 MiB.
    pub segment_bytes: u64,
    /// All segments together have at most this many bytes; a record over that is refused with [`JournalError::Full`].
    /// Default 1 GiB.
    pub bytes_max: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self { segment_bytes: 16 << 20, bytes_max: 1 << 30 }
    }
}

/// A [`Journal`] in a directory of this machine, which one process may use at a time.
pub struct FileJournal(Arc<Inner>);

struct Inner {
    name: String,
    directory: PathBuf,
    id: JournalId,
    options: JournalOptions,
    /// Held as long as the journal is open.
    _lock: File,
    state: Mutex<State>,
}

struct State {
    /// Segments that nothing is appended to any more, oldest first.
    sealed: VecDeque<Sealed>,
    current: Current,
    /// Bytes of the sealed segments.
    sealed_bytes: u64,
}

#[derive(Clone, Copy)]
struct Sealed {
    start: u64,
    /// Not before the end of its last record.
    end: u64,
    bytes: u64,
}

struct Current {
    start: u64,
    /// Where the next record comes.
    end: u64,
    file: Arc<File>,
    /// Whether a record was written in part and could not be taken back yet.
    is_torn: bool,
    /// Whether something was appended since the last sync.
    is_dirty: bool,
    frame: Vec<u8>,
}

impl FileJournal {
    /// Opens the journal in a directory, or creates both. A last record that was written in part is cut off.
    ///
    /// Blocks: the last segment is read and checked.
    ///
    /// # Errors
    /// [`JournalError::InUse`] when another process has it open, [`JournalError::Corrupt`] when there are files of
    /// something else, and what the operating system says.
    pub fn open(directory: &Path, options: &JournalOptions, random: &Random) -> Result<Self, JournalError> {
        let name = format!("the journal {}", directory.display());
        let io = |error: io::Error| explain(&name, &error);
        fs::create_dir_all(directory).map_err(io)?;
        let lock = lock(directory, &name)?;
        let mut starts = segments_in(directory).map_err(io)?;
        let Some(last) = starts.pop() else {
            let mut id = JournalId::default();
            random.fill(&mut id);
            let current = Current::create(directory, &Header { id, start: 0 }).map_err(io)?;
            return Ok(Self::of(name, directory, id, options, lock, VecDeque::new(), current));
        };
        let current = Current::open(directory, &name, last)?;
        let id = segment::header(&path(directory, last)).map_err(io)?.map(|header| header.id);
        let id = id.ok_or_else(|| corrupt(&name, last))?;
        let mut sealed = VecDeque::with_capacity(starts.len());
        for (at, start) in starts.iter().copied().enumerate() {
            let file = path(directory, start);
            if segment::header(&file).map_err(io)? != Some(Header { id, start }) {
                return Err(corrupt(&name, start));
            }
            let bytes = fs::metadata(&file).map_err(io)?.len();
            sealed.push_back(Sealed { start, end: starts.get(at + 1).copied().unwrap_or(last), bytes });
        }
        Ok(Self::of(name, directory, id, options, lock, sealed, current))
    }

    fn of(
        name: String,
        directory: &Path,
        id: JournalId,
        options: &JournalOptions,
        lock: File,
        sealed: VecDeque<Sealed>,
        current: Current,
    ) -> Self {
        let sealed_bytes = sealed.iter().map(|sealed| sealed.bytes).sum();
        let state = Mutex::new(State { sealed, current, sealed_bytes });
        let (directory, options) = (directory.to_owned(), options.clone());
        Self(Arc::new(Inner { name, directory, id, options, _lock: lock, state }))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> io::Result<T> + Send + 'static,
    ) -> Result<T, JournalError> {
        let inner = Arc::clone(&self.0);
        let done =
            tokio::task::spawn_blocking(move || work(&inner).map_err(|error| explain(&inner.name, &error))).await;
        done.unwrap_or_else(|stopped| {
            Err(JournalError::Unavailable { journal: self.0.name.clone(), reason: stopped.to_string() })
        })
    }
}

#[async_trait]
impl Journal for FileJournal {
    fn id(&self) -> JournalId {
        self.0.id
    }

    fn append(&self, record: &[u8]) -> Result<(), JournalError> {
        check_record(record)?;
        let mut state = self.0.lock();
        let bytes = state.sealed_bytes + state.current.bytes() + (FRAME_BYTES + record.len()) as u64;
        if bytes > self.0.options.bytes_max {
            let reason = format!("it may have {} bytes", self.0.options.bytes_max);
            return Err(JournalError::Full { journal: self.0.name.clone(), reason });
        }
        state.current.append(record).map_err(|error| explain(&self.0.name, &error))
    }

    async fn read(&self, from: Position, bytes_max: usize) -> Result<Records, JournalError> {
        // Whoever asks again and again, in vain mostly, costs next to nothing.
        if self.0.lock().current.end == from.as_u64() {
            return Ok(Records { records: Vec::new(), next: from });
        }
        self.blocking(move |inner| inner.read(from, bytes_max)).await
    }

    async fn sync(&self) -> Result<(), JournalError> {
        if !self.0.lock().current.is_dirty {
            return Ok(());
        }
        self.blocking(Inner::sync).await
    }

    async fn release(&self, before: Position) -> Result<(), JournalError> {
        self.blocking(move |inner| inner.release(before)).await
    }

    async fn resume_at(&self, position: Position) -> Result<(), JournalError> {
        if self.0.lock().current.end >= position.as_u64() {
            return Ok(());
        }
        self.blocking(move |inner| inner.roll(position.as_u64())).await
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A poisoned lock is harmless: nothing that runs under it panics half way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, from: Position, bytes_max: usize) -> io::Result<Records> {
        let mut read = Records { records: Vec::new(), next: from };
        while let Some((start, end)) = self.segment_at(read.next.as_u64()) {
            let at = read.next.as_u64().max(start);
            let (records, next) = read_frames(&path(&self.directory, start), at - start, end - start, bytes_max)?;
            read.next = Position::new(start + next);
            if !records.is_empty() {
                read.records = records;
                break;
            }
            // The rest of a sealed segment has no records: go on with the next one.
            read.next = Position::new(end.max(at));
            if start == self.lock().current.start {
                break;
            }
        }
        Ok(read)
    }

    /// The segment that holds the record at a position, or the first after it: where it starts, and where it ends.
    fn segment_at(&self, position: u64) -> Option<(u64, u64)> {
        let state = self.lock();
        let sealed = state.sealed.iter().find(|sealed| position < sealed.end).map(|sealed| (sealed.start, sealed.end));
        let current = (state.current.start, state.current.end);
        sealed.or_else(|| (position <= current.1).then_some(current))
    }

    fn sync(&self) -> io::Result<()> {
        let file = {
            let mut state = self.lock();
            state.current.is_dirty = false;
            Arc::clone(&state.current.file)
        };
        let synced = file.sync_data();
        if synced.is_err() {
            self.lock().current.is_dirty = true;
        }
        synced
    }

    fn release(&self, before: Position) -> io::Result<()> {
        let (end, is_long) = {
            let current = &self.lock().current;
            (current.end, current.bytes() >= self.options.segment_bytes)
        };
        if is_long {
            // What is appended meanwhile still goes to the old segment, so that the new one begins well after it.
            // Positions are allowed to have gaps.
            self.roll(end.saturating_add(self.options.bytes_max))?;
        }
        loop {
            let Some(released) = self.lock().sealed.front().copied().filter(|sealed| sealed.end <= before.as_u64())
            else {
                return Ok(());
            };
            match fs::remove_file(path(&self.directory, released.start)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut state = self.lock();
            if state.sealed.front().is_some_and(|front| front.start == released.start) {
                state.sealed.pop_front();
                state.sealed_bytes -= released.bytes;
            }
        }
    }

    /// Makes a new segment the current one. Records are appended meanwhile.
    fn roll(&self, start: u64) -> io::Result<()> {
        let new = Current::create(&self.directory, &Header { id: self.id, start })?;
        let old = {
            let mut state = self.lock();
            if start < state.current.end || start <= state.current.start {
                drop(state);
                return fs::remove_file(path(&self.directory, start));
            }
            let old = std::mem::replace(&mut state.current, new);
            let bytes = old.bytes();
            state.sealed.push_back(Sealed { start: old.start, end: old.end, bytes });
            state.sealed_bytes += bytes;
            old.file
        };
        old.sync_data()
    }
}

impl Current {
    /// A new segment: whole in the directory or not there, also after the machine stopped.
    fn create(directory: &Path, header: &Header) -> io::Result<Self> {
        let path = path(directory, header.start);
        let unfinished = path.with_extension("new");
        let _ = fs::remove_file(&unfinished);
        let mut file = OpenOptions::new().append(true).create_new(true).open(&unfinished)?;
        file.write_all(&header.encode())?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        sync_directory(directory)?;
        let (start, end) = (header.start, header.start);
        Ok(Self { start, end, file: Arc::new(file), is_torn: false, is_dirty: false, frame: Vec::new() })
    }

    fn open(directory: &Path, name: &str, start: u64) -> Result<Self, JournalError> {
        let io = |error: io::Error| explain(name, &error);
        let path = path(directory, start);
        if segment::header(&path).map_err(io)?.is_none_or(|header| header.start != start) {
            return Err(corrupt(name, start));
        }
        let file = OpenOptions::new().append(true).open(&path).map_err(io)?;
        let written = file.metadata().map_err(io)?.len();
        let end = valid_end(&path).map_err(io)?;
        if written > HEADER_BYTES as u64 + end {
            let cut = written - HEADER_BYTES as u64 - end;
            tracing::warn!("{name} ends with {cut} bytes that are no whole record: they are cut off");
            file.set_len(HEADER_BYTES as u64 + end).map_err(io)?;
            file.sync_all().map_err(io)?;
        }
        let end = start + end;
        // What an earlier process left unsynced is synced with the first sync.
        Ok(Self { start, end, file: Arc::new(file), is_torn: false, is_dirty: true, frame: Vec::new() })
    }

    /// Bytes of the file.
    fn bytes(&self) -> u64 {
        HEADER_BYTES as u64 + self.end - self.start
    }

    fn append(&mut self, record: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.file.set_len(self.bytes())?;
            self.is_torn = false;
        }
        segment::frame(record, &mut self.frame);
        self.is_dirty = true;
        if let Err(error) = (&*self.file).write_all(&self.frame) {
            // A full disk may have taken a part of it.
            self.is_torn = self.file.set_len(self.bytes()).is_err();
            return Err(error);
        }
        self.end += self.frame.len() as u64;
        Ok(())
    }
}

fn lock(directory: &Path, name: &str) -> Result<File, JournalError> {
    let io = |error: io::Error| explain(name, &error);
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(directory.join(LOCK)).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse { journal: name.to_owned() }),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

/// Where the segments in a directory start, ascending.
fn segments_in(directory: &Path) -> io::Result<Vec<u64>> {
    let mut starts = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("segment") => {
                let start = path.file_stem().and_then(|stem| stem.to_str()).filter(|stem| stem.len() == 16);
                starts.extend(start.and_then(|start| u64::from_str_radix(start, 16).ok()));
            }
            // A segment that was never finished.
            Some("new") => fs::remove_file(&path)?,
            _ => {}
        }
    }
    starts.sort_unstable();
    Ok(starts)
}

fn path(directory: &Path, start: u64) -> PathBuf {
    directory.join(format!("{start:016x}.segment"))
}

/// Makes the names in a directory durable. Only unix offers this; elsewhere the file system does it on its own.
fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

fn corrupt(name: &str, start: u64) -> JournalError {
    let reason = format!("the segment {start:016x} does not begin as one of this journal");
    JournalError::Corrupt { journal: name.to_owned(), reason }
}

impl fmt::Debug for FileJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileJournal").field("directory", &self.0.directory).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
