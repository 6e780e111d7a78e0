//! What a handler may reach beyond its request.

use std::{fmt, rc::Rc};

use mu_abi::{LogLevel, Outgoing};

#[cfg(feature = "http")]
use crate::http_client::HttpClient;
use crate::{database::Db, host::Host, storage::Storage, websocket::WebSockets};

/// What a handler may reach beyond its request: the database, the boxes, other servers, the log.
///
/// Its methods take `&self`, and what they answer may be held side by side.
pub struct MuContext {
    host: Rc<dyn Host>,
}

// === impl MuContext ===

impl MuContext {
    pub(crate) fn new(host: Rc<dyn Host>) -> Self {
        Self { host }
    }

    /// The tables of this stack.
    #[must_use]
    pub fn db(&self) -> Db<'_> {
        Db::new(&*self.host)
    }

    /// The boxes of this stack.
    #[must_use]
    pub fn storage(&self) -> Storage<'_> {
        Storage::new(&*self.host)
    }

    /// A client for requests to other servers. The host decides where they may go.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn http_client(&self) -> HttpClient<'_> {
        HttpClient::new(&*self.host)
    }

    /// The WebSocket connections of this stack.
    #[must_use]
    pub fn websockets(&self) -> WebSockets<'_> {
        WebSockets::new(&*self.host)
    }

    /// Writes a line to the function's log. The macros of [`log`] do the same without a context at hand.
    pub fn log(&self, message: impl Into<String>, level: LogLevel) {
        // A line that cannot be written means that the host is gone, which the next question or the result will meet.
        let _ = self.host.tell(Outgoing::Log { body: message.into(), level });
    }
}

impl fmt::Debug for MuContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MuContext").finish_non_exhaustive()
    }
}
