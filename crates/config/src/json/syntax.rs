//! Explains why a text is no JSON. The explanations quote nothing of the text but punctuation.

/// The reason why the reader stopped at a position of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// At something that cannot stand there.
    Unexpected,
    /// At the end of the text, within a value.
    End,
    /// After one whole value, at something more.
    Trailing,
    /// Within a string that was taken out of the text.
    String,
}

/// Explains why the text is no JSON at this offset, in bytes, and how to mend it.
pub(super) fn describe(text: &str, offset: usize, stop: Stop) -> &'static str {
    if text.trim().is_empty() {
        return "the text is empty, and no JSON";
    }
    if text.starts_with('\u{feff}') {
        return "the text begins with a byte order mark; save it as UTF-8 without one";
    }
    match stop {
        Stop::End => "the text ends within a value: it was cut off, or a closing quote, } or ] is missing",
        Stop::Trailing => "something follows the end of the JSON value; remove it",
        Stop::String => "the string has an escape that stands for no character",
        Stop::Unexpected => unexpected(text.split_at_checked(offset).unwrap_or((text, ""))),
    }
}

fn unexpected((before, rest): (&str, &str)) -> &'static str {
    let mut chars = rest.chars();
    let (at, next) = (chars.next().unwrap_or_default(), chars.next().unwrap_or_default());
    if is_in_string(before) || (at == '"' && next.is_control()) {
        return match [at, next].into_iter().find(|char| char.is_control()) {
            Some('\n' | '\r') => {
                "a string does not end before the line does; a line break in it is written \\n"
            }
            Some(_) => "a string has a control character; it is written as an escape",
            None => "a string has an escape that JSON does not know; a backslash itself is written twice",
        };
    }
    match (before.trim_end().chars().next_back().unwrap_or_default(), at) {
        (',', '}' | ']') => "a comma stands before the closing bracket; remove it",
        (_, '/' | '#') => "JSON has no comments; remove it",
        (_, '\'') => "JSON has no single quotes; write double ones",
        ('"' | '}' | ']', '"' | '{' | '[') => "a comma or colon is missing before this",
        _ => "not JSON from here; strings and keys stand in double quotes",
    }
}

/// True if a text that is JSON so far ends within a string.
fn is_in_string(text: &str) -> bool {
    let (mut inside, mut escaped) = (false, false);
    for char in text.chars() {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = inside,
            '"' => inside = !inside,
            _ => {}
        }
    }
    inside
}
