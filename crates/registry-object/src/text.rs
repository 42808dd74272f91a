//! Text of a server or a store in errors.

/// The most bytes of a foreign message in an error.
const MESSAGE: usize = 300;

/// A server's text, without control characters and not long.
pub(crate) fn bounded(text: &str) -> String {
    let escaped: String = text.chars().flat_map(shown).collect();
    match escaped
        .char_indices()
        .find(|(at, character)| at + character.len_utf8() > MESSAGE)
    {
        Some((end, _)) => format!("{}...", escaped.get(..end).unwrap_or_default()),
        None => escaped,
    }
}

fn shown(character: char) -> Vec<char> {
    if character.is_control() {
        character.escape_default().collect()
    } else {
        vec![character]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_server_is_bounded_and_escaped() {
        assert_eq!(bounded("a\nb\u{1b}[31m"), "a\\nb\\u{1b}[31m");
        assert_eq!(bounded(&"x".repeat(MESSAGE)), "x".repeat(MESSAGE));
        assert_eq!(
            bounded(&"é".repeat(MESSAGE)),
            format!("{}...", "é".repeat(MESSAGE / 2))
        );
    }
}
