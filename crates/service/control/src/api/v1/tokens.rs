//! API tokens.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::found;
use super::grants::RoleView;
use crate::access::{Action, NewToken, NodeRights, Token, TokenId, TokenScope, TokenStacks};
use crate::api::Control;
use crate::api::error::ApiError;
use crate::api::front::{Caller, ShownOnce};
use crate::api::input::{At, Created, Done, Input, Output, Params};
use crate::api::page::{Page, PageQuery};

pub(super) fn router() -> OpenApiRouter<Arc<Control>> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// An API token. Its text is shown once, when it is made.
#[derive(Debug, Serialize, ToSchema)]
struct TokenView {
    /// Its id.
    id: String,
    /// What its maker calls it.
    name: String,
    /// For whom it acts.
    maker: String,
    /// The highest role that it acts with on a stack.
    role: RoleView,
    /// The ids of the stacks that it is good for; null for all of its maker's.
    stacks: Option<Vec<String>>,
    /// Whether it is good for what its maker may do on the node itself.
    node: bool,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// Until when it is good.
    #[schema(format = DateTime)]
    expires_at: String,
    /// When it was used last, to the hour.
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
}

/// A token that was just made.
#[derive(Serialize, ToSchema)]
struct NewTokenView {
    /// The token: a secret, and shown only here.
    secret: String,
    /// What is known of it later.
    token: TokenView,
}

/// What to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateToken {
    /// What to call it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// The highest role that it acts with on a stack. It never does what its maker may not.
    role: RoleView,
    /// The stacks that it is good for, by id or name; null for all of its maker's.
    #[schema(max_items = 100)]
    stacks: Option<Vec<String>>,
    /// Whether it is good for what its maker may do on the node itself, such as making stacks.
    #[serde(default)]
    node: bool,
    /// For how long it is good, in seconds: at most 366 days.
    #[schema(minimum = 1, maximum = 31622400)]
    expires_in_s: u64,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Those of everybody, for operators.
    #[serde(default)]
    all: bool,
    /// Items of a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u32>,
    /// Where the page begins: `next_cursor` of the one before.
    #[param(max_length = 2048)]
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct TokenPath {
    /// The token's id.
    #[param(min_length = 1, max_length = 64)]
    id: String,
}

/// List one's own tokens, or for operators all
#[utoipa::path(get, path = "/v1/tokens", tag = "tokens", params(ListQuery), responses((status = 200, body = Page<TokenView>)))]
async fn list(
    State(control): State<Arc<Control>>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> Result<Output<Page<TokenView>>, ApiError> {
    let action = if query.all { Action::ManageTokens } else { Action::ManageOwnTokens };
    control.allow(&caller, action, None).await?;
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let after: Option<String> = page.after()?;
    let after = after.as_deref().map(parse).transpose()?;
    let tokens = control.access.tokens();
    let listed = if query.all {
        tokens.list(after, page.limit()?).await?
    } else {
        tokens.list_of(&caller.who.subject.principal, after, page.limit()?).await?
    };
    let items = listed.items.iter().map(TokenView::new).collect();
    Ok(Output(Page::new(items, listed.next.map(|next| next.to_string()))?))
}

/// Make a token
#[utoipa::path(post, path = "/v1/tokens", tag = "tokens", request_body = CreateToken, responses((status = 201, body = NewTokenView)))]
async fn create(
    State(control): State<Arc<Control>>,
    caller: Caller,
    Input(input): Input<CreateToken>,
) -> Result<(Extension<ShownOnce>, Created<NewTokenView>), ApiError> {
    let mut ids = BTreeSet::new();
    for stack in input.stacks.iter().flatten() {
        ids.insert(found(&control, &caller, stack, Action::ReadStack).await?.id);
    }
    control.allow(&caller, Action::ManageOwnTokens, None).await?;
    caller.to(input.name.as_str());
    let scope = TokenScope {
        stacks: if input.stacks.is_some() { TokenStacks::Only(ids) } else { TokenStacks::All },
        role: input.role.into(),
        node: if input.node { NodeRights::Passed } else { NodeRights::Withheld },
    };
    let new = NewToken { name: input.name, scope, lifetime: Duration::from_secs(input.expires_in_s) };
    let (text, token) = control.access.tokens().create(&caller.who.subject.principal, new).await?;
    let view = NewTokenView { secret: text.reveal().to_owned(), token: TokenView::new(&token) };
    Ok((Extension(ShownOnce), Created(view)))
}

/// Revoke a token
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "tokens", params(TokenPath), responses((status = 204)))]
async fn revoke(
    State(control): State<Arc<Control>>,
    caller: Caller,
    At(path): At<TokenPath>,
) -> Result<Done, ApiError> {
    caller.to(path.id.as_str());
    let id = parse(&path.id)?;
    let own = control.access.tokens().show(id).await.ok();
    let is_own = own.is_some_and(|token| token.maker == caller.who.subject.principal);
    let action = if is_own { Action::ManageOwnTokens } else { Action::ManageTokens };
    control.allow(&caller, action, None).await?;
    control.access.tokens().revoke(id).await?;
    Ok(Done)
}

fn parse(text: &str) -> Result<TokenId, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("there is no such token: `mu token list` shows them"))
}

impl TokenView {
    fn new(token: &Token) -> Self {
        let stacks = match &token.scope.stacks {
            TokenStacks::All => None,
            TokenStacks::Only(ids) => Some(ids.iter().map(ToString::to_string).collect()),
        };
        Self {
            id: token.id.to_string(),
            name: token.name.clone(),
            maker: token.maker.to_string(),
            role: token.scope.role.into(),
            stacks,
            node: token.scope.node == NodeRights::Passed,
            created_at: token.created_at.to_string(),
            expires_at: token.expires_at.to_string(),
            last_used_at: token.last_used_at.map(|at| at.to_string()),
        }
    }
}
