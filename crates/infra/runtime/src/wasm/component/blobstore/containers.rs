//! What can be done with one box and the objects in it.

use std::sync::Arc;

use mu_abi::{Object, StorageRequest};
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource, ResourceType};

use super::values::{Destination, IncomingValue, OutgoingValue};
use super::{Container, State, Told, ask, done, entered, list, read};
use crate::wasm::component::ComponentState;

/// When something was made: not known.
const CREATED_AT: u64 = 0;

type Handle = Resource<Container>;

#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct ContainerMetadata {
    name: String,
    #[component(name = "created-at")]
    created_at: u64,
}

#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct ObjectMetadata {
    name: String,
    container: String,
    #[component(name = "created-at")]
    created_at: u64,
    size: u64,
}

/// Names of a list that the guest has yet to read.
struct ObjectNames(std::vec::IntoIter<Object>);

pub(super) fn add(interface: &mut LinkerInstance<'_, ComponentState>) -> wasmtime::Result<()> {
    interface.resource("container", ResourceType::host::<Container>(), |mut store, rep| {
        store.data_mut().table.delete(Handle::new_own(rep))?;
        Ok(())
    })?;
    interface.func_wrap("[method]container.name", |mut store, (container,): (Handle,)| {
        Ok((Told::Ok(name_of(&mut store, &container)?.to_string()),))
    })?;
    interface.func_wrap("[method]container.info", |mut store, (container,): (Handle,)| {
        let name = name_of(&mut store, &container)?.to_string();
        Ok((Told::Ok(ContainerMetadata { name, created_at: CREATED_AT }),))
    })?;
    add_content(interface)?;
    add_lists(interface)?;
    add_deletions(interface)
}

fn add_content(interface: &mut LinkerInstance<'_, ComponentState>) -> wasmtime::Result<()> {
    interface.func_wrap_async(
        "[method]container.get-data",
        |mut store: State<'_>, (container, name, start, end): (Handle, String, u64, u64)| {
            Box::new(async move {
                let container = name_of(&mut store, &container)?;
                if let Err(message) = store.data().held_values.check_read() {
                    return Ok((Err(message),));
                }
                let got: Told<Resource<IncomingValue>> = match read(&mut store, &container, name).await? {
                    Ok(data) => {
                        let state = store.data_mut();
                        let value = state.held_values.incoming(range(data, start, end));
                        Ok(state.table.push(value)?)
                    }
                    Err(message) => Err(message),
                };
                Ok((got,))
            })
        },
    )?;
    interface.func_wrap(
        "[method]container.write-data",
        |mut store, (container, name, value): (Handle, String, Resource<OutgoingValue>)| {
            let container = name_of(&mut store, &container)?;
            let value = store.data_mut().table.get_mut(&value)?;
            if let Some(place) = &value.destination {
                let message = format!("the value is already to be `{}` of box `{}`", place.name, place.container);
                return Ok((Err(message),));
            }
            value.destination = Some(Destination { container, name });
            Ok((Told::Ok(()),))
        },
    )
}

/// The bytes from `start` to `end`, both included, as far as there are any.
fn range(mut data: Vec<u8>, start: u64, end: u64) -> Vec<u8> {
    let offset = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
    data.truncate(offset(end.saturating_add(1)));
    data.drain(..offset(start).min(data.len()));
    data.shrink_to_fit();
    data
}

fn add_lists(interface: &mut LinkerInstance<'_, ComponentState>) -> wasmtime::Result<()> {
    interface.func_wrap_async("[method]container.list-objects", |mut store: State<'_>, (container,): (Handle,)| {
        Box::new(async move {
            let container = name_of(&mut store, &container)?;
            let listed = match list(&mut store, &container, String::new()).await? {
                Ok(objects) => Ok(store.data_mut().table.push(ObjectNames(objects.into_iter()))?),
                Err(message) => Err(message),
            };
            Ok((listed,))
        })
    })?;
    interface.func_wrap_async(
        "[method]container.has-object",
        |mut store: State<'_>, (container, name): (Handle, String)| {
            Box::new(async move {
                let container = name_of(&mut store, &container)?;
                Ok((find(&mut store, &container, &name).await?.map(|found| found.is_some()),))
            })
        },
    )?;
    interface.func_wrap_async(
        "[method]container.object-info",
        |mut store: State<'_>, (container, name): (Handle, String)| {
            Box::new(async move {
                let container = name_of(&mut store, &container)?;
                let info = find(&mut store, &container, &name).await?.and_then(|found| {
                    let Object { key: name, size } =
                        found.ok_or_else(|| format!("box `{container}` has no object `{name}`"))?;
                    Ok(ObjectMetadata { name, container: container.to_string(), created_at: CREATED_AT, size })
                });
                Ok((info,))
            })
        },
    )?;

    interface.resource("stream-object-names", ResourceType::host::<ObjectNames>(), |mut store, rep| {
        store.data_mut().table.delete(Resource::<ObjectNames>::new_own(rep))?;
        Ok(())
    })?;
    interface.func_wrap(
        "[method]stream-object-names.read-stream-object-names",
        |mut store, (names, count): (Resource<ObjectNames>, u64)| {
            let names = &mut entered(&mut store).table.get_mut(&names)?.0;
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            let page: Vec<_> = names.by_ref().take(count).map(|object| object.key).collect();
            Ok((Told::Ok((page, names.len() == 0)),))
        },
    )?;
    interface.func_wrap(
        "[method]stream-object-names.skip-stream-object-names",
        |mut store, (names, count): (Resource<ObjectNames>, u64)| {
            let names = &mut entered(&mut store).table.get_mut(&names)?.0;
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            let skipped = names.by_ref().take(count).count() as u64;
            Ok((Told::Ok((skipped, names.len() == 0)),))
        },
    )
}

fn add_deletions(interface: &mut LinkerInstance<'_, ComponentState>) -> wasmtime::Result<()> {
    interface.func_wrap_async(
        "[method]container.delete-object",
        |mut store: State<'_>, (container, name): (Handle, String)| {
            Box::new(async move {
                let container = name_of(&mut store, &container)?;
                Ok((delete_all(&mut store, &container, [name]).await?,))
            })
        },
    )?;
    interface.func_wrap_async(
        "[method]container.delete-objects",
        |mut store: State<'_>, (container, names): (Handle, Vec<String>)| {
            Box::new(async move {
                let container = name_of(&mut store, &container)?;
                Ok((delete_all(&mut store, &container, names).await?,))
            })
        },
    )?;
    interface.func_wrap_async("[method]container.clear", |mut store: State<'_>, (container,): (Handle,)| {
        Box::new(async move {
            let container = name_of(&mut store, &container)?;
            let cleared = match list(&mut store, &container, String::new()).await? {
                Ok(objects) => {
                    let names = objects.into_iter().map(|object| object.key);
                    delete_all(&mut store, &container, names).await?
                }
                Err(message) => Err(message),
            };
            Ok((cleared,))
        })
    })
}

fn name_of(store: &mut State<'_>, container: &Handle) -> wasmtime::Result<Arc<str>> {
    Ok(Arc::clone(&entered(store).table.get(container)?.name))
}

/// An object's size is only told by a list.
async fn find(store: &mut State<'_>, container: &str, name: &str) -> wasmtime::Result<Told<Option<Object>>> {
    let listed = list(store, container, name.to_owned()).await?;
    Ok(listed.map(|objects| objects.into_iter().find(|object| object.key == name)))
}

/// Deletes one after the other, until one cannot be.
async fn delete_all(
    store: &mut State<'_>,
    container: &str,
    names: impl IntoIterator<Item = String>,
) -> wasmtime::Result<Told<()>> {
    for key in names {
        let deleted = done(ask(store, StorageRequest::Delete { storage_name: container.to_owned(), key }).await?);
        if deleted.is_err() {
            return Ok(deleted);
        }
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn ranges_include_both_ends() {
        for (start, end, expected) in [
            (0, u64::MAX, "012345"),
            (0, 5, "012345"),
            (0, 0, "0"),
            (2, 3, "23"),
            (5, 9, "5"),
            (6, 9, ""),
            (u64::MAX, u64::MAX, ""),
            (3, 2, ""),
        ] {
            assert_eq!(range(b"012345".to_vec(), start, end), expected.as_bytes(), "{start} to {end}");
        }
        assert_eq!(range(Vec::new(), 0, 0), b"");
    }
}
