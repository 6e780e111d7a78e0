//! Tables, boxes, configuration and the log, as components see them through the interfaces of WASI.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use mu_abi::{DbReply, DbRequest, Object, StorageReply, StorageRequest, TableKeyValue};
use mu_runtime::{ExecutionUsage, Services};

use crate::component_guest::{Guest, ok};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// A stack with the table `visits` and the boxes `photos` and `copies`, in memory.
struct Stores {
    tables: Mutex<HashMap<String, Rows>>,
    boxes: Mutex<HashMap<String, BTreeMap<String, Vec<u8>>>>,
}

impl Default for Stores {
    fn default() -> Self {
        let boxes = ["photos", "copies"].map(|name| (name.to_owned(), BTreeMap::new()));
        Self {
            tables: Mutex::new([("visits".to_owned(), Rows::new())].into()),
            boxes: Mutex::new(boxes.into_iter().collect()),
        }
    }
}

#[async_trait]
impl Services for Stores {
    async fn db(&self, request: DbRequest) -> DbReply {
        // Others have their turn, as they have with a database.
        tokio::task::yield_now().await;
        let mut tables = self.tables.lock().unwrap();
        answer_db(&mut tables, request).unwrap_or_else(|| DbReply::Error("no such table".to_owned()))
    }

    async fn storage(&self, request: StorageRequest) -> StorageReply {
        let boxes = self.boxes.lock().unwrap();
        answer_storage(boxes, request).unwrap_or_else(StorageReply::Error)
    }

    async fn has_box(&self, name: &str) -> Result<bool, String> {
        if name == "broken" {
            return Err("the storage is unavailable; try again".to_owned());
        }
        Ok(self.boxes.lock().unwrap().contains_key(name))
    }

    async fn node(&self, _request: http::Request<bytes::Bytes>) -> http::Response<bytes::Bytes> {
        std::future::pending().await
    }

    fn abandoned(&self, _usage: ExecutionUsage) {}
}

/// What components ask; `None` when there is no such table.
fn answer_db(tables: &mut HashMap<String, Rows>, request: DbRequest) -> Option<DbReply> {
    match request {
        DbRequest::TableList { table_prefix } => {
            let names = tables.keys().filter(|name| name.starts_with(&table_prefix));
            return Some(DbReply::List(names.map(|name| name.clone().into_bytes()).collect()));
        }
        DbRequest::Put { table, key, value, .. } => drop(tables.get_mut(&table)?.insert(key, value)),
        DbRequest::Delete { table, key, .. } => drop(tables.get_mut(&table)?.remove(&key)),
        DbRequest::Get { table, key } => {
            return tables.get(&table)?.get(&key).cloned().map(DbReply::Single).or(Some(DbReply::Empty));
        }
        DbRequest::ScanKeys { table, key_prefix, limit } => {
            let keys = tables.get(&table)?.keys().filter(|key| key.starts_with(&key_prefix));
            return Some(DbReply::List(keys.take(limit as usize).cloned().collect()));
        }
        DbRequest::BatchPut { items, .. } => {
            for (table, key, value) in items {
                tables.get_mut(&table)?.insert(key, value);
            }
        }
        DbRequest::BatchDelete { keys } => {
            for (table, key) in keys {
                tables.get_mut(&table)?.remove(&key);
            }
        }
        DbRequest::BatchGet { keys } => {
            let row = |(table, key): (String, Vec<u8>)| {
                let value = tables.get(&table)?.get(&key)?.clone();
                Some(TableKeyValue { table, key, value })
            };
            return Some(DbReply::TableKeyValueList(keys.into_iter().filter_map(row).collect()));
        }
        DbRequest::CompareAndSwap { table, key, new_value, previous_value } => {
            let rows = tables.get_mut(&table)?;
            let found = rows.get(&key).cloned();
            let is_swapped = found == previous_value;
            if is_swapped {
                rows.insert(key, new_value);
            }
            return Some(DbReply::Cas { previous_value: found, is_swapped });
        }
        other => panic!("no component asks {other:?}"),
    }
    Some(DbReply::Empty)
}

fn answer_storage(
    mut boxes: MutexGuard<'_, HashMap<String, BTreeMap<String, Vec<u8>>>>,
    request: StorageRequest,
) -> Result<StorageReply, String> {
    let name = request.storage_name().to_owned();
    let objects = boxes.get_mut(&name).ok_or_else(|| format!("box `{name}` is not declared"))?;
    match request {
        StorageRequest::Put { key, .. } | StorageRequest::Delete { key, .. } if key == "locked" => {
            return Err("the storage is full; reads still work".to_owned());
        }
        StorageRequest::Put { key, data, .. } => drop(objects.insert(key, data)),
        StorageRequest::Delete { key, .. } => drop(objects.remove(&key)),
        StorageRequest::Get { key, .. } => {
            let data = objects.get(&key).ok_or_else(|| format!("box `{name}` has no object `{key}`"))?;
            return Ok(StorageReply::Get(data.clone()));
        }
        StorageRequest::List { prefix, .. } => {
            let found = objects.iter().filter(|(key, _)| key.starts_with(&prefix));
            let object = |(key, data): (&String, &Vec<u8>)| Object { key: key.clone(), size: data.len() as u64 };
            return Ok(StorageReply::ObjectList(found.map(object).collect()));
        }
    }
    Ok(StorageReply::Empty)
}

async fn guest() -> Guest {
    Guest { services: Arc::new(Stores::default()), ..Guest::load().await }
}

/// Calls one path after the other, and compares what each answers.
async fn tell(guest: &Guest, story: &[(&str, &str)]) {
    for (path, expected) in story {
        let (_, text) = guest.get(path).await.answer.expect(path);
        assert_eq!(text, *expected, "{path}");
    }
}

#[tokio::test]
async fn tables_are_buckets() {
    let guest = guest().await;
    let story = [
        ("/table/ghosts/get/a", "Error::NoSuchStore"),
        ("/table/visit/get/a", "Error::NoSuchStore"),
        ("/table/visits/get/a", "Ok(None)"),
        ("/table/visits/exists/a", "Ok(false)"),
        ("/table/visits/set/a/one", "Ok(())"),
        ("/table/visits/get/a", "Ok(Some(\"one\"))"),
        ("/table/visits/exists/a", "Ok(true)"),
        ("/table/visits/add/a/1", "Err(Error::Other(\"the value of `a` is not a whole number, or grows too large\"))"),
        ("/table/visits/delete/a", "Ok(())"),
        ("/table/visits/delete/a", "Ok(())"),
        ("/table/visits/get/a", "Ok(None)"),
        ("/table/visits/keys", "0 None"),
        ("/table/visits/many", "Ok(()) Ok([Some((\"02499\", [1])), None]) Ok(())"),
        ("/table/visits/keys", "2499 Some(\"02499\")"),
        ("/table/visits/add/count/5", "Ok(5)"),
        ("/table/visits/add/count/37", "Ok(42)"),
        ("/table/visits/get/count", "Ok(Some(\"42\"))"),
        // The later draft, of the same table.
        ("/later/ghosts/add/count/1", "Error::NoSuchStore"),
        ("/later/visits/add/count/-50", "Ok(-8)"),
        (
            "/table/visits/add/count/1",
            "Err(Error::Other(\"the value of `count` is not a whole number, or grows too large\"))",
        ),
        ("/later/visits/keys", "2500 in 3"),
        ("/later/visits/cursor/elsewhere", "Err(Error::Other(\"the cursor is not one of this table's\"))"),
        ("/later/visits/swap/name/mine", "Some(\"in between\") true"),
        ("/table/visits/get/name", "Ok(Some(\"mine\"))"),
    ];
    tell(&guest, &story).await;
}

/// Each increment counts, however many calls are under way.
#[tokio::test]
async fn increments_do_not_get_lost() {
    let guest = guest().await;
    let calls = (0..8).map(|call| {
        let path = if call % 2 == 0 { "/table/visits/add/count/1" } else { "/later/visits/add/count/1" };
        guest.get(path)
    });
    let mut sums: Vec<_> = futures_util::future::join_all(calls).await.into_iter().map(|told| told.answer).collect();
    sums.sort_by_key(|sum| sum.as_ref().map(|(_, text)| (text.len(), text.clone())).unwrap());
    assert_eq!(sums, (1..=8).map(|sum| ok(&format!("Ok({sum})"))).collect::<Vec<_>>());
}

#[tokio::test]
async fn boxes_are_containers() {
    let guest = guest().await;
    let story = [
        ("/box/photos/exists", "true"),
        ("/box/ghosts/exists", "false"),
        ("/box/broken/exists", "the storage is unavailable; try again"),
        ("/box/broken/list", "the storage is unavailable; try again"),
        ("/box/ghosts/list", "box `ghosts` is not declared: add a Storage of that name to mu.yaml"),
        ("/box/ghosts/create", "box `ghosts` is not declared: add a Storage of that name to mu.yaml"),
        ("/box/photos/create", "photos"),
        ("/box/photos/remove", "box `photos` is not removed by a function: take it out of mu.yaml and deploy"),
        ("/box/photos/info", "photos 0"),
        ("/box/photos/list", "[] true 0 true [] true"),
        ("/box/photos/get/cat", "box `photos` has no object `cat`"),
        ("/box/photos/size/cat", "box `photos` has no object `cat`"),
        ("/box/photos/has/cat", "false"),
        ("/box/photos/put/cats/meows", "written"),
        ("/box/photos/has/cat", "false"),
        ("/box/photos/put/cat/meow", "written"),
        ("/box/photos/has/cat", "true"),
        ("/box/photos/size/cat", "photos/cat 4 0"),
        ("/box/photos/get/cat", "meow"),
        ("/box/photos/stream/cat", "meow"),
        ("/box/photos/range/cat/1/2", "2 eo"),
        ("/box/photos/range/cat/3/99", "1 w"),
        ("/box/photos/range/cat/4/99", "0 "),
        ("/box/photos/put/cat/purr", "written"),
        ("/box/photos/get/cat", "purr"),
        ("/box/photos/put/empty/", "written"),
        ("/box/photos/get/empty", ""),
        ("/box/photos/put/locked/x", "the storage is full; reads still work"),
        ("/box/photos/unfinished/lost", "dropped"),
        ("/box/photos/has/lost", "false"),
        ("/box/photos/put/dog/woof", "written"),
        ("/box/photos/put/eel/...", "written"),
        ("/box/photos/list", "[\"cat\", \"cats\"] false 1 false [\"eel\", \"empty\"] true"),
        ("/box/photos/delete/eel", "deleted"),
        ("/box/photos/delete/eel", "deleted"),
        ("/box/photos/delete-both/empty/cats", "deleted"),
        ("/box/photos/delete/locked", "the storage is full; reads still work"),
        ("/box/photos/list", "[\"cat\", \"dog\"] true 0 true [] true"),
        ("/box/photos/clear", "cleared"),
        ("/box/photos/list", "[] true 0 true [] true"),
    ];
    tell(&guest, &story).await;
}

#[tokio::test]
async fn objects_are_copied_and_moved() {
    let guest = guest().await;
    let story = [
        ("/box/photos/put/cat/meow", "written"),
        ("/box/photos/copy/cat/copies/cat", "copied"),
        ("/box/copies/get/cat", "meow"),
        ("/box/photos/move/cat/copies/tom", "moved"),
        ("/box/copies/get/tom", "meow"),
        ("/box/photos/has/cat", "false"),
        ("/box/photos/move/cat/copies/tom", "box `photos` has no object `cat`"),
        ("/box/copies/copy/tom/ghosts/tom", "box `ghosts` is not declared"),
        ("/box/copies/move/tom/copies/locked", "the storage is full; reads still work"),
        ("/box/copies/get/tom", "meow"),
        // Onto itself, it stays.
        ("/box/copies/move/tom/copies/tom", "moved"),
        ("/box/copies/copy/tom/copies/tom", "copied"),
        ("/box/copies/get/tom", "meow"),
    ];
    tell(&guest, &story).await;
}

/// The node holds values for a guest, and not without end.
#[tokio::test]
async fn values_have_a_limit() {
    let guest = Guest { services: Arc::new(Stores::default()), ..Guest::load().await };
    let hoard = "67108864 bytes were read and are not consumed: consume or drop values before others";
    let story = [("/box/photos/fill/large/8", "written"), ("/box/photos/hoard/large/8", "8 values")];
    tell(&guest, &story).await;
    assert_eq!(guest.get("/box/photos/hoard/large/9").await.answer, Ok((500, hoard.to_owned())));
}

#[tokio::test]
async fn configuration_is_the_environment() {
    let guest = guest().await;
    let story = [("/config/GREETING", "Ok(Some(\"salve\")) of Ok(1)"), ("/config/PARTING", "Ok(None) of Ok(1)")];
    tell(&guest, &story).await;
}

#[tokio::test]
async fn lines_are_logged_with_their_level() {
    let guest = guest().await;
    for path in ["trace/a", "debug/a", "info/a", "warn/a", "error/a", "critical/a", "info/"] {
        tell(&guest, &[(&format!("/logging/{path}/said"), "logged")]).await;
    }
    assert_eq!(
        guest.bench.logs.lines(),
        [
            "function trace a: said",
            "function debug a: said",
            "function info a: said",
            "function warn a: said",
            "function error a: said",
            "function error a: said",
            "function info said",
        ]
    );
}
