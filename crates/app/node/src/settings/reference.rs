//! The page about the configuration in the documentation, made from the table of keys.

use std::fmt::Write as _;

use super::kind::{Default, Key, Kind};
use super::table::{SECTIONS, keys};

/// `docs/reference/configuration.md`.
#[must_use]
pub fn configuration_reference() -> String {
    let mut page = format!("{START}```yaml\n{EXAMPLE}```\n{AFTER_EXAMPLE}");
    for section in SECTIONS {
        let keys: Vec<_> = keys().filter(|key| section_of(key) == section.path).collect();
        let title = if section.path.is_empty() { "Directories".to_owned() } else { format!("`{}`", section.path) };
        let _ = writeln!(page, "\n## {title}\n\n{}\n", section.about);
        let _ = writeln!(page, "| key | value | default | what |\n|---|---|---|---|");
        for key in &keys {
            row(&mut page, key);
        }
        for key in keys {
            if let Kind::List { item: Kind::Map(fields), .. } = key.kind {
                let _ = writeln!(page, "\nEach item of `{}` has:\n", key.path);
                let _ = writeln!(page, "| key | value | default | what |\n|---|---|---|---|");
                fields.iter().for_each(|field| row(&mut page, field));
            }
        }
    }
    page + END
}

/// The path without its last part.
fn section_of(key: &Key) -> &'static str {
    key.path.rsplit_once('.').map_or("", |(section, _)| section)
}

fn row(page: &mut String, key: &Key) {
    let default = match &key.default {
        Default::Is(value) => format!("`{}`", value()),
        Default::Nothing(word) => (*word).to_owned(),
        Default::UserFolder(folder) => folder.describe(),
        Default::Required => "required".to_owned(),
    };
    let _ = writeln!(page, "| `{}` | {} | {default} | {} |", key.path, key.kind.describe(), key.about);
}

const START: &str = "\
# Configuration of a node

<!-- Made from the code by `MU_UPDATE_DOCS=1 cargo test -p mu-node`; edits here are lost. -->

`mu serve` runs without any configuration: it then listens on loopback alone. What is set comes from layers, of which a later
one wins:

1. the defaults below,
2. `mu-node.yaml` in the working directory, or the file that `--config` names,
3. variables: the path of a key in capitals, `MU_` in front and two underscores for each dot, so that
   `MU_GATEWAY__ADDRESS` sets `gateway.address`,
4. flags: `--set gateway.address=127.0.0.1:8080`, and those that `mu serve --help` lists.

`mu config show` prints every key with its value and where that comes from; `mu serve --check` says everything that is wrong
and ends. A key, or a variable with two underscores, that does not exist is a mistake.

";

/// Also read by a test.
pub(super) const EXAMPLE: &str = "\
# mu-node.yaml of a node that a team reaches over its network
data_dir: /var/lib/mu
cache_dir: /var/cache/mu
gateway:
  address: 0.0.0.0:80
api:
  address: 0.0.0.0:12000
  insecure: true # a proxy in front of it speaks TLS
  public_url: https://mu.example.com
access:
  operators:
    - k_4uQeVj5tqViQh7yWWGStvkEG1Zmhx6uasJtWCJziofM
  oidc:
    - name: company
      issuer: https://login.example.com
      audience: mu
log:
  format: json
quotas:
  client:
    invocations_per_second: 1000
    instructions_per_day: 50T
    box_bytes: 10GiB
";

const AFTER_EXAMPLE: &str = "
Sizes have a unit (`64MiB`, `1GB`), durations as well (`500ms`, `1m30s`, `168h`). Paths in the file start from the file's own
folder, those in variables and flags from the working directory. A list in a variable or flag is written with commas between
its items, one of maps as in YAML: `[{certificate: a.pem, key: a.key}]`. Where the default is a word like `none` or
`unlimited`, that word, or nothing, sets it back. [mu-node.schema.json](mu-node.schema.json) tells editors the same.
";

const END: &str = "
## What is refused

- A management API off loopback without TLS, unless `api.insecure` says that something else protects it: tokens and secrets
  would cross the network readable.
- `access.anonymous` other than `none` with a management API off loopback.
- A TLS key that every user of the machine can read, and files of certificates that cannot be read or used.
- Two listeners on one address; `data_dir` within `cache_dir`.
- A secret (`metrics.token`) in a flag: commands can be seen by every user of the machine.
";
