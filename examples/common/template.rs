//! Output by a template of fixed keys, such as `{{.Name}}: {{.Digest}}`.

use serde_json::{Map, Value};
use wharf::{Error, ErrorKind};

/// A template, or JSON.
#[derive(Clone)]
pub(crate) enum Format {
    Json,
    Template { is_table: bool, parts: Vec<Part> },
}

#[derive(Clone)]
pub(crate) enum Part {
    Text(String),
    Key(String),
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "json" {
            return Ok(Self::Json);
        }
        let (is_table, mut rest) = match text.strip_prefix("table ") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut parts = Vec::new();
        while let Some((before, after)) = rest.split_once("{{") {
            let (inside, after) = after.split_once("}}").ok_or("a }} is missing")?;
            let key = inside.trim().strip_prefix('.').filter(|key| is_key(key));
            let key = key.ok_or_else(|| format!("{{{{{inside}}}}} is no key such as {{{{.Name}}}}"))?;
            parts.extend([Part::Text(unescaped(before)), Part::Key(key.to_owned())]);
            rest = after;
        }
        parts.push(Part::Text(unescaped(rest)));
        Ok(Self::Template { is_table, parts })
    }
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric())
}

fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\t", "\t")
}

/// A row of the template.
pub(crate) fn render(parts: &[Part], values: &Map<String, Value>) -> Result<String, Error> {
    let mut line = String::new();
    for part in parts {
        match part {
            Part::Text(text) => line.push_str(text),
            Part::Key(key) => line.push_str(&shown(values.get(key).ok_or_else(|| unknown(key, values))?)),
        }
    }
    Ok(line)
}

/// The cells of a table's row: the texts between the keys only separate them.
pub(crate) fn cells(parts: &[Part], values: &Map<String, Value>) -> Result<Vec<String>, Error> {
    let keys = parts.iter().filter_map(|part| match part {
        Part::Key(key) => Some(key),
        Part::Text(_) => None,
    });
    keys.map(|key| values.get(key).map(shown).ok_or_else(|| unknown(key, values)))
        .collect()
}

/// The keys in capitals.
pub(crate) fn headings(parts: &[Part]) -> Vec<String> {
    let keys = parts.iter().filter_map(|part| match part {
        Part::Key(key) => Some(key.to_ascii_uppercase()),
        Part::Text(_) => None,
    });
    keys.collect()
}

fn unknown(key: &str, values: &Map<String, Value>) -> Error {
    let keys: Vec<&str> = values.keys().map(String::as_str).collect();
    let message = format!(
        "--format: there is no {{{{.{key}}}}}; the keys are {}",
        keys.join(", ")
    );
    Error::new(ErrorKind::Invalid, message)
}

/// A value as Go's templates print it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(values) => format!("[{}]", values.iter().map(shown).collect::<Vec<_>>().join(" ")),
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(key, value)| format!("{key}:{}", shown(value)));
            format!("map[{}]", members.collect::<Vec<_>>().join(" "))
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Lines whose cells are aligned, with two spaces between columns as Podman has them.
pub(crate) fn table(rows: &[Vec<String>]) -> Vec<String> {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            match widths.get_mut(column) {
                Some(width) => *width = (*width).max(cell.chars().count()),
                None => widths.push(cell.chars().count()),
            }
        }
    }
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
