//! The stack's boxes: `/box/{name}/{operation}/{key}/...`.

use wasip2::http::types::{OutgoingBody, ResponseOutparam};

use crate::answer::{Request, begin, read_all, respond, write_to};
use crate::services::wasi::blobstore::blobstore::{self, ObjectId};
use crate::services::wasi::blobstore::container::Container;
use crate::services::wasi::blobstore::types::{IncomingValue, OutgoingValue};

pub(crate) fn respond_with_box(request: &Request, out: ResponseOutparam) {
    if request.segment(2) == "stream" {
        return stream(request, out);
    }
    let said = without_container(request).unwrap_or_else(|| {
        blobstore::get_container(request.segment(1)).and_then(|found| with_container(request, &found))
    });
    match said {
        Ok(text) => respond(out, 200, &text),
        Err(message) => respond(out, 500, &message),
    }
}

fn without_container(request: &Request) -> Option<Result<String, String>> {
    let name = request.segment(1);
    let object = |container: usize, key: usize| ObjectId {
        container: request.segment(container).to_owned(),
        object: request.segment(key).to_owned(),
    };
    Some(match request.segment(2) {
        "exists" => blobstore::container_exists(name).map(|exists| exists.to_string()),
        "create" => blobstore::create_container(name).and_then(|made| made.name()),
        "remove" => blobstore::delete_container(name).map(|()| "removed".to_owned()),
        "copy" => blobstore::copy_object(&object(1, 3), &object(4, 5)).map(|()| "copied".to_owned()),
        "move" => blobstore::move_object(&object(1, 3), &object(4, 5)).map(|()| "moved".to_owned()),
        _ => return None,
    })
}

fn with_container(request: &Request, container: &Container) -> Result<String, String> {
    let key = request.segment(3);
    Ok(match request.segment(2) {
        "info" => {
            let info = container.info()?;
            format!("{} {}", info.name, info.created_at)
        }
        "put" => put(container, key, request.segment(4).as_bytes())?,
        "fill" => {
            let mib = usize::try_from(request.number(4)).unwrap();
            put(container, key, &vec![b'x'; mib << 20])?
        }
        "unfinished" => {
            let value = OutgoingValue::new_outgoing_value();
            container.write_data(key, &value)?;
            write_to(&value.outgoing_value_write_body().unwrap(), b"lost");
            "dropped".to_owned()
        }
        "get" => {
            let value = container.get_data(key, 0, u64::MAX)?;
            text(IncomingValue::incoming_value_consume_sync(value)?)
        }
        "range" => {
            let value = container.get_data(key, request.number(4), request.number(5))?;
            let size = value.size();
            format!("{size} {}", text(IncomingValue::incoming_value_consume_sync(value)?))
        }
        "hoard" => {
            let values: Vec<_> =
                (0..request.number(4)).map(|_| container.get_data(key, 0, u64::MAX)).collect::<Result<_, _>>()?;
            format!("{} values", values.len())
        }
        "list" => list(container)?,
        "has" => container.has_object(key)?.to_string(),
        "size" => {
            let info = container.object_info(key)?;
            format!("{}/{} {} {}", info.container, info.name, info.size, info.created_at)
        }
        "delete" => {
            container.delete_object(key)?;
            "deleted".to_owned()
        }
        "delete-both" => {
            container.delete_objects(&[key.to_owned(), request.segment(4).to_owned()])?;
            "deleted".to_owned()
        }
        "clear" => {
            container.clear()?;
            "cleared".to_owned()
        }
        other => format!("no such operation: {other}"),
    })
}

fn put(container: &Container, key: &str, data: &[u8]) -> Result<String, String> {
    let value = OutgoingValue::new_outgoing_value();
    container.write_data(key, &value)?;
    let is_taken_twice = {
        let body = value.outgoing_value_write_body().unwrap();
        write_to(&body, data);
        value.outgoing_value_write_body().is_ok()
    };
    let has_two_places = container.write_data("elsewhere", &value).is_ok();
    OutgoingValue::finish(value)?;
    Ok(if is_taken_twice || has_two_places { "wrong" } else { "written" }.to_owned())
}

/// Reads two, skips one, and reads the rest.
fn list(container: &Container) -> Result<String, String> {
    let names = container.list_objects()?;
    let (first, is_over) = names.read_stream_object_names(2)?;
    let (skipped, is_over_then) = names.skip_stream_object_names(1)?;
    let (rest, is_over_at_last) = names.read_stream_object_names(u64::MAX)?;
    Ok(format!("{first:?} {is_over} {skipped} {is_over_then} {rest:?} {is_over_at_last}"))
}

/// The object as it comes.
fn stream(request: &Request, out: ResponseOutparam) {
    let container = blobstore::get_container(request.segment(1)).unwrap();
    let value = container.get_data(request.segment(3), 0, u64::MAX).unwrap();
    let from = IncomingValue::incoming_value_consume_async(value).unwrap();
    let body = begin(out, 200, &[]);
    {
        let to = body.write().unwrap();
        read_all(&from, |data| write_to(&to, data));
    }
    OutgoingBody::finish(body, None).unwrap();
}

fn text(data: Vec<u8>) -> String {
    String::from_utf8_lossy(&data).into_owned()
}
