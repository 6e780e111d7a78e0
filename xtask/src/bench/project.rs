//! Projects of functions that the tests use as well, served by `mu run` or deployed.

use std::path::Path;

use crate::failure::{Doing, Outcome};

/// What answers `hello` to everything.
pub(super) const MINIMAL: &str = "guests/modules/minimal.wasm";
/// What answers each path in its own way.
const HTTP: &str = "guests/modules/http.wasm";

/// A module that speaks the stdio protocol.
const ORIGINAL: &str = "guests/modules/original.wasm";

/// The stack of every project here.
pub(super) const NAME: &str = "bench";
/// Where [`hello`] is served, on a node that others deploy to as well.
pub(super) const HELLO: &str = "/bench/api/hello";

const JUST_HELLO: &str = "\
name: bench
version: 1.0.0
services:
  - {type: Function, name: minimal, runtime: wasi-http, module: minimal.wasm}
  - type: Gateway
    name: api
    endpoints:
      /hello: {get: minimal.handle}
";

const THREE_FUNCTIONS: &str = "\
name: bench
version: 1.0.0
services:
  - {type: Function, name: minimal, runtime: wasi-http, module: minimal.wasm}
  - {type: Function, name: http, runtime: wasi-http, module: http.wasm}
  - {type: Function, name: original, module: original.wasm}
  - type: Gateway
    name: api
    endpoints:
      /hello: {get: minimal.handle}
      /echo: {post: http.handle}
      /original: {get: original.handle}
";

const HELLO_AND_ECHO: &str = "\
name: bench
version: 1.0.0
services:
  - {type: Function, name: minimal, runtime: wasi-http, module: minimal.wasm}
  - {type: Function, name: http, runtime: wasi-http, module: http.wasm, timeout: 5m}
  - type: Gateway
    name: api
    endpoints:
      /hello: {get: minimal.handle}
      /echo: {post: http.handle}
";

const SOCKET: &str = "\
name: bench
version: 1.0.0
services:
  - {type: Function, name: minimal, runtime: wasi-http, module: minimal.wasm}
  - type: Gateway
    name: api
    endpoints:
      /socket: {get: minimal.handle, websocket: minimal.handle}
";

/// Writes a project with the routes `/hello` and `/echo`.
pub(super) fn hello_and_echo(root: &Path, folder: &Path) -> Outcome {
    write(root, folder, HELLO_AND_ECHO)
}

/// Writes a project with the route `/hello` alone.
pub(super) fn hello(root: &Path, folder: &Path) -> Outcome {
    write(root, folder, JUST_HELLO)
}

/// Writes a project with three functions that have nothing in common.
pub(super) fn three_functions(root: &Path, folder: &Path) -> Outcome {
    write(root, folder, THREE_FUNCTIONS)
}

/// Writes a project with the route `/socket`, for WebSockets and for plain requests.
pub(super) fn socket(root: &Path, folder: &Path) -> Outcome {
    write(root, folder, SOCKET)
}

fn write(root: &Path, folder: &Path, manifest: &str) -> Outcome {
    std::fs::create_dir_all(folder).doing(format_args!("creating {}", folder.display()))?;
    std::fs::write(folder.join("mu.yaml"), manifest).doing("writing the manifest of a project")?;
    for module in [MINIMAL, HTTP, ORIGINAL] {
        let name = Path::new(module).file_name().unwrap_or_default();
        std::fs::copy(root.join(module), folder.join(name)).doing(format_args!("copying {module}"))?;
    }
    Ok(())
}
