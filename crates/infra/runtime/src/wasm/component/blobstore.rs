//! `wasi:blobstore`: the stack's boxes. A container is a box, and boxes are declared in mu.yaml: a function neither makes
//! nor removes them, so `create-container` hands out a box that is declared, and `delete-container` fails.
//!
//! An object is written when its value is finished, all of it or nothing. mu keeps no times of creation: `created-at` is
//! always 0. A list is of at most as many objects as a box lists at once (10 240); for more, it is an error.

mod containers;
mod values;

use std::sync::Arc;

use mu_abi::{Object, StorageReply, StorageRequest};
use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream};

pub(super) use self::values::HeldValues;
use self::values::{IncomingValue, OutgoingValue};
use super::state::ComponentState;
use crate::Services;

/// A box that a guest has opened.
struct Container {
    name: Arc<str>,
}

/// An object's place.
#[derive(ComponentType, Lift, Lower, PartialEq, Eq)]
#[component(record)]
struct ObjectId {
    container: String,
    object: String,
}

type State<'a> = StoreContextMut<'a, ComponentState>;
/// What is told to a guest: the draft's errors are text.
type Told<T> = Result<T, String>;

pub(super) fn add_to(linker: &mut Linker<ComponentState>) -> wasmtime::Result<()> {
    add_values(&mut linker.instance("wasi:blobstore/types@0.2.0-draft")?)?;
    containers::add(&mut linker.instance("wasi:blobstore/container@0.2.0-draft")?)?;
    let mut blobstore = linker.instance("wasi:blobstore/blobstore@0.2.0-draft")?;
    add_boxes(&mut blobstore)?;
    add_transfers(&mut blobstore)
}

fn add_values(types: &mut LinkerInstance<'_, ComponentState>) -> wasmtime::Result<()> {
    types.resource("outgoing-value", ResourceType::host::<OutgoingValue>(), |mut store, rep| {
        store.data_mut().table.delete(Resource::<OutgoingValue>::new_own(rep))?;
        Ok(())
    })?;
    types.func_wrap("[static]outgoing-value.new-outgoing-value", |mut store, (): ()| {
        let state = entered(&mut store);
        let value = state.held_values.outgoing();
        Ok((state.table.push(value)?,))
    })?;
    types.func_wrap(
        "[method]outgoing-value.outgoing-value-write-body",
        |mut store, (value,): (Resource<OutgoingValue>,)| {
            let table = &mut entered(&mut store).table;
            Ok((match table.get_mut(&value)?.take_body() {
                Some(body) => Ok(table.push::<DynOutputStream>(Box::new(body))?),
                None => Err(()),
            },))
        },
    )?;
    types.func_wrap_async(
        "[static]outgoing-value.finish",
        |mut store: State<'_>, (value,): (Resource<OutgoingValue>,)| {
            Box::new(async move {
                let mut value = entered(&mut store).table.delete(value)?;
                let destination = value.destination.take();
                let finished = match (value.finish(), destination) {
                    (Err(message), _) => Err(message),
                    // It was made for nothing, which is no mistake.
                    (Ok(_), None) => Ok(()),
                    (Ok(data), Some(place)) => {
                        let (storage_name, key) = (place.container.to_string(), place.name);
                        done(ask(&mut store, StorageRequest::Put { storage_name, key, data }).await?)
                    }
                };
                Ok((finished,))
            })
        },
    )?;

    types.resource("incoming-value", ResourceType::host::<IncomingValue>(), |mut store, rep| {
        store.data_mut().table.delete(Resource::<IncomingValue>::new_own(rep))?;
        Ok(())
    })?;
    types.func_wrap(
        "[static]incoming-value.incoming-value-consume-sync",
        |mut store, (value,): (Resource<IncomingValue>,)| {
            let value = entered(&mut store).table.delete(value)?;
            Ok((Told::Ok(value.into_bytes()),))
        },
    )?;
    types.func_wrap(
        "[static]incoming-value.incoming-value-consume-async",
        |mut store, (value,): (Resource<IncomingValue>,)| {
            let table = &mut entered(&mut store).table;
            let stream = table.delete(value)?.into_stream();
            Ok((Told::Ok(table.push::<DynInputStream>(Box::new(stream))?),))
        },
    )?;
    types.func_wrap("[method]incoming-value.size", |mut store, (value,): (Resource<IncomingValue>,)| {
        Ok((entered(&mut store).table.get(&value)?.size_bytes(),))
    })
}

fn add_boxes(blobstore: &mut LinkerInstance<'_, ComponentState>) -> wasmtime::Result<()> {
    for function in ["get-container", "create-container"] {
        blobstore.func_wrap_async(function, |mut store: State<'_>, (name,): (String,)| {
            Box::new(async move {
                let opened = match has_box(&mut store, &name).await? {
                    Ok(true) => Ok(store.data_mut().table.push(Container { name: name.into() })?),
                    Ok(false) => Err(not_declared(&name)),
                    Err(message) => Err(message),
                };
                Ok((opened,))
            })
        })?;
    }
    blobstore.func_wrap("delete-container", |mut store, (name,): (String,)| {
        entered(&mut store);
        let advice = format!("box `{name}` is not removed by a function: take it out of mu.yaml and deploy");
        Ok((Told::<()>::Err(advice),))
    })?;
    blobstore.func_wrap_async("container-exists", |mut store: State<'_>, (name,): (String,)| {
        Box::new(async move { Ok((has_box(&mut store, &name).await?,)) })
    })
}

fn add_transfers(blobstore: &mut LinkerInstance<'_, ComponentState>) -> wasmtime::Result<()> {
    blobstore.func_wrap_async("copy-object", |mut store: State<'_>, (from, to): (ObjectId, ObjectId)| {
        Box::new(async move { Ok((copy(&mut store, &from, to).await?,)) })
    })?;
    blobstore.func_wrap_async("move-object", |mut store: State<'_>, (from, to): (ObjectId, ObjectId)| {
        Box::new(async move {
            let is_there_already = from == to;
            let mut moved = copy(&mut store, &from, to).await?;
            if moved.is_ok() && !is_there_already {
                let delete = StorageRequest::Delete { storage_name: from.container, key: from.object };
                moved = done(ask(&mut store, delete).await?);
            }
            Ok((moved,))
        })
    })
}

async fn copy(store: &mut State<'_>, from: &ObjectId, to: ObjectId) -> wasmtime::Result<Told<()>> {
    Ok(match read(store, &from.container, from.object.clone()).await? {
        // It is there, and it is itself.
        Ok(_) if *from == to => Ok(()),
        Ok(data) => done(ask(store, StorageRequest::Put { storage_name: to.container, key: to.object, data }).await?),
        Err(message) => Err(message),
    })
}

// === The storage ===

/// The state, for a function that was called.
fn entered<'a>(store: &'a mut State<'_>) -> &'a mut ComponentState {
    let state = store.data_mut();
    state.pacing.note_function();
    state
}

async fn has_box(store: &mut State<'_>, name: &str) -> wasmtime::Result<Told<bool>> {
    let name = name.to_owned();
    entered(store).ask(move |services: Arc<dyn Services>| async move { services.has_box(&name).await }).await
}

async fn read(store: &mut State<'_>, container: &str, key: String) -> wasmtime::Result<Told<Vec<u8>>> {
    let reply = ask(store, StorageRequest::Get { storage_name: container.to_owned(), key }).await?;
    Ok(reply.map(|reply| if let StorageReply::Get(data) = reply { data } else { Vec::new() }))
}

async fn list(store: &mut State<'_>, container: &str, prefix: String) -> wasmtime::Result<Told<Vec<Object>>> {
    let reply = ask(store, StorageRequest::List { storage_name: container.to_owned(), prefix }).await?;
    Ok(reply.map(|reply| if let StorageReply::ObjectList(objects) = reply { objects } else { Vec::new() }))
}

/// Asks the node. An answer that says what is wrong is the guest's business.
async fn ask(store: &mut State<'_>, request: StorageRequest) -> wasmtime::Result<Told<StorageReply>> {
    let question = move |services: Arc<dyn Services>| async move { services.storage(request).await };
    Ok(match entered(store).ask(question).await? {
        StorageReply::Error(message) => Err(message),
        reply => Ok(reply),
    })
}

fn done(reply: Told<StorageReply>) -> Told<()> {
    reply.map(drop)
}

fn not_declared(name: &str) -> String {
    format!("box `{name}` is not declared: add a Storage of that name to mu.yaml")
}
