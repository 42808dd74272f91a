use std::fs;

use super::constants::Value;
use crate::root;

/// A limit that the embedding program sets: a public field with its default.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) owner: &'static str,
    pub(super) field: String,
    /// `None`: unlimited.
    pub(super) default: Option<Value>,
    pub(super) meaning: String,
}

/// The structs whose public fields are limits, and where they are.
const STRUCTS: [(&str, &str, &str); 5] = [
    (
        "wharf_http::RetryPolicy",
        "RetryPolicy",
        "crates/http/src/retry.rs",
    ),
    ("wharf_layer::Limits", "Limits", "crates/layer/src/limits.rs"),
    (
        "wharf_layer::MergeLimits",
        "MergeLimits",
        "crates/layer/src/merge/limits.rs",
    ),
    (
        "wharf_layer::tar::Limits",
        "Limits",
        "crates/layer/src/tar/limits.rs",
    ),
    (
        "wharf_registry::Limits",
        "Limits",
        "crates/registry/src/limits.rs",
    ),
];

pub(super) fn all() -> Vec<Setting> {
    STRUCTS
        .into_iter()
        .flat_map(|(owner, name, file)| fields(owner, name, file))
        .collect()
}

fn fields(owner: &'static str, name: &str, file: &str) -> Vec<Setting> {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let (_, body) = text.split_once(&format!("pub struct {name} {{")).unwrap();
    let (body, rest) = body.split_once("\n}").unwrap();
    let (_, defaults) = rest.split_once(&format!("impl Default for {name} {{")).unwrap();
    let mut comment = Vec::new();
    let mut settings = Vec::new();
    for line in body.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            comment.push(words.trim());
        } else if let Some((field, _)) = line.strip_prefix("pub ").and_then(|rest| rest.split_once(':')) {
            let meaning = std::mem::take(&mut comment).join(" ");
            if field == "seed" {
                continue; // no limit
            }
            let (_, value) = defaults.split_once(&format!(" {field}: ")).unwrap();
            let (value, _) = value.split_once(",\n").unwrap();
            settings.push(Setting {
                owner,
                field: field.to_owned(),
                default: Value::of(value, &|_| None),
                meaning,
            });
        }
    }
    settings
}
