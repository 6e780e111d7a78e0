//! Every action for everybody, as one table.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::super::{ClientKey, NodeRights, TokenStacks};
use super::*;

const STACK: StackId = StackId::new([1; 32]);
const OTHER: StackId = StackId::new([2; 32]);

fn somebody() -> Principal {
    Principal::Key(ClientKey::new([7; 32]))
}

fn scope(stacks: TokenStacks, role: Role, node: NodeRights) -> TokenScope {
    TokenScope { stacks, role, node }
}

/// A column of the matrix: who asks, and what their principal was granted on the stack.
type Case = (&'static str, Subject, Option<Role>);

fn cases() -> Vec<Case> {
    let known = |node| Subject::known(somebody(), node);
    let token = |node, scope| Subject::by_token(somebody(), node, scope);
    let only = |stack| TokenStacks::Only(BTreeSet::from([stack]));
    let (passed, withheld) = (NodeRights::Passed, NodeRights::Withheld);
    let (member, operator) = (Some(NodeRole::Member), Some(NodeRole::Operator));
    vec![
        ("nobody", Subject::nobody(), None),
        ("bootstrap token", Subject::bootstrap(), None),
        ("stranger", known(None), None),
        ("viewer", known(None), Some(Role::Viewer)),
        ("invoker", known(None), Some(Role::Invoker)),
        ("developer", known(None), Some(Role::Developer)),
        ("admin", known(None), Some(Role::Admin)),
        ("member", known(member), None),
        ("member, admin", known(member), Some(Role::Admin)),
        ("operator", known(operator), None),
        ("anonymous viewer", super::super::AnonymousAccess::Viewer.subject(), None),
        ("anonymous operator", super::super::AnonymousAccess::Operator.subject(), None),
        ("admin's token, viewer", token(None, scope(TokenStacks::All, Role::Viewer, passed)), Some(Role::Admin)),
        ("admin's token, this stack", token(None, scope(only(STACK), Role::Admin, passed)), Some(Role::Admin)),
        ("admin's token, other stack", token(None, scope(only(OTHER), Role::Admin, passed)), Some(Role::Admin)),
        ("viewer's token, admin", token(None, scope(TokenStacks::All, Role::Admin, passed)), Some(Role::Viewer)),
        ("operator's token, developer", token(operator, scope(TokenStacks::All, Role::Developer, withheld)), None),
        ("operator's token, all", token(operator, scope(TokenStacks::All, Role::Admin, passed)), None),
        ("member's token, all", token(member, scope(TokenStacks::All, Role::Admin, passed)), None),
    ]
}

fn shown(decision: Decision) -> &'static str {
    match decision {
        Decision::Allowed => "yes",
        Decision::Denied(Denial::Unauthenticated) => "401",
        Decision::Denied(Denial::Forbidden(_)) => "403",
        Decision::Denied(Denial::UnknownStack(_)) => "404",
    }
}

/// Whether an action is done to one stack, by its name.
fn is_on_a_stack(action: Action) -> bool {
    matches!(action.needs(), Needs::Stack(_))
}

#[test]
fn the_matrix() {
    let cases = cases();
    let mut table = String::new();
    for (at, (who, ..)) in cases.iter().enumerate() {
        writeln!(table, "{:26}{}{who}", "", "|    ".repeat(at)).unwrap();
    }
    for &action in Action::ALL {
        write!(table, "{:24}", action.as_str()).unwrap();
        for (_, subject, granted) in &cases {
            let on = StackAccess { stack: STACK, granted: *granted };
            let decision = allows(subject, action, is_on_a_stack(action).then_some(&on));
            write!(table, " {:>4}", shown(decision)).unwrap();
        }
        table.push('\n');
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_higher_role_may_do_all_that_a_lower_one_may() {
    for &action in Action::ALL {
        let may = |node, granted| {
            let on = StackAccess { stack: STACK, granted };
            allows(&Subject::known(somebody(), node), action, Some(&on)) == Decision::Allowed
        };
        let stack_roles = [None, Some(Role::Viewer), Some(Role::Invoker), Some(Role::Developer), Some(Role::Admin)];
        let node_roles = [None, Some(NodeRole::Member), Some(NodeRole::Operator)];
        for roles in stack_roles.windows(2) {
            assert!(node_roles.iter().all(|&node| !may(node, roles[0]) || may(node, roles[1])), "{action}");
        }
        for roles in node_roles.windows(2) {
            assert!(stack_roles.iter().all(|&granted| !may(roles[0], granted) || may(roles[1], granted)), "{action}");
        }
    }
}

#[test]
fn a_token_never_gives_more_than_its_maker_has() {
    for &action in Action::ALL {
        for stacks in [TokenStacks::All, TokenStacks::Only(BTreeSet::from([STACK]))] {
            for (role, node) in
                Role::ALL.into_iter().flat_map(|role| [(role, NodeRights::Passed), (role, NodeRights::Withheld)])
            {
                let scope = scope(stacks.clone(), role, node);
                for node in [None, Some(NodeRole::Member), Some(NodeRole::Operator)] {
                    for granted in [None, Some(Role::Viewer), Some(Role::Developer), Some(Role::Admin)] {
                        let on = StackAccess { stack: STACK, granted };
                        let by_token = allows(&Subject::by_token(somebody(), node, scope.clone()), action, Some(&on));
                        let by_maker = allows(&Subject::known(somebody(), node), action, Some(&on));
                        assert!(by_token != Decision::Allowed || by_maker == Decision::Allowed, "{action} {scope:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn who_cannot_read_a_stack_learns_nothing_of_it() {
    let stranger = Subject::known(somebody(), Some(NodeRole::Member));
    let on = StackAccess { stack: STACK, granted: None };
    for &action in Action::ALL {
        let decision = allows(&stranger, action, Some(&on));
        let expected = Decision::Denied(Denial::UnknownStack(STACK));
        assert!(decision == Decision::Allowed || decision == expected, "{action}: {decision:?}");
    }
}

#[test]
fn an_action_on_a_stack_names_one() {
    for &action in Action::ALL.iter().filter(|&&action| is_on_a_stack(action)) {
        let operator = Subject::known(somebody(), Some(NodeRole::Operator));
        assert_eq!(allows(&operator, action, None), Decision::Denied(Denial::Forbidden(action.needs())));
    }
}

#[test]
fn names_are_unique() {
    let names: BTreeSet<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
    assert_eq!(names.len(), Action::ALL.len());
}
