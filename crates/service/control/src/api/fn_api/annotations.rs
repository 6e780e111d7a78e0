//! Annotations with Fn's limits and words, and those that are ours.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::api::error::ApiError;
use crate::catalog::Annotations;
use crate::catalog::limits::{ANNOTATION_KEY_BYTES_MAX, ANNOTATION_VALUE_BYTES_MAX, ANNOTATIONS_MAX};

/// Where a fn is called; shown, never stored.
pub(super) const INVOKE_ENDPOINT: &str = "fnproject.io/fn/invokeEndpoint";
/// Where a trigger is called; shown, never stored.
pub(super) const HTTP_ENDPOINT: &str = "fnproject.io/trigger/httpEndpoint";
/// The shape of an app; stored with the stack, and shown as a field of its own.
pub(super) const SHAPE: &str = "fnproject.io/app/shape";
/// What begins with this says something of deployed functions; shown, never stored.
pub(super) const OF_MU: &str = "mu/";

/// Annotations as clients give them.
pub(super) type Given = Option<BTreeMap<String, Value>>;

/// What clients see of stored annotations.
pub(super) fn shown(stored: &Annotations) -> Annotations {
    stored.iter().filter(|(key, _)| !is_ours(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The annotations of something new.
pub(super) fn new(given: Given) -> Result<Annotations, ApiError> {
    let annotations: Annotations = given.unwrap_or_default().into_iter().filter(|(key, _)| !is_ours(key)).collect();
    annotations.iter().try_for_each(|(key, value)| check(key, value))?;
    check_count(annotations.len())?;
    Ok(annotations)
}

/// What annotations change: an empty value removes one. Clients send back what they were shown, so that ours are passed
/// over and not refused.
pub(super) fn change(given: Given, old: &Annotations) -> Result<BTreeMap<String, Option<Value>>, ApiError> {
    let mut patch = BTreeMap::new();
    for (key, value) in given.unwrap_or_default() {
        if is_ours(&key) || old.get(&key) == Some(&value) {
            continue;
        }
        if is_empty(&value) {
            patch.insert(key, None);
        } else {
            check(&key, &value)?;
            patch.insert(key, Some(value));
        }
    }
    let kept = shown(old).into_keys().filter(|key| !patch.contains_key(key)).count();
    check_count(kept + patch.values().flatten().count())?;
    Ok(patch)
}

fn is_ours(key: &str) -> bool {
    matches!(key, INVOKE_ENDPOINT | HTTP_ENDPOINT | SHAPE) || key.starts_with(OF_MU)
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

fn check(key: &str, value: &Value) -> Result<(), ApiError> {
    let problem = if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        "Invalid annotation key, annotation keys must be non-empty ascii strings excluding whitespace".to_owned()
    } else if key.len() > ANNOTATION_KEY_BYTES_MAX {
        let limit = ANNOTATION_KEY_BYTES_MAX;
        format!("Invalid annotation key length, annotation keys may not be larger than {limit} bytes")
    } else if is_empty(value) {
        let may_be = "non-empty strings, numbers, objects, or arrays";
        format!("Invalid annotation value, annotation values may only be {may_be}")
    } else if value.to_string().len() > ANNOTATION_VALUE_BYTES_MAX {
        let limit = ANNOTATION_VALUE_BYTES_MAX;
        let rule = format!("annotation values may not be larger than {limit} bytes when serialized as JSON");
        format!("Invalid annotation value length, {rule}")
    } else {
        return Ok(());
    };
    Err(ApiError::invalid(problem))
}

fn check_count(count: usize) -> Result<(), ApiError> {
    if count <= ANNOTATIONS_MAX {
        return Ok(());
    }
    let rule = format!("new key(s) exceed maximum permitted number of annotations keys ({ANNOTATIONS_MAX})");
    Err(ApiError::invalid(format!("Invalid annotation change, {rule}")))
}
