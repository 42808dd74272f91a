//! Comparison of field names without case, as Go's readers of TOML and JSON do.

/// True if two names differ in case alone. Beyond ASCII that holds for the two letters that fold to ASCII
/// ones.
pub(crate) fn same(left: &str, right: &str) -> bool {
    left.chars().map(folded).eq(right.chars().map(folded))
}

const fn folded(char: char) -> char {
    match char {
        '\u{17f}' => 's',  // the long s
        '\u{212a}' => 'k', // the sign of the kelvin
        _ => char.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case_and_whole() {
        for (left, right, expected) in [
            ("blocked", "Blocked", true),
            ("blocked", "BLOCKED", true),
            ("blocked", "bloc\u{212a}ed", true),
            ("location", "location ", false),
            ("aliases", "alia\u{17f}e\u{17f}", true),
            ("auths", "auth", false),
            ("insecure", "\u{131}nsecure", false),
            ("mirror-by-digest-only", "mirror_by_digest_only", false),
            ("", "", true),
        ] {
            assert_eq!(same(left, right), expected, "{left} {right}");
        }
    }
}
