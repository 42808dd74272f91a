//! The entries of a history that belong to layers.

use crate::json::Json;

/// The position of the entry of a layer, which is counted from one.
pub(super) fn entry_of_layer(history: &[Json], number: usize) -> Option<usize> {
    let entries = history.iter().enumerate();
    let mut layers = entries.filter(|(_, entry)| has_layer(entry));
    let (position, _) = layers.nth(number.checked_sub(1)?)?;
    Some(position)
}

/// True for an entry of a history that has a layer.
pub(super) fn has_layer(entry: &Json) -> bool {
    let empty = entry.as_object().and_then(|entry| entry.get("empty_layer"));
    !matches!(empty, Some(Json::Scalar(text)) if &**text == "true")
}
