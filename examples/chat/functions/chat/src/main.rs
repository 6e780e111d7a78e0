//! A chat: whoever is in a room hears what is said in it.

mod name;
mod page;
mod room;
#[cfg(test)]
mod tests;

use mu_sdk::*;
use serde::Deserialize;

use crate::{name::Name, room::Room};

/// The table of who is where: names by `room/connection`.
const TABLE: &str = "members";

/// The query of a connection.
#[derive(Deserialize)]
struct Who {
    name: Name,
}

#[mu_functions]
mod handlers {
    use super::*;

    /// `GET /`: a page to chat with.
    #[mu_function]
    fn page() -> Html<&'static str> {
        Html(page::PAGE)
    }

    /// `websocket /rooms/{room}?name=...`: someone comes, says something, or goes.
    #[mu_function]
    fn on_event(
        ctx: &MuContext,
        Path(room): Path<Name>,
        Query(who): Query<Who>,
        event: WebSocketEvent<'_>,
    ) -> Result<()> {
        let (room, name) = (Room::new(ctx, &room), who.name);
        match event.kind {
            WebSocketKind::Open => {
                room.enter(event.connection, &name)?;
                room.say(&format!("* {name} is here"))
            }
            WebSocketKind::Text(text) => room.say(&format!("{name}: {text}")),
            WebSocketKind::Binary(_) => Err(Error::bad_request("this chat is for text")),
            WebSocketKind::Close { .. } => {
                room.leave(event.connection)?;
                room.say(&format!("* {name} has gone"))
            }
        }
    }

    /// `GET /rooms/{room}`: the names of who is there, one in a line.
    #[mu_function]
    fn members(ctx: &MuContext, Path(room): Path<Name>) -> Result<String> {
        Room::new(ctx, &room).names()
    }

    /// `POST /rooms/{room}`: says something without being there, as any part of a stack can.
    #[mu_function]
    fn announce(ctx: &MuContext, Path(room): Path<Name>, text: String) -> Result<()> {
        Room::new(ctx, &room).say(&format!("> {text}"))
    }
}
