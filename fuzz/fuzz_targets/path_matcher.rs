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
        let names: Vec<&str> = template.segments().iter().filter_map(parameter).collect();
        assert_eq!(params.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
        assert!(params.iter().all(|(_, value)| !value.is_empty()));
        assert_eq!(path.strip_prefix('/').unwrap_or(path).split('/').count(), template.segments().len());
    }
});

fn route(template: PathTemplate) -> Route {
    let mut route = Route::new(template);
    route.add(Method::Get, "f.h".parse().expect("a handler")).expect("the first one");
    route
}

fn parameter(segment: &Segment) -> Option<&str> {
    match segment {
        Segment::Parameter(name) => Some(name),
        Segment::Literal(_) => None,
    }
}
