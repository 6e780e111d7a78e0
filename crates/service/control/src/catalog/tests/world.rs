//! A catalog to test with.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use mu_db::{Batch, Kv, KvError, MemKv, Outcome, Page, Scan};
use mu_env::{Env, Timestamp};
use mu_stack::{Env as Variables, Stack, StackId};
use mu_storage::{Blobs, MemBlobs, MemUploads, UploadStore};

use crate::catalog::{
    Annotations, ArtifactHash, ArtifactInfo, Artifacts, BegunVersion, Catalog, CatalogError, NewStack, NewVersion,
    StackRecord, VersionNumber,
};

pub(super) const OWNER: &str = "k_owner";
pub(super) const OTHER: &str = "k_other";

pub(super) struct World {
    pub(super) env: Env,
    pub(super) kv: Arc<dyn Kv>,
    pub(super) blobs: Arc<dyn Blobs>,
    pub(super) uploads: Arc<dyn UploadStore>,
    pub(super) catalog: Catalog,
    pub(super) artifacts: Artifacts,
}

impl World {
    pub(super) fn new() -> Self {
        Self::over(Arc::new(YieldingKv(MemKv::new())))
    }

    pub(super) fn over(kv: Arc<dyn Kv>) -> Self {
        let env = Env::simulated(1, Timestamp::from_micros(1_000_000));
        Self::with(env, kv, Arc::new(MemBlobs::new()), Arc::new(MemUploads::new()))
    }

    pub(super) fn with(env: Env, kv: Arc<dyn Kv>, blobs: Arc<dyn Blobs>, uploads: Arc<dyn UploadStore>) -> Self {
        let catalog = Catalog::new(Arc::clone(&kv), env.clone());
        let artifacts = Artifacts::new(Arc::clone(&kv), Arc::clone(&blobs), Arc::clone(&uploads), env.clone());
        Self { env, kv, blobs, uploads, catalog, artifacts }
    }

    /// The same world, where the database dies after some commits.
    pub(super) fn dying(&self, after: Death) -> Self {
        let kv = Arc::new(DyingKv { inner: Arc::clone(&self.kv), death: after });
        Self::with(self.env.clone(), kv, Arc::clone(&self.blobs), Arc::clone(&self.uploads))
    }

    pub(super) async fn stack(&self, name: &str) -> StackId {
        self.catalog.create(new_stack(name, OWNER)).await.unwrap().id
    }

    pub(super) async fn upload(&self, principal: &str, content: &[u8]) -> ArtifactInfo {
        let hash = ArtifactHash::of(content);
        let upload = self.artifacts.create_upload(principal, hash, Some(content.len() as u64)).await.unwrap();
        self.artifacts.append(principal, upload.id, upload.length, pieces(&[content])).await.unwrap();
        self.artifacts.finish_upload(principal, upload.id).await.unwrap()
    }

    /// Writes a version with one function of that content, which is uploaded.
    pub(super) async fn begin(&self, id: &StackId, content: &[u8]) -> Result<BegunVersion, CatalogError> {
        let hash = self.upload(OWNER, content).await.hash;
        self.catalog.begin_version(id, new_version(OWNER, hash)).await
    }

    /// Writes a version and prepares it.
    pub(super) async fn prepared(&self, id: &StackId, content: &[u8]) -> VersionNumber {
        let number = self.begin(id, content).await.unwrap().version.record.number;
        self.catalog.version_prepared(id, number).await.unwrap();
        number
    }
}

pub(super) fn new_stack(name: &str, owner: &str) -> NewStack {
    NewStack {
        name: name.parse().unwrap(),
        owner: owner.to_owned(),
        config: Variables::new(),
        annotations: Annotations::new(),
        idempotency_key: None,
    }
}

pub(super) fn shop() -> Stack {
    let yaml = "
name: shop
version: '1'
services:
  - {type: Function, name: cart, binary: none, env: {A: '1'}}
  - {type: Gateway, name: api, endpoints: {/: {get: cart.index}}}
  - {type: KeyValueTable, name: carts}
";
    Stack::parse_yaml("stack.yaml", yaml.as_bytes()).unwrap_or_else(|report| panic!("{report}"))
}

pub(super) fn new_version(by: &str, hash: ArtifactHash) -> NewVersion {
    NewVersion {
        stack: shop(),
        artifacts: [("cart".parse().unwrap(), hash)].into(),
        manifest: Some("name: shop".into()),
        message: "as it was".into(),
        by: by.into(),
    }
}

pub(super) fn version(number: u64) -> VersionNumber {
    number.try_into().unwrap()
}

pub(super) fn pieces(pieces: &[&[u8]]) -> impl futures_util::Stream<Item = Result<Bytes, String>> + Send + use<> {
    let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces)
}

pub(super) async fn pass(time: Duration) {
    tokio::time::advance(time).await;
}

pub(super) fn stack_of(record: &StackRecord) -> (&str, &str) {
    (record.name.as_str(), &record.owner)
}

/// A database in memory that lets others go first: what runs at the same time really does.
#[derive(Debug)]
struct YieldingKv(MemKv);

#[async_trait]
impl Kv for YieldingKv {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        tokio::task::yield_now().await;
        self.0.get(key).await
    }

    async fn get_many(&self, keys: &[Bytes], bytes_max: usize) -> Result<Vec<Option<Bytes>>, KvError> {
        tokio::task::yield_now().await;
        self.0.get_many(keys, bytes_max).await
    }

    async fn scan(&self, scan: Scan) -> Result<Page, KvError> {
        tokio::task::yield_now().await;
        self.0.scan(scan).await
    }

    async fn commit(&self, batch: Batch) -> Result<Outcome, KvError> {
        tokio::task::yield_now().await;
        self.0.commit(batch).await
    }
}

/// When a database dies.
#[derive(Debug)]
pub(super) struct Death {
    commits: AtomicUsize,
    /// Whether the last commit happens, and only its answer is lost.
    last_happens: bool,
}

impl Death {
    pub(super) fn after(commits: usize, last_happens: bool) -> Self {
        Self { commits: AtomicUsize::new(commits), last_happens }
    }
}

#[derive(Debug)]
struct DyingKv {
    inner: Arc<dyn Kv>,
    death: Death,
}

impl DyingKv {
    fn check(&self) -> Result<(), KvError> {
        if self.death.commits.load(SeqCst) > 0 { Ok(()) } else { Err(dead()) }
    }
}

fn dead() -> KvError {
    KvError::Closed { store: "the dead store".into() }
}

#[async_trait]
impl Kv for DyingKv {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        self.check()?;
        self.inner.get(key).await
    }

    async fn get_many(&self, keys: &[Bytes], bytes_max: usize) -> Result<Vec<Option<Bytes>>, KvError> {
        self.check()?;
        self.inner.get_many(keys, bytes_max).await
    }

    async fn scan(&self, scan: Scan) -> Result<Page, KvError> {
        self.check()?;
        self.inner.scan(scan).await
    }

    async fn commit(&self, batch: Batch) -> Result<Outcome, KvError> {
        self.check()?;
        if self.death.commits.fetch_sub(1, SeqCst) > 1 {
            return self.inner.commit(batch).await;
        }
        if self.death.last_happens {
            self.inner.commit(batch).await?;
        }
        Err(dead())
    }
}
