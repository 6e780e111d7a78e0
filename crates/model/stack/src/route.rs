//! Routes of a gateway: path templates, and the table that finds the handler of a request.

mod segment;
mod table;
mod template;

pub use self::table::{
    DuplicateAny, DuplicateMethod, DuplicateWebSocket, Route, RouteConflict, RouteMatch, RouteTable, Verb,
};
pub use self::template::{PathTemplate, Segment, TemplateError};
