//! The parameters of the path and the query.

use std::{collections::BTreeMap, ops::Deref};

use mu_abi::Request;
use serde::Deserialize;

use crate::{
    error::{Error, Result},
    extract::{FromRequest, parameters},
};

/// What stood in the places of the route's `{name}`s, typed.
///
/// `T` is a structure with a field for each name, or, for a route with one name, the type of its value. A tuple gets
/// the values in the *alphabetical order of their names*, because the request doesn't tell their order in the path:
/// prefer a structure. A value that doesn't parse gets 400.
///
/// ```
/// # use mu_sdk::Path;
/// #[derive(::serde::Deserialize)]
/// struct Item {
///     shelf: String,
///     number: u32,
/// }
///
/// fn on_shelf_shelf_number(Path(item): Path<Item>) -> String {
///     format!("{} on {}", item.number, item.shelf)
/// }
/// fn on_user_name(Path(name): Path<String>) -> String {
///     name
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path<T>(pub T);

/// The query's parameters, typed.
///
/// `T` is a structure (with `Option`s or `#[serde(default)]` for parameters that may be missing) or a map. A parameter
/// that is missing or doesn't parse gets 400. Of a repeated key, the last value counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query<T>(pub T);

/// What stood in the places of the route's `{name}`s, as text by name.
#[derive(Clone, Copy, Debug)]
pub struct PathParams<'a>(&'a BTreeMap<String, String>);

/// The query's parameters, as text by name. Of a repeated key, the last value counts.
#[derive(Clone, Copy, Debug)]
pub struct QueryParams<'a>(&'a BTreeMap<String, String>);

impl<'a, T: Deserialize<'a>> FromRequest<'a> for Path<T> {
    fn from_request(request: &'a Request) -> Result<Self> {
        parameters::read(&request.path_params)
            .map(Self)
            .map_err(|error| Error::bad_request(format!("wrong path: {error}")))
    }
}

impl<'a, T: Deserialize<'a>> FromRequest<'a> for Query<T> {
    fn from_request(request: &'a Request) -> Result<Self> {
        parameters::read(&request.query_params)
            .map(Self)
            .map_err(|error| Error::bad_request(format!("wrong query: {error}")))
    }
}

impl<'a> FromRequest<'a> for PathParams<'a> {
    fn from_request(request: &'a Request) -> Result<Self> {
        Ok(Self(&request.path_params))
    }
}

impl<'a> FromRequest<'a> for QueryParams<'a> {
    fn from_request(request: &'a Request) -> Result<Self> {
        Ok(Self(&request.query_params))
    }
}

impl Deref for PathParams<'_> {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl Deref for QueryParams<'_> {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}
