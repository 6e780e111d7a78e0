use std::sync::Arc;

use mu_db::keys::records as keys;
use mu_db::{Batch, KeyRange, Kv, MemKv, Order, Scan, ScanLimit, Select};
use mu_env::{Env, Timestamp};
use mu_stack::StackId;
use mu_storage::RootKey;

use super::*;

const STACK: StackId = StackId::new([1; 32]);
const OTHER: StackId = StackId::new([2; 32]);
const NOW: Timestamp = Timestamp::from_micros(1_000_000);

struct World {
    kv: Arc<dyn Kv>,
    secrets: Secrets,
}

impl World {
    fn new() -> Self {
        let kv: Arc<dyn Kv> = Arc::new(MemKv::new());
        let secrets = secrets(&kv, 1);
        Self { kv, secrets }
    }

    async fn set(&self, stack: &StackId, name_text: &str, text: &str) -> Result<u64, SecretError> {
        self.secrets.set(stack, &name(name_text), &value(text), "k_alice").await
    }

    async fn revealed(&self, stack: &StackId, name_text: &str) -> Result<String, SecretError> {
        let values = self.secrets.reveal_for(stack, &[name(name_text)]).await?;
        Ok(values[&name(name_text)].reveal().to_owned())
    }

    async fn rows(&self) -> Vec<mu_db::Row> {
        let limit = ScanLimit { rows: usize::MAX, bytes: usize::MAX };
        let scan = Scan { range: KeyRange::all(), order: Order::Ascending, limit, select: Select::Rows };
        self.kv.scan(scan).await.unwrap().rows
    }
}

fn secrets(kv: &Arc<dyn Kv>, root_key: u8) -> Secrets {
    Secrets::new(Arc::clone(kv), &RootKey::from_bytes([root_key; 32]), Env::simulated(1, NOW))
}

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn value(text: &str) -> SecretValue {
    SecretValue::new(text.as_bytes().to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn secrets_have_versions_and_the_last_five_are_kept() {
    let world = World::new();
    for version in 1..=7 {
        assert_eq!(world.set(&STACK, "KEY", &format!("value {version}")).await, Ok(version));
    }
    world.set(&STACK, "ANOTHER", "x").await.unwrap();
    assert_eq!(world.revealed(&STACK, "KEY").await.unwrap(), "value 7");
    let listed = world.secrets.list(&STACK).await.unwrap();
    let versions: Vec<_> =
        listed.iter().map(|info| (info.name.as_str(), info.versions.iter().map(|v| v.version).collect())).collect();
    assert_eq!(versions, [("ANOTHER", vec![1]), ("KEY", vec![3, 4, 5, 6, 7])]);
    let newest = listed[1].versions[4].clone();
    assert_eq!((newest.created_micros, newest.created_by.as_str()), (1_000_000, "k_alice"));
    for version in 0..=8 {
        let revealed = world.secrets.reveal_version(&STACK, &name("KEY"), version).await;
        match revealed {
            Ok(value) => assert_eq!(value.reveal(), format!("value {version}")),
            Err(error) => assert_eq!(error, SecretError::VersionNotFound { name: name("KEY"), version }),
        }
    }
    let values =
        world.rows().await.iter().filter(|row| keys::parse_secret_value(STACK.key(), &row.key).is_some()).count();
    assert_eq!(values, 6, "older values are gone");
}

#[tokio::test(start_paused = true)]
async fn stacks_do_not_see_each_other() {
    let world = World::new();
    world.set(&STACK, "KEY", "mine").await.unwrap();
    world.set(&OTHER, "KEY", "yours").await.unwrap();
    assert_eq!(world.revealed(&STACK, "KEY").await.unwrap(), "mine");
    world.secrets.delete_stack(&STACK).await.unwrap();
    assert_eq!(world.secrets.list(&STACK).await, Ok(vec![]));
    assert_eq!(world.revealed(&OTHER, "KEY").await.unwrap(), "yours");
    let refused = world.secrets.reveal_for(&OTHER, &[name("A"), name("KEY"), name("B")]).await.unwrap_err();
    assert_eq!(refused.to_string(), "the stack has no secret `A`, `B`: set it with `mu secret set`");
    assert!(world.secrets.reveal_for(&OTHER, &[]).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_is_gone() {
    let world = World::new();
    world.set(&STACK, "KEY", "one").await.unwrap();
    world.set(&STACK, "KEY", "two").await.unwrap();
    world.secrets.delete(&STACK, &name("KEY")).await.unwrap();
    let missing = SecretError::NotFound { names: vec![name("KEY")] };
    assert_eq!(world.secrets.delete(&STACK, &name("KEY")).await, Err(missing.clone()));
    assert_eq!(world.revealed(&STACK, "KEY").await, Err(missing));
    assert_eq!(world.rows().await.len(), 1, "only what all secrets share is left");
}

#[tokio::test(start_paused = true)]
async fn there_are_limits() {
    let world = World::new();
    for number in 0..200 {
        world.set(&STACK, &format!("KEY{number}"), "x").await.unwrap();
    }
    assert_eq!(world.set(&STACK, "ONE_MORE", "x").await, Err(SecretError::TooMany));
    world.set(&STACK, "KEY7", "a new version fits").await.unwrap();
    world.secrets.delete(&STACK, &name("KEY8")).await.unwrap();
    world.set(&STACK, "ONE_MORE", &"x".repeat(VALUE_BYTES_MAX)).await.unwrap();
    assert_eq!(world.secrets.list(&STACK).await.unwrap().len(), 200);
    let names: Vec<_> = world.secrets.list(&STACK).await.unwrap().into_iter().map(|info| info.name).collect();
    assert_eq!(world.secrets.reveal_for(&STACK, &names).await.unwrap().len(), 200);
    let long = SecretValue::new(vec![b'x'; VALUE_BYTES_MAX + 1]);
    assert_eq!(long, Err(SecretError::ValueTooLong { bytes: VALUE_BYTES_MAX + 1 }));
    for bytes in [&b"a\0b"[..], b"\xff"] {
        assert_eq!(SecretValue::new(bytes.to_vec()), Err(SecretError::ValueNotText));
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotation_seals_everything_with_a_fresh_key() {
    let world = World::new();
    assert_eq!(world.secrets.rotate(&STACK).await, Ok(0), "nothing to do");
    for number in 0..100 {
        world.set(&STACK, &format!("KEY{number}"), "first").await.unwrap();
        world.set(&STACK, &format!("KEY{number}"), &format!("value {number}")).await.unwrap();
    }
    world.set(&OTHER, "KEY", "another's").await.unwrap();
    let before = world.rows().await;
    assert_eq!(world.secrets.rotate(&STACK).await, Ok(200));
    for (before, after) in before.iter().zip(world.rows().await) {
        let is_of_stack = keys::secrets(STACK.key()).start()[..] <= before.key[..34] && before.key[2] == 1;
        let is_entry = keys::parse_secret(STACK.key(), &before.key).is_some();
        assert_eq!(before.value != after.value, is_of_stack && !is_entry, "{:?}", before.key);
    }
    for number in 0..100 {
        let name_text = format!("KEY{number}");
        assert_eq!(world.revealed(&STACK, &name_text).await.unwrap(), format!("value {number}"));
        let old = world.secrets.reveal_version(&STACK, &name(&name_text), 1).await.unwrap();
        assert_eq!(old.reveal(), "first");
    }
    let head: record::Head =
        record::decode(&world.kv.get(&keys::secrets_head(STACK.key())).await.unwrap().unwrap()).unwrap();
    assert_eq!(head.keys.iter().map(|key| key.number).collect::<Vec<_>>(), [2], "the old key is forgotten");
    world.set(&STACK, "KEY0", "after").await.unwrap();
    assert_eq!(world.revealed(&STACK, "KEY0").await.unwrap(), "after");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn secrets_are_set_and_rotated_by_many_at_once() {
    let world = Arc::new(World::new());
    world.set(&STACK, "KEY", "0").await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..4 {
        let world = Arc::clone(&world);
        tasks.spawn(async move {
            for _ in 0..20 {
                match task {
                    0 => drop(world.secrets.rotate(&STACK).await.unwrap()),
                    1 => drop(world.revealed(&STACK, "KEY").await.unwrap()),
                    _ => drop(world.set(&STACK, "KEY", "x").await.unwrap()),
                }
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let listed = world.secrets.list(&STACK).await.unwrap();
    assert_eq!(listed[0].versions.last().map(|last| last.version), Some(41), "each set is a version of its own");
}

/// Whoever can write to the database, but has no root key, cannot make one secret pass for another.
#[tokio::test(start_paused = true)]
async fn sealed_values_do_not_open_in_another_place() {
    let world = World::new();
    world.set(&STACK, "KEY", "one").await.unwrap();
    world.set(&STACK, "KEY", "two").await.unwrap();
    world.set(&STACK, "ADMIN", "three").await.unwrap();
    world.set(&OTHER, "KEY", "four").await.unwrap();
    let place = |stack: &StackId, name: &str, version| keys::secret_value(stack.key(), name, version);
    let target = place(&STACK, "KEY", 2);
    let sealed = SecretError::Sealed { name: "KEY".into() };
    for source in [place(&STACK, "KEY", 1), place(&STACK, "ADMIN", 1), place(&OTHER, "KEY", 1)] {
        let moved = world.kv.get(&source).await.unwrap().unwrap();
        let right = world.kv.get(&target).await.unwrap().unwrap();
        world.kv.commit(Batch::new().put(target.clone(), moved)).await.unwrap();
        assert_eq!(world.revealed(&STACK, "KEY").await, Err(sealed.clone()));
        assert_eq!(world.secrets.rotate(&STACK).await, Err(sealed.clone()), "and is not sealed anew");
        world.kv.commit(Batch::new().put(target.clone(), right)).await.unwrap();
        assert_eq!(world.revealed(&STACK, "KEY").await.unwrap(), "two");
    }
    world.secrets.rotate(&STACK).await.unwrap();
    assert_eq!(world.revealed(&STACK, "KEY").await.unwrap(), "two");
    let head = world.kv.get(&keys::secrets_head(OTHER.key())).await.unwrap().unwrap();
    world.kv.commit(Batch::new().put(keys::secrets_head(STACK.key()), head)).await.unwrap();
    assert!(world.revealed(&STACK, "KEY").await.is_err(), "keys of another stack");
    let other_node = secrets(&world.kv, 2);
    assert_eq!(other_node.reveal_for(&OTHER, &[name("KEY")]).await, Err(SecretError::SealedKeys));
}

/// Values are in nothing that is stored, printed or answered.
#[tokio::test(start_paused = true)]
async fn values_are_never_shown() {
    let world = World::new();
    let text = "hunter2hunter2";
    world.set(&STACK, "KEY", text).await.unwrap();
    for row in world.rows().await {
        for bytes in [&row.key, &row.value] {
            assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()));
        }
    }
    let revealed = world.secrets.reveal_for(&STACK, &[name("KEY")]).await.unwrap();
    assert_eq!(revealed[&name("KEY")].reveal(), text);
    let missing = world.secrets.reveal_for(&STACK, &[name("NONE")]).await;
    let corrupt = Batch::new().put(keys::secret_value(STACK.key(), "KEY", 1), &b"\x01\0\0\0\0\0\0\0\x01junk"[..]);
    world.kv.commit(corrupt).await.unwrap();
    let sealed = world.secrets.reveal_for(&STACK, &[name("KEY")]).await;
    let shown = [
        format!("{revealed:?} {:?} {:?}", value(text), world.secrets),
        format!("{:?} {missing:?} {sealed:?}", world.secrets.list(&STACK).await),
        format!("{} {}", missing.unwrap_err(), sealed.unwrap_err()),
        format!("{:?}", SecretValue::new(format!("{text}\0").into_bytes())),
        SecretValue::new(format!("{text}\0").into_bytes()).unwrap_err().to_string(),
        format!("{:?}", SecretValue::new(text.repeat(10_000).into_bytes())),
    ];
    for shown in shown {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
