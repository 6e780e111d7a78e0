//! API tokens: random texts that act for whoever made them, within a scope and for a time.
//!
//! The text is shown once. What is kept is its SHA-256, by which it is found again; since 256 random bits are not
//! guessed, neither salt nor a slow hash is needed.

mod id;
mod stored;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mu_db::keys::access as keys;
use mu_db::{Batch, KeyRange, Kv, Order, Outcome, Select};
use mu_env::{Env, Timestamp};

use super::bearer::BearerKind;
use super::grants::{ATTEMPTS_MAX, somebody};
use super::paged::{self, PAGE_ROWS_MAX, Paged};
use super::record;
use super::{AccessError, Principal, TokenScope, TokenText};

pub use self::id::{ParseTokenIdError, TokenId};

/// Most tokens of one maker. Those made at the same moment may exceed it by their number.
pub const TOKENS_PER_MAKER_MAX: usize = 256;
/// Longest life of a token.
pub const TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(366 * 24 * 3_600);
/// Longest name of a token, in bytes.
pub const TOKEN_NAME_BYTES_MAX: usize = 100;

/// The last use of a token is written down when the one that is known is older than this.
const LAST_USED_STEP: Duration = Duration::from_secs(3_600);
/// Most bytes of the tokens of one page, with their longest scopes.
const TOKENS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// All API tokens of a node.
#[derive(Clone, Debug)]
pub struct Tokens {
    kv: Arc<dyn Kv>,
    env: Env,
}

/// What is known of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// By which it is named.
    pub id: TokenId,
    /// What its maker calls it.
    pub name: String,
    /// For whom it acts.
    pub maker: Principal,
    /// What it is good for.
    pub scope: TokenScope,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops to work.
    pub expires_at: Timestamp,
    /// When it was used last, to the hour; never, if it is not known.
    pub last_used_at: Option<Timestamp>,
}

/// A token that is to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What it is called: 1 to [`TOKEN_NAME_BYTES_MAX`] bytes without control characters.
    pub name: String,
    /// What it is good for.
    pub scope: TokenScope,
    /// How long it works: a second to [`TOKEN_LIFETIME_MAX`].
    pub lifetime: Duration,
}

impl Tokens {
    /// The tokens in this store.
    #[must_use]
    pub fn new(kv: Arc<dyn Kv>, env: Env) -> Self {
        Self { kv, env }
    }

    /// Makes a token for somebody. Its text is in the answer, and nowhere else. Expired tokens of the same maker are
    /// removed when there are too many.
    ///
    /// # Errors
    /// [`AccessError::NobodyInParticular`], [`AccessError::Invalid`], [`AccessError::TooMany`], [`AccessError::Store`]
    pub async fn create(&self, maker: &Principal, new: NewToken) -> Result<(TokenText, Token), AccessError> {
        let maker = somebody(maker)?.clone();
        check(&new)?;
        self.make_room(&maker).await?;

        let (text, created_at) = (BearerKind::Token.generate(self.env.random()), self.env.now());
        let hash = BearerKind::Token.hash(text.reveal()).expect("a text that was just made is of its kind");
        let token = Token {
            id: TokenId::generate(self.env.random()),
            name: new.name,
            maker,
            scope: new.scope,
            created_at,
            expires_at: created_at.plus(new.lifetime),
            last_used_at: None,
        };
        let key = keys::token(token.id.as_bytes());
        let batch = Batch::new()
            .expect_absent(key.clone())
            .put(key, stored::encode(&token, &hash))
            .put(keys::token_by_hash(&hash), record::encode_bytes(token.id.as_bytes()))
            .put(keys::token_by_maker(&token.maker.to_string(), token.id.as_bytes()), record::encode_bytes(&[]));
        match self.kv.commit(batch).await? {
            Outcome::Committed => Ok((text, token)),
            Outcome::Conflict(_) => Err(AccessError::Contended { what: "the list of tokens" }),
        }
    }

    /// The token with this text, if it works now. Its use is noted, at most once an hour.
    ///
    /// # Errors
    /// [`AccessError::UnknownToken`], [`AccessError::ExpiredToken`], [`AccessError::Unreadable`],
    /// [`AccessError::Store`]
    pub async fn verify(&self, text: &str) -> Result<Token, AccessError> {
        let hash = BearerKind::Token.hash(text).ok_or(AccessError::UnknownToken)?;
        let id = self.kv.get(&keys::token_by_hash(&hash)).await?.ok_or(AccessError::UnknownToken)?;
        let id = TokenId::new(record::decode_bytes(&id).map_err(AccessError::unreadable(WHAT))?);
        let record = self.kv.get(&keys::token(id.as_bytes())).await?.ok_or(AccessError::UnknownToken)?;
        let (token, stored_hash) = stored::decode(id, &record)?;
        if stored_hash != hash {
            return Err(AccessError::Unreadable { what: WHAT });
        }
        let now = self.env.now();
        if token.expires_at <= now {
            return Err(AccessError::ExpiredToken { id, at: token.expires_at });
        }
        Ok(self.note_use(token, &hash, record, now).await)
    }

    /// One token.
    ///
    /// # Errors
    /// [`AccessError::NoToken`], [`AccessError::Unreadable`], [`AccessError::Store`]
    pub async fn show(&self, id: TokenId) -> Result<Token, AccessError> {
        let record = self.kv.get(&keys::token(id.as_bytes())).await?.ok_or(AccessError::NoToken { id })?;
        Ok(stored::decode(id, &record)?.0)
    }

    /// The tokens that somebody has made, expired ones as well, in the order of their ids, after one of them.
    ///
    /// # Errors
    /// [`AccessError::Unreadable`], [`AccessError::Store`]
    pub async fn list_of(
        &self,
        maker: &Principal,
        after: Option<TokenId>,
        rows_max: usize,
    ) -> Result<Paged<Token, TokenId>, AccessError> {
        let maker = maker.to_string();
        let mut range = KeyRange::prefix(keys::tokens_by_maker(&maker));
        if let Some(after) = after {
            range = range.after(&keys::token_by_maker(&maker, after.as_bytes()));
        }
        let page = paged::rows(&*self.kv, range, Order::Ascending, rows_max, Select::Keys).await?;
        let id = |key: &[u8]| keys::parse_token_by_maker(&maker, key).map(TokenId::new);
        let ids: Vec<TokenId> = page.rows.iter().filter_map(|row| id(&row.key)).collect();
        let next = if page.is_cut { ids.last().copied() } else { None };
        let wanted: Vec<Bytes> = ids.iter().map(|id| keys::token(id.as_bytes())).collect();
        let records = self.kv.get_many(&wanted, TOKENS_BYTES_MAX).await?;
        // One that is gone was revoked between the two looks.
        let present = ids.into_iter().zip(records).filter_map(|(id, record)| Some((id, record?)));
        let items =
            present.map(|(id, record)| Ok(stored::decode(id, &record)?.0)).collect::<Result<_, AccessError>>()?;
        Ok(Paged { items, next })
    }

    /// All tokens, in the order of their ids, after one of them.
    ///
    /// # Errors
    /// [`AccessError::Unreadable`], [`AccessError::Store`]
    pub async fn list(&self, after: Option<TokenId>, rows_max: usize) -> Result<Paged<Token, TokenId>, AccessError> {
        let mut range = KeyRange::prefix(keys::tokens());
        if let Some(after) = after {
            range = range.after(&keys::token(after.as_bytes()));
        }
        let page = paged::rows(&*self.kv, range, Order::Ascending, rows_max, Select::Rows).await?;
        let read = |row: mu_db::Row| {
            let id = keys::parse_token(&row.key).ok_or(AccessError::Unreadable { what: WHAT })?;
            Ok(stored::decode(TokenId::new(id), &row.value)?.0)
        };
        page.read(read, |token| token.id)
    }

    /// Ends a token at once, and forgets it. Answers what it was.
    ///
    /// # Errors
    /// [`AccessError::NoToken`], [`AccessError::Contended`], [`AccessError::Unreadable`], [`AccessError::Store`]
    pub async fn revoke(&self, id: TokenId) -> Result<Token, AccessError> {
        let key = keys::token(id.as_bytes());
        for _ in 0..ATTEMPTS_MAX {
            let record = self.kv.get(&key).await?.ok_or(AccessError::NoToken { id })?;
            let (token, hash) = stored::decode(id, &record)?;
            let batch = delete(Batch::new().expect_value(key.clone(), record), &token, &hash);
            if self.kv.commit(batch).await? == Outcome::Committed {
                return Ok(token);
            }
        }
        Err(AccessError::Contended { what: "the token" })
    }

    /// Writes down that the token is used. That this fails is no reason to refuse the request: a full disk, for one,
    /// still lets tokens read.
    async fn note_use(&self, token: Token, hash: &[u8; 32], record: Bytes, now: Timestamp) -> Token {
        if token.last_used_at.is_some_and(|last| now < last.plus(LAST_USED_STEP)) {
            return token;
        }
        let used = Token { last_used_at: Some(now), ..token };
        let key = keys::token(used.id.as_bytes());
        // If the record has changed, it was revoked or somebody else has noted a use.
        let batch = Batch::new().expect_value(key.clone(), record).put(key, stored::encode(&used, hash));
        if let Err(error) = self.kv.commit(batch).await {
            tracing::debug!(token = %used.id, %error, "the use of a token was not noted");
        }
        used
    }

    async fn make_room(&self, maker: &Principal) -> Result<(), AccessError> {
        const { assert!(TOKENS_PER_MAKER_MAX < PAGE_ROWS_MAX) };
        let tokens = self.list_of(maker, None, PAGE_ROWS_MAX).await?.items;
        if tokens.len() < TOKENS_PER_MAKER_MAX {
            return Ok(());
        }
        let now = self.env.now();
        let expired: Vec<TokenId> =
            tokens.iter().filter(|token| token.expires_at <= now).map(|token| token.id).collect();
        if expired.is_empty() {
            return Err(AccessError::TooMany { what: "a client", of_what: "tokens", limit: TOKENS_PER_MAKER_MAX });
        }
        for id in expired {
            match self.revoke(id).await {
                Ok(_) | Err(AccessError::NoToken { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

const WHAT: &str = "a token";

fn check(new: &NewToken) -> Result<(), AccessError> {
    if !(1..=TOKEN_NAME_BYTES_MAX).contains(&new.name.len()) || new.name.chars().any(char::is_control) {
        let problem = "has 1 to 100 bytes, and no control characters";
        return Err(AccessError::Invalid { what: "the name of a token", problem });
    }
    if !(Duration::from_secs(1)..=TOKEN_LIFETIME_MAX).contains(&new.lifetime) {
        return Err(AccessError::Invalid { what: "the lifetime of a token", problem: "is a second to 366 days" });
    }
    new.scope.check()
}

fn delete(batch: Batch, token: &Token, hash: &[u8; 32]) -> Batch {
    batch
        .delete(keys::token(token.id.as_bytes()))
        .delete(keys::token_by_hash(hash))
        .delete(keys::token_by_maker(&token.maker.to_string(), token.id.as_bytes()))
}

#[cfg(test)]
mod tests;
