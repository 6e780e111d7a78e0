//! What the embedded store does beyond the conformance suite: sharing syncs, full disks, damaged and locked files.

use std::io;
use std::sync::Condvar;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::*;
use crate::{KeyRange, ScanLimit, Select};

struct Fixture {
    directory: tempfile::TempDir,
    disk: Arc<Disk>,
}

/// A disk that can be full, can fail, and counts syncs.
#[derive(Debug, Default)]
struct Disk {
    is_full: AtomicBool,
    fails: AtomicBool,
    syncs: AtomicU64,
    /// While this is true, no sync begins.
    holds_syncs: Mutex<bool>,
    released: Condvar,
}

struct TestFiles {
    file: DatabaseFile,
    disk: Arc<Disk>,
}

#[derive(Debug)]
struct TestDevice {
    file: FileBackend,
    disk: Arc<Disk>,
}

impl Fixture {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), disk: Arc::default() }
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("data/mu.redb")
    }

    fn open(&self) -> Result<Arc<RedbKv>, KvError> {
        let files = TestFiles { file: DatabaseFile::new(&self.path()), disk: Arc::clone(&self.disk) };
        RedbKv::start(files, &RedbOptions::default()).map(Arc::new)
    }

    /// Messages without the temporary path.
    fn message(&self, error: &KvError) -> String {
        error.to_string().replace(&self.path().display().to_string(), "mu.redb")
    }
}

impl Disk {
    fn hold_syncs(&self, hold: bool) {
        *self.holds_syncs.lock().unwrap() = hold;
        self.released.notify_all();
    }

    fn write(&self) -> io::Result<()> {
        self.read()?;
        if self.is_full.load(SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn read(&self) -> io::Result<()> {
        if self.fails.load(SeqCst) { Err(io::Error::other("the disk is unplugged")) } else { Ok(()) }
    }
}

impl Files for TestFiles {
    type Device = TestDevice;

    fn create(&self) -> io::Result<()> {
        self.file.create()
    }

    fn open(&self) -> Result<TestDevice, redb::Error> {
        Ok(TestDevice { file: self.file.open()?, disk: Arc::clone(&self.disk) })
    }

    fn bytes(&self) -> u64 {
        self.file.bytes()
    }

    fn has_room(&self) -> bool {
        !self.disk.is_full.load(SeqCst) && self.file.has_room()
    }

    fn name(&self) -> String {
        self.file.name()
    }
}

impl StorageBackend for TestDevice {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.read()?;
        self.file.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.disk.write()?;
        self.file.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.write()?;
        drop(self.disk.released.wait_while(self.disk.holds_syncs.lock().unwrap(), |holds| *holds).unwrap());
        self.disk.syncs.fetch_add(1, SeqCst);
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.write()?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(
        &self,
        start: std::ops::Bound<u64>,
        end: std::ops::Bound<u64>,
    ) -> Result<bool, redb::BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn unlock_range(&self, start: std::ops::Bound<u64>, end: std::ops::Bound<u64>) -> Result<(), redb::BackendError> {
        self.file.unlock_range(start, end)
    }
}

async fn put(kv: &RedbKv, key: &str, value: &str) -> Result<Outcome, KvError> {
    kv.commit(Batch::new().put(key.to_owned(), value.to_owned())).await
}

async fn value(kv: &RedbKv, key: &str) -> Result<Option<String>, KvError> {
    Ok(kv.get(key.as_bytes()).await?.map(|value| String::from_utf8(value.to_vec()).unwrap()))
}

#[tokio::test]
async fn conforms() {
    crate::conformance::check(Fixture::new().open().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_with_a_queue_of_one() {
    let fixture = Fixture::new();
    let options = RedbOptions { pending_bytes: 1, cache_bytes: 0, verify_bytes: 0 };
    crate::conformance::check(Arc::new(RedbKv::open(&fixture.path(), &options).unwrap())).await;
}

#[tokio::test]
async fn waiting_commits_share_a_sync() {
    const COMMITS: usize = 500;
    let fixture = Fixture::new();
    let kv = fixture.open().unwrap();
    let before = fixture.disk.syncs.load(SeqCst);
    // The first group cannot finish before all others wait.
    fixture.disk.hold_syncs(true);
    let puts: Vec<_> = (0..COMMITS)
        .map(|i| {
            let kv = Arc::clone(&kv);
            tokio::spawn(async move { put(&kv, &format!("{i:03}"), "v").await })
        })
        .collect();
    let bytes_each = COMMIT_OVERHEAD_BYTES + 4;
    while kv.room.available_permits() > kv.room_bytes - COMMITS * bytes_each {
        tokio::task::yield_now().await;
    }
    fixture.disk.hold_syncs(false);
    for put in puts {
        assert_eq!(put.await.unwrap(), Ok(Outcome::Committed));
    }
    // One for those that the writer took before the others came, and one for the rest.
    let syncs = fixture.disk.syncs.load(SeqCst) - before;
    assert!(syncs <= 2, "{syncs} syncs");
}

#[tokio::test]
async fn commits_of_one_group_see_each_other() {
    let fixture = Fixture::new();
    let kv = fixture.open().unwrap();
    fixture.disk.hold_syncs(true);
    let first = tokio::spawn({
        let kv = Arc::clone(&kv);
        async move { put(&kv, "first", "holds the gate").await }
    });
    let batches = [
        Batch::new().expect_absent("k").put("k", "1"),
        Batch::new().expect_absent("k").put("k", "never"),
        Batch::new().expect_value("k", "1").put("k", "2").delete("other"),
        Batch::new().expect_value("k", "1").put("k", "never"),
        Batch::new().expect_value("k", "2").delete("k"),
        Batch::new().expect_value("k", "2").put("k", "never"),
        Batch::new().expect_absent("k").expect_absent("other").put("k", "3"),
    ];
    let mut sent = 1;
    let mut answers = Vec::new();
    for batch in batches {
        let kv_of_task = Arc::clone(&kv);
        answers.push(tokio::spawn(async move { kv_of_task.commit(batch).await.unwrap() }));
        sent += 1;
        while kv.room.available_permits() > kv.room_bytes - sent * COMMIT_OVERHEAD_BYTES {
            tokio::task::yield_now().await;
        }
    }
    fixture.disk.hold_syncs(false);
    first.await.unwrap().unwrap();
    let conflict = |actual: Option<&'static str>| {
        Outcome::Conflict(crate::Conflict { key: "k".into(), actual: actual.map(Into::into) })
    };
    let expected = [
        Outcome::Committed,
        conflict(Some("1")),
        Outcome::Committed,
        conflict(Some("2")),
        Outcome::Committed,
        conflict(None),
        Outcome::Committed,
    ];
    for (answer, expected) in answers.into_iter().zip(expected) {
        assert_eq!(answer.await.unwrap(), expected);
    }
    assert_eq!(value(&kv, "k").await.unwrap().as_deref(), Some("3"));
}

#[tokio::test]
async fn a_closed_store_says_so_and_can_be_opened_again() {
    let fixture = Fixture::new();
    let kv = fixture.open().unwrap();
    put(&kv, "a", "1").await.unwrap();
    kv.close().await;
    kv.close().await;
    for error in [value(&kv, "a").await.unwrap_err(), put(&kv, "a", "2").await.unwrap_err()] {
        assert_eq!(fixture.message(&error), "the database mu.redb is closed");
    }
    let again = fixture.open().unwrap();
    assert_eq!(value(&again, "a").await.unwrap().as_deref(), Some("1"));
    drop(again);
    assert_eq!(value(&fixture.open().unwrap(), "a").await.unwrap().as_deref(), Some("1"));
}

#[tokio::test]
async fn a_second_opening_is_refused() {
    let fixture = Fixture::new();
    let _first = fixture.open().unwrap();
    let error = fixture.open().unwrap_err();
    assert_eq!(
        fixture.message(&error),
        "another mu is using the database mu.redb; stop it or choose another --data-dir"
    );
}

#[tokio::test]
async fn a_full_disk_stops_writes_only_and_only_while_it_is_full() {
    let fixture = Fixture::new();
    let kv = fixture.open().unwrap();
    put(&kv, "before", "1").await.unwrap();
    for round in 0..3 {
        fixture.disk.is_full.store(true, SeqCst);
        for _ in 0..2 {
            let error = put(&kv, "lost", "1").await.unwrap_err();
            assert!(matches!(error, KvError::Full { .. }), "{error}");
            assert_eq!(
                fixture.message(&error),
                "the database mu.redb has no space left for writes (no storage space): \
                 free some space; reads still work"
            );
            assert_eq!(value(&kv, "before").await.unwrap().as_deref(), Some("1"));
            assert_eq!(value(&kv, "lost").await.unwrap(), None);
        }
        fixture.disk.is_full.store(false, SeqCst);
        assert_eq!(put(&kv, &format!("after {round}"), "1").await, Ok(Outcome::Committed));
    }
    drop(kv);
    let kv = fixture.open().unwrap();
    for key in ["before", "after 0", "after 1", "after 2"] {
        assert_eq!(value(&kv, key).await.unwrap().as_deref(), Some("1"), "{key}");
    }
}

#[tokio::test]
async fn a_store_opened_on_a_full_disk_says_so() {
    let fixture = Fixture::new();
    fixture.disk.is_full.store(true, SeqCst);
    assert!(matches!(fixture.open().unwrap_err(), KvError::Full { .. }));
}

#[tokio::test]
async fn a_failing_disk_is_used_again_once_it_works() {
    let fixture = Fixture::new();
    let kv = fixture.open().unwrap();
    put(&kv, "a", "1").await.unwrap();
    fixture.disk.fails.store(true, SeqCst);
    let error = put(&kv, "b", "1").await.unwrap_err();
    assert_eq!(fixture.message(&error), "the database mu.redb cannot be used: the disk is unplugged");
    // Reading it fails as well, with the cause and not with a consequence of it.
    let error = value(&kv, "a").await.unwrap_err();
    assert_eq!(fixture.message(&error), "the database mu.redb cannot be used: the disk is unplugged");
    fixture.disk.fails.store(false, SeqCst);
    assert_eq!(value(&kv, "a").await.unwrap().as_deref(), Some("1"));
    put(&kv, "b", "2").await.unwrap();
    assert_eq!(value(&kv, "b").await.unwrap().as_deref(), Some("2"));
}

#[tokio::test]
async fn what_is_not_a_database_is_left_alone() {
    for content in [b"not a database".to_vec(), vec![0; 100_000], vec![0xff; 100_000]] {
        let fixture = Fixture::new();
        std::fs::create_dir_all(fixture.path().parent().unwrap()).unwrap();
        std::fs::write(fixture.path(), &content).unwrap();
        let error = fixture.open().unwrap_err();
        assert!(matches!(error, KvError::Corrupt { .. }), "{error}");
        assert!(std::fs::read(fixture.path()).unwrap() == content, "it was changed");
    }
}

/// Whatever part of a cleanly closed file is overwritten: opening and reading say that it is damaged, or the damage hit
/// bytes that hold nothing. They never panic and never return anything else than what was written.
#[tokio::test]
async fn a_damaged_file_is_noticed() {
    let fixture = Fixture::new();
    let kv = fixture.open().unwrap();
    for i in 0..200 {
        put(&kv, &format!("{i:03}"), &"v".repeat(1000)).await.unwrap();
    }
    drop(kv);
    let sound = std::fs::read(fixture.path()).unwrap();
    let mut noticed = 0;
    for page in (0..sound.len()).step_by(4096 * 7) {
        let mut damaged = sound.clone();
        damaged[page..].iter_mut().take(64).for_each(|byte| *byte ^= 0x55);
        std::fs::write(fixture.path(), damaged).unwrap();
        let result = match fixture.open() {
            Ok(kv) => {
                let limit = ScanLimit { rows: 1000, bytes: 1 << 20 };
                kv.scan(Scan { range: KeyRange::all(), order: Order::Ascending, limit, select: Select::Rows }).await
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(page) => {
                assert_eq!(page.rows.len(), 200);
                assert!(page.rows.iter().all(|row| row.value == "v".repeat(1000)));
            }
            Err(error) => {
                assert!(matches!(error, KvError::Corrupt { .. }), "{error}");
                noticed += 1;
            }
        }
    }
    assert!(noticed > 0);
}

#[tokio::test]
async fn a_missing_or_unusable_directory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("not/yet/there/mu.redb");
    drop(RedbKv::open(&path, &RedbOptions::default()).unwrap());
    assert!(path.exists());
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = RedbKv::open(&file.join("mu.redb"), &RedbOptions::default()).unwrap_err();
    assert!(matches!(error, KvError::Unavailable { .. }), "{error}");
}
