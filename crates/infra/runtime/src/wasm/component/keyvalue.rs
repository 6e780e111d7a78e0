//! `wasi:keyvalue`: the stack's tables. A bucket's identifier is a table's name, a key its UTF-8 bytes.
//!
//! Two drafts are in use and differ in the types of cursors and increments, and in compare-and-swap, which only the
//! later one has. Both are offered.

use std::sync::Arc;

use mu_abi::{DbReply, DbRequest};
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType};

use super::state::ComponentState;
use crate::Services;

/// The drafts, older first.
const DRAFT: &str = "0.2.0-draft";
const DRAFT2: &str = "0.2.0-draft2";

/// Keys in one answer of `list-keys`; the cursor leads to the next ones.
const KEYS_PER_LIST: u32 = 1_000;

/// Attempts of an increment before it is given up: each failed because another one succeeded in between.
const SWAP_ATTEMPTS_MAX: usize = 100;

/// A table that a guest has opened.
struct Bucket {
    table: Arc<str>,
}

/// A compare-and-swap under way: what the key held when it began.
struct Cas {
    table: Arc<str>,
    key: String,
    seen: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "no-such-store")]
    NoSuchStore,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "other")]
    Other(String),
}

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum CasError {
    #[component(name = "store-error")]
    Store(Error),
    #[component(name = "cas-failed")]
    Failed(Resource<Cas>),
}

#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct KeyResponse<C> {
    keys: Vec<String>,
    cursor: Option<C>,
}

type State<'a> = StoreContextMut<'a, ComponentState>;
type Handle = Resource<Bucket>;
type Value = Vec<u8>;

pub(super) fn add_to(linker: &mut Linker<ComponentState>) -> wasmtime::Result<()> {
    for version in [DRAFT, DRAFT2] {
        let mut store = linker.instance(&format!("wasi:keyvalue/store@{version}"))?;
        add_store(&mut store)?;
        if version == DRAFT {
            add_list_keys::<u64>(&mut store)?;
        } else {
            add_list_keys::<String>(&mut store)?;
        }
        let mut atomics = linker.instance(&format!("wasi:keyvalue/atomics@{version}"))?;
        if version == DRAFT {
            add_increment::<u64>(&mut atomics)?;
        } else {
            add_increment::<i64>(&mut atomics)?;
            add_cas(&mut atomics)?;
        }
        add_batch(&mut linker.instance(&format!("wasi:keyvalue/batch@{version}"))?)?;
    }
    Ok(())
}

fn add_store(store: &mut LinkerInstance<'_, ComponentState>) -> wasmtime::Result<()> {
    store.resource("bucket", ResourceType::host::<Bucket>(), |mut store, rep| {
        store.data_mut().table.delete(Handle::new_own(rep))?;
        Ok(())
    })?;
    store.func_wrap_async("open", |mut store: State<'_>, (identifier,): (String,)| {
        Box::new(async move {
            let question = DbRequest::TableList { table_prefix: identifier.clone() };
            let tables = ask(&mut store, question).await?;
            let opened = match tables {
                Ok(DbReply::List(names)) if names.iter().any(|name| name == identifier.as_bytes()) => {
                    Ok(store.data_mut().table.push(Bucket { table: identifier.into() })?)
                }
                Ok(_) => Err(Error::NoSuchStore),
                Err(error) => Err(error),
            };
            Ok((opened,))
        })
    })?;
    store.func_wrap_async("[method]bucket.get", |mut store: State<'_>, (bucket, key): (Handle, String)| {
        Box::new(async move {
            let table = table_of(&mut store, &bucket)?;
            Ok((get(&mut store, &table, key).await?,))
        })
    })?;
    store.func_wrap_async(
        "[method]bucket.set",
        |mut store: State<'_>, (bucket, key, value): (Handle, String, Value)| {
            Box::new(async move {
                let table = table_of(&mut store, &bucket)?.to_string();
                let put = DbRequest::Put { table, key: key.into_bytes(), value, is_atomic: false };
                Ok((ask(&mut store, put).await?.map(drop),))
            })
        },
    )?;
    store.func_wrap_async("[method]bucket.delete", |mut store: State<'_>, (bucket, key): (Handle, String)| {
        Box::new(async move {
            let table = table_of(&mut store, &bucket)?.to_string();
            let delete = DbRequest::Delete { table, key: key.into_bytes(), is_atomic: false };
            Ok((ask(&mut store, delete).await?.map(drop),))
        })
    })?;
    store.func_wrap_async("[method]bucket.exists", |mut store: State<'_>, (bucket, key): (Handle, String)| {
        Box::new(async move {
            let table = table_of(&mut store, &bucket)?;
            Ok((get(&mut store, &table, key).await?.map(|value| value.is_some()),))
        })
    })
}

/// A cursor: how many keys were listed before.
trait Cursor: ComponentType + Lift + Lower + Send + Sync + 'static {
    fn offset(&self) -> Option<u32>;
    fn at(offset: u32) -> Self;
}

impl Cursor for u64 {
    fn offset(&self) -> Option<u32> {
        u32::try_from(*self).ok()
    }

    fn at(offset: u32) -> Self {
        offset.into()
    }
}

impl Cursor for String {
    fn offset(&self) -> Option<u32> {
        self.parse().ok()
    }

    fn at(offset: u32) -> Self {
        offset.to_string()
    }
}

fn add_list_keys<C: Cursor>(store: &mut LinkerInstance<'_, ComponentState>) -> wasmtime::Result<()> {
    store.func_wrap_async("[method]bucket.list-keys", |mut store: State<'_>, (bucket, cursor): (Handle, Option<C>)| {
        Box::new(async move {
            let table = table_of(&mut store, &bucket)?.to_string();
            let Some(offset) = cursor.map_or(Some(0), |cursor| cursor.offset()) else {
                return Ok((Err(Error::Other("the cursor is not one of this table's".to_owned())),));
            };
            let limit = offset.saturating_add(KEYS_PER_LIST).saturating_add(1);
            let scanned = ask(&mut store, DbRequest::ScanKeys { table, key_prefix: Vec::new(), limit }).await?;
            let listed = match scanned {
                Ok(DbReply::List(keys)) => {
                    let has_more = keys.len() as u64 >= u64::from(limit);
                    let page = keys.into_iter().skip(offset as usize).take(KEYS_PER_LIST as usize);
                    // Keys that other functions wrote need not be text.
                    let keys = page.filter_map(|key| String::from_utf8(key).ok()).collect();
                    Ok(KeyResponse { keys, cursor: has_more.then(|| C::at(offset.saturating_add(KEYS_PER_LIST))) })
                }
                Ok(_) => Ok(KeyResponse { keys: Vec::new(), cursor: None }),
                Err(error) => Err(error),
            };
            Ok((listed,))
        })
    })
}

/// A number that can be incremented.
trait Number: ComponentType + Lift + Lower + Copy + Send + Sync + 'static {
    const ZERO: Self;
    fn plus(self, delta: Self) -> Option<Self>;
    fn parse(text: &str) -> Option<Self>;
    fn text(self) -> String;
}

macro_rules! number {
    ($number:ty) => {
        impl Number for $number {
            const ZERO: Self = 0;
            fn plus(self, delta: Self) -> Option<Self> {
                self.checked_add(delta)
            }
            fn parse(text: &str) -> Option<Self> {
                text.trim().parse().ok()
            }
            fn text(self) -> String {
                self.to_string()
            }
        }
    };
}

number!(u64);
number!(i64);

/// Counters are kept as decimal text, which every language of a function can read.
fn add_increment<N: Number>(atomics: &mut LinkerInstance<'_, ComponentState>) -> wasmtime::Result<()> {
    atomics.func_wrap_async("increment", |mut store: State<'_>, (bucket, key, delta): (Handle, String, N)| {
        Box::new(async move {
            let table = table_of(&mut store, &bucket)?;
            for _ in 0..SWAP_ATTEMPTS_MAX {
                let seen = match get(&mut store, &table, key.clone()).await? {
                    Ok(seen) => seen,
                    Err(error) => return Ok((Err(error),)),
                };
                let number = match &seen {
                    None => Some(N::ZERO),
                    Some(value) => std::str::from_utf8(value).ok().and_then(N::parse),
                };
                let Some(sum) = number.and_then(|number| number.plus(delta)) else {
                    let message = format!("the value of `{key}` is not a whole number, or grows too large");
                    return Ok((Err(Error::Other(message)),));
                };
                match swap(&mut store, &table, &key, seen, sum.text().into_bytes()).await? {
                    Ok(true) => return Ok((Ok(sum),)),
                    Ok(false) => {}
                    Err(error) => return Ok((Err(error),)),
                }
            }
            Ok((Err(Error::Other(format!("too many others write `{key}`"))),))
        })
    })
}

fn add_cas(atomics: &mut LinkerInstance<'_, ComponentState>) -> wasmtime::Result<()> {
    atomics.resource("cas", ResourceType::host::<Cas>(), |mut store, rep| {
        store.data_mut().table.delete(Resource::<Cas>::new_own(rep))?;
        Ok(())
    })?;
    atomics.func_wrap_async("[static]cas.new", |mut store: State<'_>, (bucket, key): (Handle, String)| {
        Box::new(async move {
            let table = table_of(&mut store, &bucket)?;
            let made = match get(&mut store, &table, key.clone()).await? {
                Ok(seen) => Ok(store.data_mut().table.push(Cas { table, key, seen })?),
                Err(error) => Err(error),
            };
            Ok((made,))
        })
    })?;
    atomics.func_wrap("[method]cas.current", |store, (cas,): (Resource<Cas>,)| {
        let seen = store.data().table.get(&cas)?.seen.clone();
        Ok((Result::<_, Error>::Ok(seen),))
    })?;
    atomics.func_wrap_async("swap", |mut store: State<'_>, (cas, value): (Resource<Cas>, Value)| {
        Box::new(async move {
            let Cas { table, key, seen } = store.data_mut().table.delete(cas)?;
            let swapped = match swap(&mut store, &table, &key, seen, value).await? {
                Ok(true) => Ok(()),
                // The guest gets a new attempt with what is there now.
                Ok(false) => match get(&mut store, &table, key.clone()).await? {
                    Ok(seen) => Err(CasError::Failed(store.data_mut().table.push(Cas { table, key, seen })?)),
                    Err(error) => Err(CasError::Store(error)),
                },
                Err(error) => Err(CasError::Store(error)),
            };
            Ok((swapped,))
        })
    })
}

fn add_batch(batch: &mut LinkerInstance<'_, ComponentState>) -> wasmtime::Result<()> {
    batch.func_wrap_async("get-many", |mut store: State<'_>, (bucket, keys): (Handle, Vec<String>)| {
        Box::new(async move {
            let table = table_of(&mut store, &bucket)?;
            let place = |key: &String| (table.to_string(), key.clone().into_bytes());
            let got = ask(&mut store, DbRequest::BatchGet { keys: keys.iter().map(place).collect() }).await?;
            let values = got.map(|reply| {
                let DbReply::TableKeyValueList(rows) = reply else { return Vec::new() };
                let found: std::collections::HashMap<_, _> = rows.into_iter().map(|row| (row.key, row.value)).collect();
                let value = |key: String| found.get(key.as_bytes()).cloned().map(|value| (key, value));
                keys.into_iter().map(value).collect()
            });
            Ok((values,))
        })
    })?;
    batch.func_wrap_async("set-many", |mut store: State<'_>, (bucket, rows): (Handle, Vec<(String, Value)>)| {
        Box::new(async move {
            let table = table_of(&mut store, &bucket)?;
            let items = rows.into_iter().map(|(key, value)| (table.to_string(), key.into_bytes(), value)).collect();
            Ok((ask(&mut store, DbRequest::BatchPut { items, is_atomic: false }).await?.map(drop),))
        })
    })?;
    batch.func_wrap_async("delete-many", |mut store: State<'_>, (bucket, keys): (Handle, Vec<String>)| {
        Box::new(async move {
            let table = table_of(&mut store, &bucket)?;
            let keys = keys.into_iter().map(|key| (table.to_string(), key.into_bytes())).collect();
            Ok((ask(&mut store, DbRequest::BatchDelete { keys }).await?.map(drop),))
        })
    })
}

// === The database ===

fn table_of(store: &mut State<'_>, bucket: &Handle) -> wasmtime::Result<Arc<str>> {
    store.data_mut().pacing.note_function();
    Ok(Arc::clone(&store.data().table.get(bucket)?.table))
}

async fn get(store: &mut State<'_>, table: &str, key: String) -> wasmtime::Result<Result<Option<Value>, Error>> {
    let got = ask(store, DbRequest::Get { table: table.to_owned(), key: key.into_bytes() }).await?;
    Ok(got.map(|reply| if let DbReply::Single(value) = reply { Some(value) } else { None }))
}

/// Writes `value` if the key still holds `seen`, and says whether it did.
async fn swap(
    store: &mut State<'_>,
    table: &str,
    key: &str,
    seen: Option<Value>,
    value: Value,
) -> wasmtime::Result<Result<bool, Error>> {
    let (table, key) = (table.to_owned(), key.to_owned().into_bytes());
    let swap = DbRequest::CompareAndSwap { table, key, new_value: value, previous_value: seen };
    Ok(ask(store, swap).await?.map(|reply| matches!(reply, DbReply::Cas { is_swapped: true, .. })))
}

/// Asks the node. An answer that says what is wrong is the guest's business.
async fn ask(store: &mut State<'_>, request: DbRequest) -> wasmtime::Result<Result<DbReply, Error>> {
    let answer = store.data().ask(move |services: Arc<dyn Services>| async move { services.db(request).await });
    Ok(match answer.await? {
        DbReply::Error(message) => Err(Error::Other(message)),
        reply => Ok(reply),
    })
}
