//! Records are written with what they are about, read by filters, and forgotten in time.

use mu_db::{MemKv, ScanLimit};
use serde_json::Map;

use super::*;
use crate::access::ClientKey;
use crate::access::policy::Subject;

const STACK: StackId = StackId::new([1; 32]);
const OTHER: StackId = StackId::new([2; 32]);
const SECOND: Duration = Duration::from_secs(1);

fn key(byte: u8) -> Principal {
    Principal::Key(ClientKey::new([byte; 32]))
}

fn by(byte: u8) -> Authenticated {
    let subject = Subject::known(key(byte), None);
    Authenticated { subject, how: How::Signature, body: None, claims: Map::new() }
}

fn audit() -> Audit {
    Audit::new(Arc::new(MemKv::new()), Env::simulated(1, Timestamp::from_micros(1_000_000)))
}

impl Audit {
    /// Writes a record a second after the last one.
    async fn note(&self, who: u8, stack: Option<StackId>, target: &str) {
        tokio::time::advance(SECOND).await;
        let record = AuditRecord::new(&self.env, &by(who), Action::SetSecret).to(target);
        let record = AuditRecord { stack, ..record };
        self.append(&record).await.unwrap();
    }

    async fn targets(&self, filter: &AuditFilter, order: Order, rows_max: usize) -> String {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.read(filter, order, after, rows_max).await.unwrap();
            assert!(page.items.len() <= rows_max);
            all.extend(page.items.into_iter().filter_map(|record| record.target));
            match page.next {
                Some(next) => after = Some(next),
                None => return all.join(" "),
            }
        }
    }

    async fn rows(&self) -> usize {
        let limit = ScanLimit { rows: 100_000, bytes: usize::MAX };
        let scan = mu_db::Scan { range: KeyRange::all(), order: Order::Ascending, limit, select: Select::Keys };
        self.kv.scan(scan).await.unwrap().rows.len()
    }
}

#[tokio::test(start_paused = true)]
async fn records_are_read_by_filters_in_pages() {
    let audit = audit();
    for (who, stack, target) in [
        (1, Some(STACK), "a"),
        (2, Some(STACK), "b"),
        (1, Some(OTHER), "c"),
        (1, None, "d"),
        (2, Some(STACK), "e"),
        (1, Some(STACK), "f"),
    ] {
        audit.note(who, stack, target).await;
    }
    let at = |seconds: u64| Some(Timestamp::from_micros(1_000_000).plus(Duration::from_secs(seconds)));
    let all = AuditFilter::default();
    let on_stack = AuditFilter { stack: Some(STACK), ..AuditFilter::default() };
    for (filter, expected) in [
        (all.clone(), "a b c d e f"),
        (on_stack.clone(), "a b e f"),
        (AuditFilter { stack: Some(StackId::new([9; 32])), ..all.clone() }, ""),
        (AuditFilter { who: Some(key(1)), ..all.clone() }, "a c d f"),
        (AuditFilter { who: Some(key(3)), ..all.clone() }, ""),
        (AuditFilter { who: Some(key(2)), ..on_stack.clone() }, "b e"),
        (AuditFilter { from: at(2), ..all.clone() }, "b c d e f"),
        (AuditFilter { until: at(2), ..all.clone() }, "a"),
        (AuditFilter { from: at(2), until: at(6), ..on_stack.clone() }, "b e"),
        (AuditFilter { from: at(5), until: at(2), ..all.clone() }, ""),
    ] {
        let backwards: Vec<&str> = expected.split(' ').rev().collect();
        for rows_max in [1, 2, 3, 100] {
            assert_eq!(audit.targets(&filter, Order::Ascending, rows_max).await, expected, "{filter:?} {rows_max}");
            let descending = audit.targets(&filter, Order::Descending, rows_max).await;
            assert_eq!(descending, backwards.join(" "), "{filter:?} {rows_max}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_looks_at_so_many_records_and_goes_on() {
    let audit = audit();
    let mut batch = Batch::new();
    for at in 0..u64::try_from(READ_ROWS_MAX).unwrap() + 1_000 {
        let record = AuditRecord::new(&audit.env, &by(1), Action::SetSecret);
        write_into(&mut batch, &AuditRecord { id: AuditId::from_key((at, [0; 8])), ..record });
    }
    let last = AuditRecord::new(&audit.env, &by(2), Action::DeployStack).on(STACK);
    write_into(&mut batch, &last);
    audit.kv.commit(batch).await.unwrap();

    let filter = AuditFilter { who: Some(key(2)), ..AuditFilter::default() };
    let first = audit.read(&filter, Order::Ascending, None, 10).await.unwrap();
    assert!(first.items.is_empty() && first.next.is_some());
    let second = audit.read(&filter, Order::Ascending, first.next, 10).await.unwrap();
    assert_eq!((second.items, second.next), (vec![last], None));
}

#[tokio::test(start_paused = true)]
async fn a_record_is_committed_with_the_change_or_not_at_all() {
    let audit = audit();
    let record = AuditRecord::new(&audit.env, &by(1), Action::DeployStack).on(STACK);
    let mut batch = Batch::new().expect_value("k", "something else").put("k", "v");
    write_into(&mut batch, &record);
    audit.kv.commit(batch).await.unwrap();
    assert_eq!(audit.rows().await, 0);

    let mut batch = Batch::new().expect_absent("k").put("k", "v");
    write_into(&mut batch, &record);
    audit.kv.commit(batch).await.unwrap();
    let read = audit.read(&AuditFilter::default(), Order::Ascending, None, 10).await.unwrap();
    assert_eq!(read.items, [record]);
}

#[tokio::test(start_paused = true)]
async fn old_records_are_removed_in_steps() {
    let audit = audit();
    for count in 0..CLEAN_STEP_ROWS + 2 {
        audit.note(1, (count % 2 == 0).then_some(STACK), "old").await;
    }
    tokio::time::advance(Duration::from_secs(100)).await;
    audit.note(1, Some(STACK), "new").await;

    let retention = Duration::from_secs(100);
    assert_eq!(audit.clean_step(retention).await, Ok(Cleaned { removed: CLEAN_STEP_ROWS, has_more: true }));
    assert_eq!(audit.clean_step(retention).await, Ok(Cleaned { removed: 2, has_more: false }));
    assert_eq!(audit.clean_step(retention).await, Ok(Cleaned { removed: 0, has_more: false }));
    assert_eq!(audit.targets(&AuditFilter::default(), Order::Ascending, 10).await, "new");
    assert_eq!(audit.rows().await, 2);
    assert_eq!(audit.clean_step(Duration::MAX).await, Ok(Cleaned { removed: 0, has_more: false }));
}

#[tokio::test(start_paused = true)]
async fn what_is_long_is_cut() {
    let audit = audit();
    let long = "\u{e4}".repeat(2_000);
    let record = AuditRecord::new(&audit.env, &by(1), Action::SetSecret).to(&long).by_request(&long, &long);
    let record = record.with(AuditOutcome::Failed(long.clone()));
    assert_eq!(record.target.as_ref().map(String::len), Some(TARGET_BYTES_MAX));
    assert_eq!(
        (record.from.as_ref().map(String::len), record.request_id.as_ref().map(String::len)),
        (Some(128), Some(128))
    );
    assert_eq!(record.outcome, AuditOutcome::Failed("\u{e4}".repeat(64)));
}

#[test]
fn ids_survive_text() {
    let id = AuditId::from_key((0x0123_4567_89ab_cdef, [0, 1, 2, 3, 4, 5, 6, 255]));
    assert_eq!(id.to_string(), "0123456789abcdef00010203040506ff");
    assert_eq!(id.to_string().parse(), Ok(id));
    for bad in ["", "0123", "0123456789ABCDEF00010203040506ff", "+123456789abcdef00010203040506ff", "\u{e4}\u{e4}"] {
        assert_eq!(bad.parse::<AuditId>(), Err(ParseAuditIdError), "{bad}");
    }
}

/// Changing one of these strands the records of every node: add a version instead.
#[tokio::test(start_paused = true)]
async fn golden() {
    let audit = audit();
    let id = AuditId::from_key((5, [7; 8]));
    let mut small = AuditRecord::new(&audit.env, &by(1), Action::ReadNode);
    small.id = id;
    let full = small.clone().on(STACK).to("DB_URL").by_request("10.0.0.1", "req-1");
    let mut full = full.with(AuditOutcome::Refused("denied".into()));
    full.how = Credentials::Token(TokenId::new([0; 16]));
    for (record, expected) in [
        (
            &small,
            r#"{"who":"k_4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi","how":"signature","action":"node.read","outcome":"done"}"#,
        ),
        (
            &full,
            r#"{"who":"k_4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi","how":{"token":"t_1111111111111111"},"action":"node.read","stack":"s_4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi","target":"DB_URL","from":"10.0.0.1","request_id":"req-1","outcome":{"refused":"denied"}}"#,
        ),
    ] {
        let stored = stored::encode(record);
        assert_eq!(stored, [b"\x01", expected.as_bytes()].concat());
        assert_eq!(stored::decode(id, &stored).as_ref(), Ok(record));
    }
}
