//! Todos with attachments, each user's own.

mod name;
#[cfg(test)]
mod tests;
mod user;

use mu_sdk::*;
use serde::{Deserialize, Serialize};

use crate::{name::Name, user::User};

/// The table of todos: JSON by `user/title`.
const TABLE: &str = "todos";
/// The box of attachments: content by `user/title/name`.
const BOX: &str = "todo-attachments";
/// The most todos that are listed.
const LIST_LENGTH_MAX: u32 = 1000;

#[derive(Serialize, Deserialize)]
struct Todo {
    title: Name,
    #[serde(default)]
    description: String,
}

/// A todo as it is shown.
#[derive(Serialize)]
struct TodoView {
    title: Name,
    description: String,
    attachments: Vec<AttachmentView>,
}

#[derive(Serialize)]
struct AttachmentView {
    name: String,
    bytes: u64,
}

#[derive(Deserialize)]
struct AttachmentPath {
    title: Name,
    name: Name,
}

#[mu_functions]
mod handlers {
    use super::*;

    /// `GET /`: the user's todos, by title.
    #[mu_function]
    fn get_all(ctx: &MuContext, user: User) -> Result<Json<Vec<Todo>>> {
        let rows = ctx.db().scan(TABLE, user.prefix(), LIST_LENGTH_MAX)?;
        let todos = rows.iter().map(|row| serde_json::from_slice(&row.value));
        Ok(Json(todos.collect::<Result<_, _>>()?))
    }

    /// `POST /`: a new todo.
    #[mu_function]
    fn add_todo(ctx: &MuContext, user: User, Json(todo): Json<Todo>) -> Result<(Json<Todo>, Status)> {
        // Two requests for the same title can be under way: only one finds no previous value.
        let swap = ctx.db().compare_and_swap(TABLE, user.key(&todo.title), None, serde_json::to_vec(&todo)?)?;
        if !swap.is_swapped {
            return Err(Error::conflict(format!("there is a todo `{}` already", todo.title)));
        }
        log::info!("{user} added `{}`", todo.title);
        Ok((Json(todo), Status::CREATED))
    }

    /// `GET /{title}`: a todo and what is attached to it.
    #[mu_function]
    fn get_todo(ctx: &MuContext, user: User, Path(title): Path<Name>) -> Result<Json<TodoView>> {
        let Todo { title, description } = find(ctx, &user, &title)?;
        let prefix = user.attachment_prefix(&title);
        let attachments = ctx
            .storage()
            .list(BOX, &prefix)?
            .into_iter()
            .map(|object| AttachmentView { name: object.key[prefix.len()..].to_owned(), bytes: object.size });
        Ok(Json(TodoView { title, description, attachments: attachments.collect() }))
    }

    /// `DELETE /{title}`: takes a todo away, and what is attached to it.
    #[mu_function]
    fn delete_todo(ctx: &MuContext, user: User, Path(title): Path<Name>) -> Result<()> {
        find(ctx, &user, &title)?;
        for object in ctx.storage().list(BOX, &user.attachment_prefix(&title))? {
            ctx.storage().delete(BOX, &object.key)?;
        }
        // Ordered with the swap that adds todos.
        ctx.db().delete_atomic(TABLE, user.key(&title))?;
        log::info!("{user} deleted `{title}`");
        Ok(())
    }

    /// `PUT /{title}/attachments/{name}`: attaches the body to a todo.
    #[mu_function]
    fn put_attachment(ctx: &MuContext, user: User, Path(path): Path<AttachmentPath>, body: Vec<u8>) -> Result<()> {
        find(ctx, &user, &path.title)?;
        ctx.storage().put(BOX, &user.attachment_key(&path.title, &path.name), body)
    }

    /// `GET /{title}/attachments/{name}`: what was attached.
    #[mu_function]
    fn get_attachment(ctx: &MuContext, user: User, Path(path): Path<AttachmentPath>) -> Result<Vec<u8>> {
        let key = user.attachment_key(&path.title, &path.name);
        if !ctx.storage().contains(BOX, &key)? {
            return Err(Error::not_found(format!("nothing named `{}` is attached to `{}`", path.name, path.title)));
        }
        ctx.storage().get(BOX, &key)
    }
}

fn find(ctx: &MuContext, user: &User, title: &Name) -> Result<Todo> {
    let todo = ctx.db().get_json(TABLE, user.key(title))?;
    todo.ok_or_else(|| Error::not_found(format!("there is no todo `{title}`")))
}
