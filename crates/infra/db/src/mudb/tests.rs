//! What functions can rely on.

use super::*;
use crate::{MemKv, Order, Scan, ScanLimit, Select};

const STACK: StackId = [1; 32];
const OTHER: StackId = [2; 32];

async fn database() -> MuDb {
    database_with(Limits::default()).await
}

async fn database_with(limits: Limits) -> MuDb {
    let db = MuDb::with_limits(Arc::new(MemKv::new()), limits);
    db.declare_tables(&STACK, &["t", "u"]).await.unwrap();
    db
}

async fn fill(db: &MuDb, table: &str, keys: &[&str]) {
    for key in keys {
        db.put(&STACK, table, key.as_bytes(), format!("{table}/{key}").as_bytes(), Atomicity::Plain).await.unwrap();
    }
}

fn key(table: &str, key: &'static str) -> TableKey {
    TableKey { table: table.into(), key: key.into() }
}

fn row(table: &str, key: &'static str, value: &'static str) -> TableRow {
    TableRow { table: table.into(), key: key.into(), value: value.into() }
}

fn ops(reads: u64, writes: u64) -> Ops {
    Ops { reads, writes }
}

#[tokio::test]
async fn stored_bytes_are_those_of_all_keys_and_values() {
    let db = database().await;
    assert_eq!(db.stored_bytes(&STACK).await, Ok(0));
    for at in 0..2_500 {
        db.put(&STACK, "t", format!("{at:04}").as_bytes(), b"123456", Atomicity::Plain).await.unwrap();
    }
    db.put(&STACK, "u", b"\0\x01", b"", Atomicity::Plain).await.unwrap();
    db.declare_tables(&OTHER, &["t"]).await.unwrap();
    db.put(&OTHER, "t", b"a", b"1", Atomicity::Plain).await.unwrap();
    assert_eq!((db.stored_bytes(&STACK).await, db.stored_bytes(&OTHER).await), (Ok(25_002), Ok(2)));
}

#[tokio::test]
async fn operations_answer_and_are_counted() {
    let db = database().await;
    assert_eq!(db.get(&STACK, "t", b"a").await, Ok((None, ops(1, 0))));
    assert_eq!(db.put(&STACK, "t", b"a", b"1", Atomicity::Plain).await, Ok(((), ops(0, 1))));
    assert_eq!(db.put(&STACK, "t", b"b", b"2", Atomicity::Atomic).await, Ok(((), ops(0, 2))));
    assert_eq!(db.get(&STACK, "t", b"a").await, Ok((Some("1".into()), ops(1, 0))));
    assert_eq!(db.get(&STACK, "u", b"a").await, Ok((None, ops(1, 0))));

    let rows = vec![("a".into(), "1".into()), ("b".into(), "2".into())];
    assert_eq!(db.scan(&STACK, "t", b"", 10).await, Ok((rows.clone(), ops(2, 0))));
    assert_eq!(db.scan(&STACK, "t", b"", 1).await, Ok((rows[..1].to_vec(), ops(1, 0))));
    assert_eq!(db.scan(&STACK, "t", b"x", 10).await, Ok((vec![], ops(1, 0))));
    assert_eq!(db.scan(&STACK, "t", b"", 0).await, Ok((vec![], ops(1, 0))));
    assert_eq!(db.scan_keys(&STACK, "t", b"", 10).await, Ok((vec!["a".into(), "b".into()], ops(2, 0))));

    let rows = [row("t", "c", "3"), row("u", "c", "4"), row("t", "c", "5")];
    assert_eq!(db.batch_put(&STACK, &rows, Atomicity::Plain).await, Ok(((), ops(0, 3))));
    assert_eq!(db.batch_put(&STACK, &rows, Atomicity::Atomic).await, Ok(((), ops(0, 6))));
    assert_eq!(db.batch_put(&STACK, &[], Atomicity::Plain).await, Ok(((), ops(0, 1))));
    let wanted = [key("u", "c"), key("t", "none"), key("t", "c")];
    let found = vec![row("u", "c", "4"), row("t", "c", "5")];
    assert_eq!(db.batch_get(&STACK, &wanted).await, Ok((found, ops(3, 0))));

    let prefixes = [key("u", ""), key("t", "x"), key("t", "")];
    let found = vec![row("u", "c", "4"), row("t", "a", "1"), row("t", "b", "2")];
    assert_eq!(db.batch_scan(&STACK, &prefixes, 2).await, Ok((found, ops(4, 0))));
    let found = vec![key("u", "c"), key("t", "a"), key("t", "b"), key("t", "c")];
    assert_eq!(db.batch_scan_keys(&STACK, &prefixes, 10).await, Ok((found, ops(5, 0))));

    assert_eq!(db.delete(&STACK, "t", b"a", Atomicity::Plain).await, Ok(((), ops(0, 1))));
    assert_eq!(db.delete(&STACK, "t", b"a", Atomicity::Atomic).await, Ok(((), ops(0, 2))));
    assert_eq!(db.batch_delete(&STACK, &[key("t", "b"), key("u", "none")]).await, Ok(((), ops(0, 2))));
    assert_eq!(db.scan_keys(&STACK, "t", b"", 10).await, Ok((vec!["c".into()], ops(1, 0))));
    assert_eq!(db.table_list(&STACK, "").await, Ok((vec!["t".into(), "u".into()], ops(2, 0))));
    assert_eq!(db.table_list(&STACK, "u").await, Ok((vec!["u".into()], ops(1, 0))));
    assert_eq!(db.table_list(&STACK, "x").await, Ok((vec![], ops(1, 0))));
}

#[tokio::test]
async fn compare_and_swap_swaps_only_what_was_expected() {
    let db = database().await;
    let swapped = |previous: Option<&'static str>| Swap { previous_value: previous.map(Into::into), is_swapped: true };
    let found = |previous: Option<&'static str>| Swap { previous_value: previous.map(Into::into), is_swapped: false };
    for (new, previous, result, billed) in [
        ("1", Some("0"), found(None), ops(1, 0)),
        ("1", None, swapped(None), ops(1, 2)),
        ("2", None, found(Some("1")), ops(1, 0)),
        ("2", Some("0"), found(Some("1")), ops(1, 0)),
        ("2", Some("1"), swapped(Some("1")), ops(1, 2)),
        ("", Some("2"), swapped(Some("2")), ops(1, 2)),
        ("3", None, found(Some("")), ops(1, 0)),
        ("3", Some(""), swapped(Some("")), ops(1, 2)),
    ] {
        let previous = previous.map(str::as_bytes);
        let answer = db.compare_and_swap(&STACK, "t", b"k", new.as_bytes(), previous).await;
        assert_eq!(answer, Ok((result, billed)), "{new:?} for {previous:?}");
    }
    assert_eq!(db.get(&STACK, "t", b"k").await.unwrap().0.as_deref(), Some(&b"3"[..]));
}

#[tokio::test]
async fn deleting_by_prefix_deletes_exactly_the_prefix() {
    let db = database().await;
    fill(&db, "t", &["a", "ab", "ac", "b"]).await;
    fill(&db, "u", &["ab"]).await;
    assert_eq!(db.delete_by_prefix(&STACK, "t", b"a").await, Ok(((), ops(0, 3))));
    assert_eq!(db.delete_by_prefix(&STACK, "t", b"a").await, Ok(((), ops(0, 1))));
    assert_eq!(db.scan_keys(&STACK, "t", b"", 10).await.unwrap().0, ["b"]);
    assert_eq!(db.scan_keys(&STACK, "u", b"", 10).await.unwrap().0, ["ab"]);

    let count = tables::CHUNK_ROWS * 2 + 1;
    let many: Vec<_> =
        (0..count).map(|i| TableRow { table: "t".into(), key: format!("m{i}").into(), value: Bytes::new() }).collect();
    db.batch_put(&STACK, &many, Atomicity::Plain).await.unwrap();
    assert_eq!(db.delete_by_prefix(&STACK, "t", b"").await, Ok(((), ops(0, count as u64 + 1))));
    assert_eq!(db.scan_keys(&STACK, "t", b"", 10).await.unwrap().0, Vec::<Bytes>::new());
}

#[tokio::test]
async fn stacks_and_tables_are_apart() {
    let db = database().await;
    db.declare_tables(&OTHER, &["t"]).await.unwrap();
    db.declare_tables(&STACK, &["t2"]).await.unwrap();
    fill(&db, "t", &["k"]).await;
    fill(&db, "t2", &["k2"]).await;
    assert_eq!(db.scan_keys(&OTHER, "t", b"", 10).await.unwrap().0, Vec::<Bytes>::new());
    assert_eq!(db.scan_keys(&STACK, "t", b"", 10).await.unwrap().0, ["k"]);
    assert_eq!(db.table_list(&OTHER, "").await.unwrap().0, ["t"]);
    db.drop_table(&STACK, "t").await.unwrap();
    assert_eq!(db.scan_keys(&STACK, "t2", b"", 10).await.unwrap().0, ["k2"]);
    assert_eq!(db.table_list(&STACK, "").await.unwrap().0, ["t2", "u"]);
}

#[tokio::test]
async fn every_operation_refuses_an_undeclared_table() {
    let db = database().await;
    let unknown = DbError::UnknownTable { table: "none".into() };
    assert_eq!(unknown.to_string(), "table `none` is not declared: add a KeyValueTable named `none` to mu.yaml");
    let (mixed_keys, mixed_rows) = ([key("t", "a"), key("none", "a")], [row("t", "a", "1"), row("none", "a", "1")]);
    let plain = Atomicity::Plain;
    let refused = [
        db.get(&STACK, "none", b"a").await.err(),
        db.put(&STACK, "none", b"a", b"1", plain).await.err(),
        db.delete(&STACK, "none", b"a", plain).await.err(),
        db.delete_by_prefix(&STACK, "none", b"a").await.err(),
        db.scan(&STACK, "none", b"a", 1).await.err(),
        db.scan_keys(&STACK, "none", b"a", 1).await.err(),
        db.batch_put(&STACK, &mixed_rows, plain).await.err(),
        db.batch_get(&STACK, &mixed_keys).await.err(),
        db.batch_delete(&STACK, &mixed_keys).await.err(),
        db.batch_scan(&STACK, &mixed_keys, 1).await.err(),
        db.batch_scan_keys(&STACK, &mixed_keys, 1).await.err(),
        db.compare_and_swap(&STACK, "none", b"a", b"1", None).await.err(),
    ];
    for (index, error) in refused.into_iter().enumerate() {
        assert_eq!(error, Some(unknown.clone()), "operation {index}");
    }
    assert_eq!(db.get(&STACK, "t", b"a").await.unwrap().0, None, "nothing of a refused batch happened");
    let long = db.get(&STACK, &"n".repeat(1 << 20), b"a").await.unwrap_err().to_string();
    assert!(long.len() < 300, "{long}");
}

#[tokio::test]
async fn a_dropped_table_is_gone_and_comes_back_empty() {
    let db = database().await;
    fill(&db, "t", &["a", "b"]).await;
    db.drop_table(&STACK, "t").await.unwrap();
    let unknown = Err(DbError::UnknownTable { table: "t".into() });
    assert_eq!(db.get(&STACK, "t", b"a").await, unknown);
    db.drop_table(&STACK, "t").await.unwrap();
    db.declare_tables(&STACK, &["t"]).await.unwrap();
    assert_eq!(db.scan_keys(&STACK, "t", b"", 10).await.unwrap().0, Vec::<Bytes>::new());
    fill(&db, "t", &["c"]).await;
    db.declare_tables(&STACK, &["t", "u"]).await.unwrap();
    assert_eq!(db.scan_keys(&STACK, "t", b"", 10).await.unwrap().0, ["c"], "declaring again keeps rows");
}

#[tokio::test]
async fn a_drop_that_was_cut_short_is_finished_by_the_next_declaration() {
    let db = database().await;
    fill(&db, "t", &["a"]).await;
    let dropping = record::TableState::Dropping.encode();
    db.kv.commit(Batch::new().put(keys::table(&STACK, "t"), dropping)).await.unwrap();
    let after_crash = MuDb::new(Arc::clone(&db.kv));
    assert_eq!(after_crash.get(&STACK, "t", b"a").await, Err(DbError::UnknownTable { table: "t".into() }));
    assert_eq!(after_crash.table_list(&STACK, "").await.unwrap().0, ["u"]);
    after_crash.declare_tables(&STACK, &["t"]).await.unwrap();
    assert_eq!(after_crash.get(&STACK, "t", b"a").await.unwrap().0, None);
}

#[tokio::test]
async fn a_write_never_reaches_a_table_that_another_node_dropped() {
    let here = database().await;
    fill(&here, "t", &["a"]).await;
    let there = MuDb::new(Arc::clone(&here.kv));
    there.drop_table(&STACK, "t").await.unwrap();
    let unknown = Some(DbError::UnknownTable { table: "t".into() });
    assert_eq!(here.put(&STACK, "t", b"b", b"1", Atomicity::Plain).await.err(), unknown);
    assert_eq!(here.compare_and_swap(&STACK, "t", b"b", b"1", None).await.err(), unknown);
    assert_eq!(here.get(&STACK, "t", b"b").await.err(), unknown, "and the cache has forgotten it");
    let limit = ScanLimit { rows: 10, bytes: 1000 };
    let range = crate::KeyRange::prefix(keys::row(&STACK, "t", b""));
    let left = Scan { range, order: Order::Ascending, limit, select: Select::Keys };
    assert_eq!(here.kv.scan(left).await.unwrap().rows, []);
}

#[tokio::test]
async fn names_of_tables_are_checked() {
    let db = database().await;
    let long = "n".repeat(256);
    for name in ["", "a b", "a/b", "ä", "a\0", &long] {
        let error = db.declare_tables(&STACK, &["ok", name]).await.unwrap_err();
        assert!(matches!(error, DbError::InvalidTableName { .. }), "{name:?}: {error}");
    }
    assert_eq!(db.table_list(&STACK, "ok").await.unwrap().0, Vec::<String>::new());
    db.declare_tables(&STACK, &["A-z_09", &long[..255]]).await.unwrap();
    fill(&db, &long[..255], &["k"]).await;
}

#[tokio::test]
async fn limits_hold() {
    let limits = Limits {
        key_bytes: 4,
        value_bytes: 8,
        scan_rows: 3,
        scan_bytes: 20,
        batch_items: 4,
        batch_bytes: 30,
        listed_tables: 2,
    };
    let db = database_with(limits).await;
    let plain = Atomicity::Plain;
    let refusal = |error: Option<DbError>| error.map(|error| error.to_string()).unwrap_or_default();

    db.put(&STACK, "t", b"1234", b"12345678", plain).await.unwrap();
    let key_over = "a key of 5 bytes is over the limit of 4 bytes";
    assert_eq!(refusal(db.get(&STACK, "t", b"12345").await.err()), key_over);
    assert_eq!(refusal(db.put(&STACK, "t", b"12345", b"", plain).await.err()), key_over);
    assert_eq!(refusal(db.delete(&STACK, "t", b"12345", plain).await.err()), key_over);
    assert_eq!(refusal(db.scan(&STACK, "t", b"12345", 1).await.err()), key_over);
    assert_eq!(refusal(db.batch_get(&STACK, &[key("t", "12345")]).await.err()), key_over);
    assert_eq!(refusal(db.compare_and_swap(&STACK, "t", b"12345", b"", None).await.err()), key_over);
    let value_over = "a value of 9 bytes is over the limit of 8 bytes";
    assert_eq!(refusal(db.put(&STACK, "t", b"k", b"123456789", plain).await.err()), value_over);
    assert_eq!(refusal(db.compare_and_swap(&STACK, "t", b"k", b"123456789", None).await.err()), value_over);
    assert_eq!(refusal(db.batch_put(&STACK, &[row("t", "k", "123456789")], plain).await.err()), value_over);

    let five = ["a", "b", "c", "d", "e"].map(|k| key("t", k));
    assert_eq!(refusal(db.batch_get(&STACK, &five).await.err()), "a batch of 5 items is over the limit of 4 items");
    let large = ["a", "b", "c", "d"].map(|k| row("t", k, "1234567"));
    assert_eq!(
        refusal(db.batch_put(&STACK, &large, plain).await.err()),
        "a batch of 32 bytes is over the limit of 30 bytes"
    );
    db.batch_put(&STACK, &large[..3], plain).await.unwrap();

    assert_eq!(refusal(db.scan(&STACK, "t", b"", 4).await.err()), "a row limit of 4 rows is over the limit of 3 rows");
    // 1234 = 12345678 and a = 1234567 take 20 bytes, exactly the limit.
    assert_eq!(db.scan(&STACK, "t", b"", 2).await.unwrap().0.len(), 2);
    let bytes_over = "the result is over the limit of 20 bytes: \
                      ask for fewer rows, for a longer prefix, or for keys alone";
    assert_eq!(refusal(db.scan(&STACK, "t", b"", 3).await.err()), bytes_over);
    assert_eq!(db.scan_keys(&STACK, "t", b"", 3).await.unwrap().0.len(), 3);
    assert_eq!(
        refusal(db.batch_get(&STACK, &five[..3]).await.err()),
        "the result is over the limit of 20 bytes: ask for fewer keys at once"
    );
    assert_eq!(refusal(db.batch_scan(&STACK, &[key("t", "a"), key("t", "")], 2).await.err()), bytes_over);
    assert_eq!(
        refusal(db.batch_scan_keys(&STACK, &[key("t", "a"), key("t", "")], 3).await.err()),
        "the result is over the limit of 3 rows: ask for fewer rows, or in several operations"
    );
    assert_eq!(db.batch_scan_keys(&STACK, &[key("t", "a"), key("t", "")], 2).await.unwrap().0.len(), 3);

    db.declare_tables(&STACK, &["v"]).await.unwrap();
    assert_eq!(
        refusal(db.table_list(&STACK, "").await.err()),
        "the result is over the limit of 2 tables: ask for a longer prefix of the names"
    );
}

/// 10 240 is the limit of rows; a table that has exactly that many can be read, and a scan never reads far beyond it.
#[tokio::test]
async fn the_largest_scan_works() {
    let db = database().await;
    let rows: Vec<_> = (0..10_240)
        .map(|i| TableRow { table: "t".into(), key: format!("{i:05}").into(), value: Bytes::new() })
        .collect();
    db.batch_put(&STACK, &rows, Atomicity::Plain).await.unwrap();
    assert_eq!(db.scan(&STACK, "t", b"", 10_240).await.unwrap().1, ops(10_240, 0));
    assert!(db.scan(&STACK, "t", b"", 10_241).await.is_err());
}

#[tokio::test]
async fn scans_of_many_parts_let_others_run() {
    let db = database().await;
    fill(&db, "t", &["a", "b"]).await;
    let prefixes = vec![key("t", "a"); 10_240];
    let mut polls = 0;
    let mut scan = std::pin::pin!(db.batch_scan_keys(&STACK, &prefixes, 1));
    let (found, _) = std::future::poll_fn(|context| {
        polls += 1;
        scan.as_mut().poll(context)
    })
    .await
    .unwrap();
    assert_eq!(found, prefixes);
    assert!(polls > 10_240 / 64, "{polls} polls");
}
