//! Any sequence of operations on a store gives the answers that a `BTreeMap` gives.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use mu_db::{
    Batch, Conflict, Cut, KeyRange, Kv, MemKv, Order, Outcome, RedbKv, RedbOptions, Row, Scan, ScanLimit, Select, Write,
};
use proptest::collection::vec;
use proptest::prelude::*;

type Model = BTreeMap<Bytes, Bytes>;

#[derive(Clone, Debug)]
enum Step {
    Commit(Batch),
    Get(Bytes),
    GetMany(Vec<Bytes>),
    Scan { range: KeyRange, order: Order, rows: usize },
    Reopen,
}

fn key() -> impl Strategy<Value = Bytes> {
    vec(prop_oneof![Just(0_u8), Just(1), Just(b'a'), Just(255)], 0..3).prop_map(Bytes::from)
}

fn value() -> impl Strategy<Value = Bytes> {
    prop_oneof![Just(Bytes::new()), Just("1".into()), Just("2".into()), Just(vec![7; 10_000].into())]
}

fn batch() -> impl Strategy<Value = Batch> {
    let expectations = vec((key(), proptest::option::of(value())), 0..2);
    let writes = vec((key(), proptest::option::weighted(0.7, value())), 0..5);
    (expectations, writes).prop_map(|(expectations, writes)| {
        let batch = expectations.into_iter().fold(Batch::new(), |batch, (key, value)| batch.expect(key, value));
        writes.into_iter().fold(batch, |batch, (key, value)| match value {
            Some(value) => batch.put(key, value),
            None => batch.delete(key),
        })
    })
}

fn range() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        Just(KeyRange::all()),
        key().prop_map(KeyRange::prefix),
        (key(), key()).prop_map(|(start, end)| KeyRange::new(start, end)),
        (key(), key()).prop_map(|(prefix, key)| KeyRange::prefix(prefix).after(&key)),
        (key(), key()).prop_map(|(prefix, key)| KeyRange::prefix(prefix).before(&key)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let order = prop_oneof![Just(Order::Ascending), Just(Order::Descending)];
    prop_oneof![
        6 => batch().prop_map(Step::Commit),
        2 => key().prop_map(Step::Get),
        1 => vec(key(), 0..5).prop_map(Step::GetMany),
        3 => (range(), order, 0..100_usize).prop_map(|(range, order, rows)| Step::Scan { range, order, rows }),
        1 => Just(Step::Reopen),
    ]
}

fn commit_to(model: &mut Model, batch: &Batch) -> Outcome {
    for expected in batch.expectations() {
        let actual = model.get(&expected.key).cloned();
        if actual != expected.value {
            return Outcome::Conflict(Conflict { key: expected.key.clone(), actual });
        }
    }
    for write in batch.writes() {
        match write {
            Write::Put { key, value } => model.insert(key.clone(), value.clone()),
            Write::Delete { key } => model.remove(key),
        };
    }
    Outcome::Committed
}

fn scan_of(model: &Model, range: &KeyRange, order: Order, rows: usize) -> (Vec<Row>, Option<Cut>) {
    let inside = |key: &Bytes| key >= range.start() && range.end().is_none_or(|end| key < end);
    let mut all: Vec<Row> = model
        .iter()
        .filter(|(key, _)| inside(key))
        .map(|(key, value)| Row { key: key.clone(), value: value.clone() })
        .collect();
    if order == Order::Descending {
        all.reverse();
    }
    let cut = (all.len() > rows).then_some(Cut::Rows);
    all.truncate(rows);
    (all, cut)
}

async fn agrees(mut kv: Arc<dyn Kv>, reopen: impl Fn(Arc<dyn Kv>) -> Arc<dyn Kv>, steps: Vec<Step>) {
    let mut model = Model::new();
    for step in steps {
        match step {
            Step::Commit(batch) => {
                let expected = commit_to(&mut model, &batch);
                assert_eq!(kv.commit(batch).await.unwrap(), expected);
            }
            Step::Get(key) => assert_eq!(kv.get(&key).await.unwrap().as_ref(), model.get(&key)),
            Step::GetMany(keys) => {
                let expected: Vec<_> = keys.iter().map(|key| model.get(key).cloned()).collect();
                assert_eq!(kv.get_many(&keys, usize::MAX).await.unwrap(), expected);
            }
            Step::Scan { range, order, rows } => {
                let limit = ScanLimit { rows, bytes: usize::MAX };
                let expected = scan_of(&model, &range, order, rows);
                let page = kv.scan(Scan { range, order, limit, select: Select::Rows }).await.unwrap();
                assert_eq!((page.rows, page.cut), expected);
            }
            Step::Reopen => kv = reopen(kv),
        }
    }
}

fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mem_agrees_with_the_model(steps in vec(step(), 0..60)) {
        block_on(agrees(Arc::new(MemKv::new()), |kv| kv, steps));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn redb_agrees_with_the_model(steps in vec(step(), 0..40)) {
        let directory = tempfile::tempdir().unwrap();
        let open = || -> Arc<dyn Kv> {
            Arc::new(RedbKv::open(&directory.path().join("mu.redb"), &RedbOptions::default()).unwrap())
        };
        let reopen = |kv| {
            drop(kv);
            open()
        };
        block_on(agrees(open(), reopen, steps));
    }
}
