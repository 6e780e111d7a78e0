//! Queries.

use super::*;

fn texts(lines: &[LogLine]) -> Vec<String> {
    lines.iter().map(|line| format!("{}{}", line.function, line.message)).collect()
}

/// Lines of three functions in turn, one each millisecond.
async fn filled(lines: u64) -> World {
    let world = World::new().await;
    for number in 0..lines {
        let time = START.plus(Duration::from_millis(number));
        let function = ["a", "b", "c"][(number % 3) as usize];
        let level = [Level::Error, Level::Info, Level::Debug, Level::Trace][(number % 4) as usize];
        world.store.write(LogRecord { level, ..record(time, STACK, function, &number.to_string()) });
    }
    world.log(OTHER, "a", "another stack's");
    world.written(lines + 1).await;
    world
}

#[tokio::test(start_paused = true)]
async fn lines_of_functions_are_merged_in_the_order_of_time() {
    let world = filled(300).await;
    let expected: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    let reversed: Vec<String> = expected.iter().rev().cloned().collect();
    for limit in [1, 7, 100, 1_000] {
        let oldest = LogQuery { limit, ..oldest_first(STACK) };
        assert_eq!(messages(&world.all(oldest).await), expected, "{limit} at a time");
        let newest = LogQuery { limit, ..LogQuery::newest(STACK) };
        assert_eq!(messages(&world.all(newest).await), reversed, "{limit} at a time");
    }
    let page = world.store.query(&LogQuery { limit: 3, ..LogQuery::newest(STACK) }).await.unwrap();
    assert_eq!(texts(&page.lines), ["c299", "b298", "a297"]);
    assert!(world.all(LogQuery::newest(StackId::new([9; 32]))).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn lines_are_found_by_function_time_level_invocation_and_text() {
    let world = filled(300).await;
    let at = |millis| Some(START.plus(Duration::from_millis(millis)));
    let filter = LogFilter::default;
    let invocation = record(at(17).unwrap(), STACK, "", "").invocation;
    let query = |filter| LogQuery { filter, ..oldest_first(STACK) };
    for (query, expected) in [
        (query(LogFilter { function: Some("b".into()), contains: Some("4".into()), ..filter() }), 19),
        (query(LogFilter { function: Some("none".into()), ..filter() }), 0),
        (query(LogFilter { level: Some(Level::Error), ..filter() }), 75),
        (query(LogFilter { level: Some(Level::Debug), ..filter() }), 225),
        (query(LogFilter { invocation: Some(invocation), ..filter() }), 1),
        (query(LogFilter { invocation: Some(invocation), function: Some("c".into()), ..filter() }), 1),
        (query(LogFilter { invocation: Some(invocation), function: Some("a".into()), ..filter() }), 0),
        (LogQuery { since: at(100), until: at(103), ..query(filter()) }, 3),
        (LogQuery { since: at(290), ..query(filter()) }, 10),
        (LogQuery { until: at(10), ..query(filter()) }, 10),
        (LogQuery { since: at(10), until: at(5), ..query(filter()) }, 0),
        (LogQuery { since: at(100), until: at(103), ..LogQuery::newest(STACK) }, 3),
    ] {
        assert_eq!(world.all(query.clone()).await.len(), expected, "{query:?}");
        let newest = LogQuery { order: LogOrder::NewestFirst, limit: 2, ..query.clone() };
        assert_eq!(world.all(newest).await.len(), expected, "{query:?}");
    }
    let found = world.all(query(LogFilter { invocation: Some(invocation), ..filter() })).await;
    assert_eq!(texts(&found), ["c17"]);
}

/// Of many lines that are looked at in vain, each query looks at some, and the next one goes on.
#[tokio::test(start_paused = true)]
async fn a_query_does_bounded_work() {
    let world = World::new().await;
    let lines = 2 * query::SCANNED_ROWS_MAX as u64 + 10;
    for number in 0..lines {
        world.log(STACK, "f", if number == lines / 2 { "needle" } else { "hay" });
        if number % 10_000 == 0 {
            world.written(number).await;
        }
    }
    world.written(lines).await;
    let filter = LogFilter { contains: Some("NEEDLE".into()), ..LogFilter::default() };
    for order in [LogOrder::OldestFirst, LogOrder::NewestFirst] {
        let mut query = LogQuery { filter: filter.clone(), order, ..LogQuery::newest(STACK) };
        let (mut queries, mut found) = (0, 0);
        loop {
            let page = world.store.query(&query).await.unwrap();
            (queries, found) = (queries + 1, found + page.lines.len());
            query.cursor = page.next;
            if page.next.is_none() {
                break;
            }
        }
        assert_eq!((queries, found), (3, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stack_with_too_many_functions_is_asked_for_one_of_them() {
    let world = World::new().await;
    for function in 0..1_025 {
        world.log(STACK, &format!("f{function}"), "x");
    }
    world.written(1_025).await;
    let refused = world.store.query(&LogQuery::newest(STACK)).await;
    assert_eq!(refused, Err(LogError::TooManyFunctions { functions_max: 1_024 }));
    let filter = LogFilter { function: Some("f7".into()), ..LogFilter::default() };
    let page = world.store.query(&LogQuery { filter, ..LogQuery::newest(STACK) }).await.unwrap();
    assert_eq!(page.lines.len(), 1);
}
