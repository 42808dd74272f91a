use std::fmt;

use url::Url;

/// Prints a URL with scheme, host, port and path. User info, query and fragment are left out: they may
/// contain secrets, such as the signature of a storage link (docs/threats.md, N19).
#[derive(Clone, Copy)]
pub struct Redacted<'a>(pub &'a Url);

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.0;
        write!(f, "{}://{}", url.scheme(), url.host_str().unwrap_or_default())?;
        if let Some(port) = url.port() {
            write!(f, ":{port}")?;
        }
        for character in url.path().chars().take(300) {
            write!(f, "{}", character.escape_default())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `text` of a server made safe to print: at most `limit` characters, with control characters escaped.
#[must_use]
pub fn printable(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    for (count, character) in text.trim().chars().enumerate() {
        if count == limit {
            shown.push('…');
            break;
        }
        if character.is_control() || is_invisible(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Characters that are no control characters, and hide or reorder those around them or end a line.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_what_can_be_secret() {
        let url = Url::parse("https://user:CANARY@cdn.example:8443/a/b?sig=CANARY#CANARY").unwrap();
        assert_eq!(Redacted(&url).to_string(), "https://cdn.example:8443/a/b");
        assert_eq!(format!("{:?}", Redacted(&url)), "https://cdn.example:8443/a/b");
    }

    #[test]
    fn server_text_is_bounded_and_tame() {
        assert_eq!(printable(" denied\n", 20), "denied");
        assert_eq!(printable("a\u{1b}[2Jb\nc", 20), "a\\u{1b}[2Jb\\nc");
        assert_eq!(printable("x\u{202e}y", 20), "x\\u{202e}y");
        assert_eq!(printable("x\u{2028}y\u{61c}z", 30), "x\\u{2028}y\\u{61c}z");
        assert_eq!(printable(&"é".repeat(50), 3), "ééé…");
    }
}
