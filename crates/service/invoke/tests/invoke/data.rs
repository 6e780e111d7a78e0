//! What functions ask of muDB and mu Storage, and what it counts.

use std::sync::{Arc, Mutex};

use mu_abi::{DbReply, DbRequest, KeyValue, Object, StorageReply, StorageRequest, TableKey, TableKeyValue};
use mu_invoke::InvokeConfig;
use mu_pricing::Usage;
use mu_runtime::Call;

use crate::world::{MANIFEST, World, answered};

/// A world whose function asks what it finds in the slot, and the slot for its replies.
struct Asking {
    world: World,
    questions: Arc<Mutex<Vec<Question>>>,
    replies: Arc<Mutex<Vec<Reply>>>,
}

#[derive(Clone)]
enum Question {
    Db(DbRequest),
    Storage(StorageRequest),
}

#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Db(DbReply),
    Storage(StorageReply),
}

impl Asking {
    fn new() -> Self {
        let questions: Arc<Mutex<Vec<Question>>> = Arc::default();
        let replies: Arc<Mutex<Vec<Reply>>> = Arc::default();
        let (asked, answers) = (Arc::clone(&questions), Arc::clone(&replies));
        let world = World::new(InvokeConfig::default(), move |call: Call| {
            let asked = std::mem::take(&mut *asked.lock().unwrap());
            let answers = Arc::clone(&answers);
            async move {
                for question in asked {
                    let reply = match question {
                        Question::Db(request) => Reply::Db(call.services.db(request).await),
                        Question::Storage(request) => Reply::Storage(call.services.storage(request).await),
                    };
                    answers.lock().unwrap().push(reply);
                }
                answered("")
            }
        });
        Self { world, questions, replies }
    }

    /// Asks one question in a call of its own; answers the reply and what the call used of the data services.
    async fn ask(&self, stack: u8, question: Question) -> (Reply, Usage) {
        self.questions.lock().unwrap().push(question);
        let id = mu_stack::StackId::new([stack; 32]);
        let deployment = self.world.invoker.deployments().deployment(&id).unwrap();
        self.world.pay(&deployment).await.unwrap();
        let usage = self.world.sink.receipts().remove(0).usage;
        (self.replies.lock().unwrap().remove(0), usage)
    }

    async fn db(&self, stack: u8, request: DbRequest) -> (DbReply, u64, u64) {
        match self.ask(stack, Question::Db(request)).await {
            (Reply::Db(reply), usage) => (reply, usage.db_reads, usage.db_writes),
            (Reply::Storage(reply), _) => panic!("asked the database, answered {reply:?}"),
        }
    }

    async fn storage(&self, request: StorageRequest) -> (StorageReply, [u64; 4]) {
        match self.ask(1, Question::Storage(request)).await {
            (Reply::Storage(reply), usage) => {
                let Usage { storage_reads, storage_writes, storage_read_bytes, storage_written_bytes, .. } = usage;
                (reply, [storage_reads, storage_writes, storage_read_bytes, storage_written_bytes])
            }
            (Reply::Db(reply), _) => panic!("asked the storage, answered {reply:?}"),
        }
    }
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

#[tokio::test]
async fn all_thirteen_database_operations_answer_and_are_counted() {
    let asking = Asking::new();
    asking.world.shop().await;
    let items = || text("items");
    let put =
        |key: &str, is_atomic| DbRequest::Put { table: text("items"), key: bytes(key), value: bytes(key), is_atomic };
    let row = |key: &str| KeyValue { key: bytes(key), value: bytes(key) };
    let both = || vec![(text("items"), bytes("a")), (text("users"), bytes("x")), (text("items"), bytes("no"))];
    let found = |table: &str, key: &str| TableKeyValue { table: text(table), key: bytes(key), value: bytes(key) };
    let swap = |new_value: &str, previous_value: Option<&str>| DbRequest::CompareAndSwap {
        table: text("items"),
        key: bytes("c"),
        new_value: bytes(new_value),
        previous_value: previous_value.map(bytes),
    };
    for (request, reply, reads, writes) in [
        (put("a", false), DbReply::Empty, 0, 1),
        (put("ab", true), DbReply::Empty, 0, 2),
        (DbRequest::Get { table: items(), key: bytes("a") }, DbReply::Single(bytes("a")), 1, 0),
        (DbRequest::Get { table: items(), key: bytes("z") }, DbReply::Empty, 1, 0),
        (
            DbRequest::Scan { table: items(), key_prefix: bytes("a"), limit: 10 },
            DbReply::KeyValueList(vec![row("a"), row("ab")]),
            2,
            0,
        ),
        (
            DbRequest::ScanKeys { table: items(), key_prefix: bytes(""), limit: 1 },
            DbReply::List(vec![bytes("a")]),
            1,
            0,
        ),
        (DbRequest::TableList { table_prefix: text("") }, DbReply::List(vec![bytes("items"), bytes("users")]), 2, 0),
        (
            DbRequest::BatchPut {
                items: vec![(items(), bytes("b"), bytes("b")), (text("users"), bytes("x"), bytes("x"))],
                is_atomic: true,
            },
            DbReply::Empty,
            0,
            4,
        ),
        (
            DbRequest::BatchGet { keys: both() },
            DbReply::TableKeyValueList(vec![found("items", "a"), found("users", "x")]),
            3,
            0,
        ),
        (
            DbRequest::BatchScan { prefixes: vec![(items(), bytes("a")), (text("users"), bytes(""))], each_limit: 1 },
            DbReply::TableKeyValueList(vec![found("items", "a"), found("users", "x")]),
            2,
            0,
        ),
        (
            DbRequest::BatchScanKeys { prefixes: vec![(items(), bytes("b"))], each_limit: 9 },
            DbReply::TableKeyList(vec![TableKey { table: items(), key: bytes("b") }]),
            1,
            0,
        ),
        (swap("1", None), DbReply::Cas { previous_value: None, is_swapped: true }, 1, 2),
        (swap("2", None), DbReply::Cas { previous_value: Some(bytes("1")), is_swapped: false }, 1, 0),
        (swap("2", Some("1")), DbReply::Cas { previous_value: Some(bytes("1")), is_swapped: true }, 1, 2),
        (DbRequest::Delete { table: items(), key: bytes("c"), is_atomic: false }, DbReply::Empty, 0, 1),
        (DbRequest::Delete { table: items(), key: bytes("c"), is_atomic: true }, DbReply::Empty, 0, 2),
        (DbRequest::BatchDelete { keys: vec![(items(), bytes("b"))] }, DbReply::Empty, 0, 1),
        (DbRequest::DeleteByPrefix { table: items(), key_prefix: bytes("a") }, DbReply::Empty, 0, 2),
        (DbRequest::Scan { table: items(), key_prefix: bytes(""), limit: 10 }, DbReply::KeyValueList(vec![]), 1, 0),
    ] {
        assert_eq!(asking.db(1, request.clone()).await, (reply, reads, writes), "{request:?}");
    }
}

#[tokio::test]
async fn a_table_that_is_not_declared_is_an_error_of_every_operation_and_counts_nothing() {
    let asking = Asking::new();
    asking.world.shop().await;
    let ghosts = || text("ghosts");
    let key = || vec![(text("ghosts"), bytes("k"))];
    for request in [
        DbRequest::Put { table: ghosts(), key: bytes("k"), value: bytes("v"), is_atomic: false },
        DbRequest::Get { table: ghosts(), key: bytes("k") },
        DbRequest::Delete { table: ghosts(), key: bytes("k"), is_atomic: false },
        DbRequest::DeleteByPrefix { table: ghosts(), key_prefix: bytes("k") },
        DbRequest::Scan { table: ghosts(), key_prefix: bytes("k"), limit: 1 },
        DbRequest::ScanKeys { table: ghosts(), key_prefix: bytes("k"), limit: 1 },
        DbRequest::BatchPut { items: vec![(ghosts(), bytes("k"), bytes("v"))], is_atomic: false },
        DbRequest::BatchGet { keys: key() },
        DbRequest::BatchDelete { keys: key() },
        DbRequest::BatchScan { prefixes: key(), each_limit: 1 },
        DbRequest::BatchScanKeys { prefixes: key(), each_limit: 1 },
        DbRequest::CompareAndSwap { table: ghosts(), key: bytes("k"), new_value: bytes("v"), previous_value: None },
    ] {
        let (reply, reads, writes) = asking.db(1, request.clone()).await;
        let DbReply::Error(message) = reply else { panic!("{request:?} was answered by {reply:?}") };
        assert!(message.contains("table `ghosts` is not declared"), "{message}");
        assert_eq!((reads, writes), (0, 0));
    }
}

#[tokio::test]
async fn stacks_do_not_see_each_others_rows() {
    let asking = Asking::new();
    asking.world.shop().await;
    asking.world.deploy(2, MANIFEST, "code").await.unwrap();
    let put = DbRequest::Put { table: text("items"), key: bytes("k"), value: bytes("v"), is_atomic: false };
    asking.db(1, put).await;
    let get = DbRequest::Get { table: text("items"), key: bytes("k") };
    assert_eq!(asking.db(1, get.clone()).await.0, DbReply::Single(bytes("v")));
    assert_eq!(asking.db(2, get).await.0, DbReply::Empty);
}

#[tokio::test]
async fn a_table_and_a_box_marked_for_deletion_are_emptied_by_a_deploy() {
    let asking = Asking::new();
    asking.world.shop().await;
    let put = DbRequest::Put { table: text("items"), key: bytes("k"), value: bytes("v"), is_atomic: false };
    let get = DbRequest::Get { table: text("items"), key: bytes("k") };
    asking.db(1, put).await;
    let photo = |key| StorageRequest::Put { storage_name: text("photos"), key: text(key), data: bytes("...") };
    asking.storage(photo("a")).await;
    let deleting = MANIFEST.replace("name: items}", "name: items, delete: true}");
    let deleting = deleting.replace("name: photos}", "name: photos, delete: true}");
    asking.world.deploy(1, &deleting, "code").await.unwrap();
    assert!(matches!(asking.db(1, get.clone()).await.0, DbReply::Error(_)));
    let list = StorageRequest::List { storage_name: text("photos"), prefix: text("") };
    assert!(matches!(asking.storage(list.clone()).await.0, StorageReply::Error(_)));
    asking.world.shop().await;
    assert_eq!(asking.db(1, get).await.0, DbReply::Empty);
    assert_eq!(asking.storage(list).await.0, StorageReply::ObjectList(vec![]));
}

#[tokio::test]
async fn all_four_storage_operations_answer_and_are_counted() {
    let asking = Asking::new();
    asking.world.shop().await;
    let photos = || text("photos");
    let put = |key: &str| StorageRequest::Put { storage_name: text("photos"), key: text(key), data: bytes("12345") };
    let object = |key: &str| Object { key: text(key), size: 5 };
    for (request, reply, counted) in [
        (put("a/1"), StorageReply::Empty, [0, 1, 0, 5]),
        (put("a/2"), StorageReply::Empty, [0, 1, 0, 5]),
        (
            StorageRequest::Get { storage_name: photos(), key: text("a/1") },
            StorageReply::Get(bytes("12345")),
            [1, 0, 5, 0],
        ),
        (
            StorageRequest::List { storage_name: photos(), prefix: text("a/") },
            StorageReply::ObjectList(vec![object("a/1"), object("a/2")]),
            [1, 0, 0, 0],
        ),
        (StorageRequest::Delete { storage_name: photos(), key: text("a/1") }, StorageReply::Empty, [0, 1, 0, 0]),
        (
            StorageRequest::List { storage_name: photos(), prefix: text("") },
            StorageReply::ObjectList(vec![object("a/2")]),
            [1, 0, 0, 0],
        ),
    ] {
        assert_eq!(asking.storage(request.clone()).await, (reply, counted), "{request:?}");
    }
    for request in [
        StorageRequest::Get { storage_name: photos(), key: text("a/1") },
        StorageRequest::Get { storage_name: text("nowhere"), key: text("a/2") },
        StorageRequest::List { storage_name: text("nowhere"), prefix: text("") },
    ] {
        let (reply, counted) = asking.storage(request.clone()).await;
        assert!(matches!(reply, StorageReply::Error(_)), "{request:?} was answered by {reply:?}");
        assert_eq!(counted, [0; 4]);
    }
}
