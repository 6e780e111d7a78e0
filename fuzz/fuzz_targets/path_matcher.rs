//! Templates, one a line, then the path of a request.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mu_stack::{Method, PathTemplate, Route, RouteMatch, RouteTable, Segment};

fuzz_target!(|text: &str| {
    let Some((templates, path)) = text.rsplit_once('\n') else { return };
    let routes: Vec<Route> = templates.lines().take(64).filter_map(|line| line.parse().ok()).map(route).collect();
    let reversed = routes.iter().rev().cloned().collect();
    let (table, other) = match (RouteTable::new(routes), RouteTable::new(reversed)) {
        (Ok(table), Ok(other)) => (table, other),
        (Err(_), Err(_)) => return,
        _ => panic!("whether routes conflict depends on their order"),
    };
    let found = table.find(Method::Get, path);
    assert_eq!(found, other.find(Method::Get, path), "the winner depends on the order of the routes");
    if let RouteMatch::Found { params, template, .. } = found {
        let segments = template.segments();
        let named: Vec<&Segment> = segments.iter().filter(|segment| segment.parameter().is_some()).collect();
        assert_eq!(params.len(), named.len());
        for ((name, value), segment) in params.iter().zip(named) {
            assert_eq!(Some(*name), segment.parameter());
            assert!(!value.is_empty() || matches!(segment, Segment::Rest(_)));
        }
        let count = path.strip_prefix('/').unwrap_or(path).split('/').count();
        let takes_rest = matches!(segments.last(), Some(Segment::Rest(_)));
        assert!(count == segments.len() || takes_rest && count > segments.len());
    }
});

fn route(template: PathTemplate) -> Route {
    let mut route = Route::new(template);
    route.add(Method::Get, "f.h".parse().expect("a handler")).expect("the first one");
    route
}
