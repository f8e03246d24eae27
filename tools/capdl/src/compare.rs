// SPDX-License-Identifier: BSD-2-Clause
//! Holds two distributions against each other, in the JSON that both tools write.
//!
//! Objects are matched by name and capabilities by the name of their object, so the order of
//! objects and slots does not count. Nothing else is forgiven.
//!
//! Answers BH-10.

use crate::spec::content;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Every difference between two distributions, one readable line each; none when they are the same.
///
/// `floating` names regions without a fixed address: the tools may choose different ones.
#[must_use]
pub fn compare(ours: &Value, theirs: &Value, floating: &[&str]) -> Vec<String> {
    let mut out = Vec::new();
    let (a, b) = (normal(ours, floating), normal(theirs, floating));
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    for name in names {
        match (a.get(name), b.get(name)) {
            (Some(_), None) => out.push(format!("{name}: only in ours")),
            (None, Some(_)) => out.push(format!("{name}: only in theirs")),
            (Some(left), Some(right)) => walk(name, left, right, &mut out),
            (None, None) => {}
        }
    }
    out
}

/// Object name or `<top-level key>`, to contents with names for indices and slots by number.
fn normal(spec: &Value, floating: &[&str]) -> BTreeMap<String, Value> {
    let empty = Vec::new();
    let objects = spec["objects"].as_array().unwrap_or(&empty);
    let names: Vec<&str> = objects
        .iter()
        .map(|object| object["name"].as_str().unwrap_or("?"))
        .collect();
    let mut all = BTreeMap::new();
    for object in objects {
        let name = object["name"].as_str().unwrap_or("?");
        let mut contents = rename(&object["object"], &names);
        let floats = floating.iter().any(|mr| {
            let sequence = name
                .strip_prefix("frame_mr_")
                .and_then(|n| n.strip_prefix(mr));
            sequence.is_some_and(|rest| rest.len() == 10 && rest.starts_with('_'))
        });
        if floats && let Some(frame) = contents.get_mut("Frame").and_then(Value::as_object_mut) {
            frame.insert("paddr".to_owned(), Value::Null);
        }
        if all.insert(name.to_owned(), contents).is_some() {
            all.insert(format!("{name} (twice)"), Value::Null);
        }
    }
    for (key, value) in spec.as_object().into_iter().flatten() {
        if key != "objects" {
            all.insert(format!("<{key}>"), rename(value, &names));
        }
    }
    all
}

/// Replaces object indices by names and lists of slots by maps.
fn rename(value: &Value, names: &[&str]) -> Value {
    match value {
        Value::Array(items) if items.iter().any(|item| item.get("slot").is_some()) => {
            let entry = |item: &Value| (item["slot"].to_string(), rename(&item["cap"], names));
            let mut slots = Map::new();
            for (slot, cap) in items.iter().map(entry) {
                if let Some(other) = slots.insert(slot.clone(), cap) {
                    slots.insert(format!("{slot} (twice)"), other);
                }
            }
            Value::Object(slots)
        }
        // An empty list of slots must equal an empty map of them.
        Value::Array(items) if items.is_empty() => Value::Object(Map::new()),
        Value::Array(items) => items.iter().map(|item| rename(item, names)).collect(),
        // The SDK's tool lists contents byte by byte.
        Value::Object(fields) if fields.get("bytes").is_some_and(Value::is_array) => {
            let numbers = fields["bytes"].as_array().into_iter().flatten();
            let byte = |number: &Value| number.as_u64().and_then(|byte| u8::try_from(byte).ok());
            match numbers.map(byte).collect::<Option<Vec<u8>>>() {
                Some(bytes) => serde_json::json!({ "bytes": content::digest(&bytes) }),
                None => value.clone(),
            }
        }
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| {
                let index = value.as_u64().and_then(|index| usize::try_from(index).ok());
                let name = index.and_then(|index| names.get(index));
                match name.filter(|_| key == "object" || key == "handler") {
                    Some(name) => (key.clone(), Value::from(*name)),
                    None => (key.clone(), rename(value, names)),
                }
            };
            Value::Object(fields.iter().map(field).collect())
        }
        other => other.clone(),
    }
}

/// Lists differences below `path`.
fn walk(path: &str, ours: &Value, theirs: &Value, out: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let path = format!("{path}.{key}");
                match (a.get(key), b.get(key)) {
                    (Some(left), Some(right)) => walk(&path, left, right, out),
                    (Some(left), None) => out.push(format!("{path}: {} only in ours", short(left))),
                    (None, Some(right)) => {
                        out.push(format!("{path}: {} only in theirs", short(right)));
                    }
                    (None, None) => {}
                }
            }
        }
        (a, b) if a == b => {}
        (a, b) => out.push(format!(
            "{path}: {} in ours, {} in theirs",
            short(a),
            short(b)
        )),
    }
}

/// A value on one line of bounded length.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(120) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
