//! The table against a model, and what it refuses.

use proptest::prelude::*;

use super::*;

fn route(path: &str, methods: &[Method]) -> Route {
    let mut route = Route::new(path.parse().unwrap());
    for &method in methods {
        route.add(method, format!("f.{}", method.as_lower_case()).parse().unwrap()).unwrap();
    }
    route
}

fn gets(paths: &[&str]) -> RouteTable {
    RouteTable::new(paths.iter().map(|path| route(path, &[Method::Get])).collect()).unwrap()
}

/// The winner and its parameters as text: `/a/{x} x=1`.
fn found(table: &RouteTable, path: &str) -> String {
    match table.find(Method::Get, path) {
        RouteMatch::Found { params, template, .. } => {
            params.iter().fold(template.to_string(), |text, (name, value)| format!("{text} {name}={value}"))
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn paths_find_their_template() {
    let table = gets(&["/", "/{title}", "/todos", "/todos/", "/todos/{id}", "/todos/new", "/{a}/{b}/{c}", "café/x"]);
    for (path, expected) in [
        ("", "/"),
        ("/", "/"),
        ("/milk", "/{title} title=milk"),
        ("milk", "/{title} title=milk"),
        ("/a%20b%2Fc", "/{title} title=a b/c"),
        ("/todos", "/todos"),
        ("/todos/", "/todos/"),
        ("/todos/7", "/todos/{id} id=7"),
        ("/todos/new", "/todos/new"),
        ("/%74odos/ne%77", "/todos/new"),
        ("/Todos/new", "NotFound"),
        ("/todos//", "NotFound"),
        ("//", "NotFound"),
        ("/1/2/3", "/{a}/{b}/{c} a=1 b=2 c=3"),
        ("/1/2/", "NotFound"),
        ("/1/2/3/4", "NotFound"),
        ("/caf%C3%A9/x", "/café/x"),
        ("/café/x", "/café/x"),
        ("/todos%2Fnew", "/{title} title=todos/new"),
        ("/%zz", "BadEncoding"),
        ("/nowhere/near/this/%FF", "BadEncoding"),
    ] {
        assert_eq!(found(&table, path), expected, "{path}");
    }
}

#[test]
fn the_leftmost_literal_wins_and_the_search_goes_back() {
    let table = gets(&["/a/{x}/c", "/{y}/b/c", "/a/b/d", "/{y}/b/{z}"]);
    assert_eq!(found(&table, "/a/b/c"), "/a/{x}/c x=b");
    assert_eq!(found(&table, "/q/b/c"), "/{y}/b/c y=q");
    assert_eq!(found(&table, "/a/b/d"), "/a/b/d");
    assert_eq!(found(&table, "/a/b/e"), "/{y}/b/{z} y=a z=e");
}

#[test]
fn the_rest_of_a_path_is_taken_when_nothing_else_matches() {
    let table = gets(&["/", "/files/{path...}", "/files/{id}", "/files/{id}/raw", "/{user}/{rest...}", "/a/b/c"]);
    for (path, expected) in [
        ("/", "/"),
        ("/files/", "/files/{path...} path="),
        ("/files/7", "/files/{id} id=7"),
        ("/files/7/raw", "/files/{id}/raw id=7"),
        ("/files/7/raw/", "/files/{path...} path=7/raw/"),
        ("/files/7/cooked", "/files/{path...} path=7/cooked"),
        ("/files//x", "/files/{path...} path=/x"),
        ("/files/a%2Fb/c%20d", "/files/{path...} path=a/b/c d"),
        ("/files", "NotFound"),
        ("/a/b/c", "/a/b/c"),
        ("/a/b/c/d", "/{user}/{rest...} user=a rest=b/c/d"),
        ("//b", "NotFound"),
        ("/files/%zz", "BadEncoding"),
    ] {
        assert_eq!(found(&table, path), expected, "{path}");
    }
    let all = gets(&["/{rest...}"]);
    for (path, expected) in [
        ("", "/{rest...} rest="),
        ("/", "/{rest...} rest="),
        ("//", "/{rest...} rest=/"),
        ("/a/", "/{rest...} rest=a/"),
    ] {
        assert_eq!(found(&all, path), expected, "{path}");
    }
}

#[test]
fn the_wrong_method_is_405_with_allow_not_404() {
    let table =
        RouteTable::new(vec![route("/t/{id}", &[Method::Get]), route("/t/me", &[Method::Post, Method::Delete])])
            .unwrap();
    let allowed = |method, path| match table.find(method, path) {
        RouteMatch::MethodNotAllowed { allow, .. } => allow.to_string(),
        RouteMatch::Found { handler, .. } => handler.to_string(),
        other => format!("{other:?}"),
    };
    assert_eq!(allowed(Method::Get, "/t/1"), "f.get");
    assert_eq!(allowed(Method::Head, "/t/1"), "f.get");
    assert_eq!(allowed(Method::Put, "/t/1"), "GET, HEAD, OPTIONS");
    assert_eq!(allowed(Method::Options, "/t/1"), "GET, HEAD, OPTIONS");
    assert_eq!(allowed(Method::Get, "/t/me"), "POST, DELETE, OPTIONS");
    assert_eq!(allowed(Method::Head, "/t/me"), "POST, DELETE, OPTIONS");
    assert_eq!(allowed(Method::Get, "/t"), "NotFound");
}

#[test]
fn an_own_handler_of_head_and_options_is_used() {
    let table = RouteTable::new(vec![route("/", &[Method::Get, Method::Head, Method::Options])]).unwrap();
    for method in [Method::Head, Method::Options] {
        let RouteMatch::Found { handler, .. } = table.find(method, "/") else { panic!("not found") };
        assert_eq!(handler.handler.as_str(), method.as_lower_case());
    }
}

#[test]
fn any_stands_for_the_methods_without_a_handler_of_their_own() {
    let mut route = route("/{rest...}", &[Method::Post]);
    route.set_any("f.any".parse().unwrap()).unwrap();
    assert_eq!(route.set_any("f.any".parse().unwrap()), Err(DuplicateAny));
    route.add(Method::Put, "f.put".parse().unwrap()).unwrap();
    let table = RouteTable::new(vec![route]).unwrap();
    for method in Method::ALL {
        let RouteMatch::Found { handler, .. } = table.find(method, "/x/y") else { panic!("{method}") };
        let own = matches!(method, Method::Post | Method::Put);
        assert_eq!(handler.handler.as_str(), if own { method.as_lower_case() } else { "any" }, "{method}");
    }
}

#[test]
fn a_websocket_has_a_handler_beside_those_of_methods() {
    let mut both = route("/both/{room}", &[Method::Get]);
    both.set_websocket("f.socket".parse().unwrap()).unwrap();
    assert_eq!(both.set_websocket("f.socket".parse().unwrap()), Err(DuplicateWebSocket));
    let mut alone = route("/alone", &[Method::Post]);
    alone.set_websocket("f.socket".parse().unwrap()).unwrap();
    let table = RouteTable::new(vec![both, alone, route("/none", &[Method::Get])]).unwrap();

    let handler = |found: RouteMatch<'_>| match found {
        RouteMatch::Found { handler, params, .. } => format!("{handler} {params:?}"),
        RouteMatch::MethodNotAllowed { allow, .. } => allow.to_string(),
        RouteMatch::UpgradeRequired { template } => format!("upgrade {template}"),
        other => format!("{other:?}"),
    };
    for (path, expected) in [
        ("/both/a%2Fb", "f.socket [(\"room\", \"a/b\")]"),
        ("/alone", "f.socket []"),
        ("/none", "GET, HEAD, OPTIONS"),
        ("/nowhere", "NotFound"),
        ("/both/%f", "BadEncoding"),
    ] {
        assert_eq!(handler(table.find_websocket(path)), expected, "{path}");
    }
    for (method, path, expected) in [
        (Method::Get, "/both/1", "f.get [(\"room\", \"1\")]"),
        (Method::Get, "/alone", "upgrade /alone"),
        (Method::Head, "/alone", "upgrade /alone"),
        (Method::Put, "/alone", "GET, HEAD, POST, OPTIONS"),
    ] {
        assert_eq!(handler(table.find(method, path)), expected, "{method} {path}");
    }
}

#[test]
fn templates_of_one_shape_conflict() {
    let paths = ["/a/{x}", "/a/{y}", "a/{z}", "/a/b", "/", "", "/a/{x...}", "/a/{y...}"];
    let conflicts = RouteTable::new(paths.iter().map(|path| route(path, &[])).collect()).unwrap_err();
    let shown: Vec<_> = conflicts.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "the paths `/a/{x}` and `/a/{y}` match the same requests",
            "the paths `/a/{x}` and `/a/{z}` match the same requests",
            "the paths `/` and `/` match the same requests",
            "the paths `/a/{x...}` and `/a/{y...}` match the same requests",
        ]
    );
    assert_eq!(conflicts.iter().map(|conflict| conflict.index).collect::<Vec<_>>(), [1, 2, 5, 7]);
}

fn templates() -> impl Strategy<Value = Vec<String>> {
    let segment = prop_oneof![Just("a"), Just("b"), Just("{}")];
    let template = (prop::collection::vec(segment, 1..5), any::<bool>()).prop_map(|(segments, takes_rest)| {
        let rest = takes_rest.then_some("{rest...}");
        let named = segments
            .iter()
            .chain(&rest)
            .enumerate()
            .map(|(index, segment)| segment.replace("{}", &format!("{{p{index}}}")));
        format!("/{}", named.collect::<Vec<_>>().join("/"))
    });
    prop::collection::btree_set(template, 1..20).prop_map(|set| set.into_iter().collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn the_order_of_declaration_never_matters(
        (declared, shuffled) in templates().prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle())),
        paths in prop::collection::vec("(/[abc]){1,4}", 10),
    ) {
        let table = |list: &[String]| gets(&list.iter().map(String::as_str).collect::<Vec<_>>());
        let (first, second) = (table(&declared), table(&shuffled));
        for path in paths {
            prop_assert_eq!(found(&first, &path), found(&second, &path));
        }
    }

    #[test]
    fn the_winner_is_the_best_of_all_that_match(list in templates(), path in "(/[abc]){1,4}") {
        let table = gets(&list.iter().map(String::as_str).collect::<Vec<_>>());
        // Leftmost literal first is the order of the templates with "literal" before "parameter".
        let matching = table.routes().iter().filter(|route| {
            let segments = route.template().segments();
            let parts: Vec<_> = path[1..].split('/').collect();
            let takes_rest = matches!(segments.last(), Some(Segment::Rest(_)));
            (segments.len() == parts.len() || takes_rest && segments.len() < parts.len())
                && segments.iter().zip(&parts).all(|(segment, part)| match segment {
                    Segment::Literal(text) => **text == **part,
                    Segment::Parameter(_) => !part.is_empty(),
                    Segment::Rest(_) => true,
                })
        });
        let best = matching.min_by_key(|route| {
            let rank = |segment: &Segment| match segment {
                Segment::Literal(_) => 0,
                Segment::Parameter(_) => 1,
                Segment::Rest(_) => 2,
            };
            route.template().segments().iter().map(rank).collect::<Vec<_>>()
        });
        match (table.find(Method::Get, &path), best) {
            (RouteMatch::Found { template, .. }, Some(best)) => prop_assert_eq!(template, best.template()),
            (RouteMatch::NotFound, None) => {}
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn any_path_has_an_answer(list in templates(), path in "\\PC{0,40}|[ab/%0-9F]{0,20}") {
        let table = gets(&list.iter().map(String::as_str).collect::<Vec<_>>());
        let _ = table.find(Method::Get, &path);
    }
}
