/// True if text fits a pattern of Go's `path.Match`: `*` is any text without `/`, `?` a character but `/`, `[a-z]` and
/// `[^a-z]` a character in or not in ranges, `\` takes the next character as it is. A pattern that cannot be read fits
/// nothing.
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut pattern, mut text) = (pattern.as_slice(), text.as_slice());
    // The pattern after the last `*`, and the text that was left then: `*` takes one character more each time.
    let mut star: Option<(&[char], &[char])> = None;
    loop {
        let next = match pattern {
            ['*', rest @ ..] => {
                star = Some((rest, text));
                pattern = rest;
                continue;
            }
            [] if text.is_empty() => return true,
            [] => None,
            _ => one(pattern, text),
        };
        if let Some((rest_of_pattern, rest_of_text)) = next {
            (pattern, text) = (rest_of_pattern, rest_of_text);
            continue;
        }
        match star {
            Some((after, [taken, rest @ ..])) if *taken != '/' => {
                star = Some((after, rest));
                (pattern, text) = (after, rest);
            }
            _ => return false,
        }
    }
}

/// Matches one character, which is no `*`, and returns what follows.
fn one<'a>(pattern: &'a [char], text: &'a [char]) -> Option<(&'a [char], &'a [char])> {
    let [first, rest_of_text @ ..] = text else {
        return None;
    };
    let rest = match pattern {
        ['?', rest @ ..] if *first != '/' => rest,
        ['[', rest @ ..] => class(rest, *first)?,
        ['\\', literal, rest @ ..] if literal == first => rest,
        [literal, rest @ ..] if literal == first && !matches!(literal, '?' | '\\') => rest,
        _ => return None,
    };
    Some((rest, rest_of_text))
}

/// The pattern that follows a class of characters, if the class has this one.
fn class(mut class: &[char], wanted: char) -> Option<&[char]> {
    let negated = matches!(class, ['^', ..]);
    if let ['^', rest @ ..] = class {
        class = rest;
    }
    let mut found = false;
    let mut is_first = true;
    loop {
        let (low, rest) = match class {
            [']', rest @ ..] if !is_first => return (found != negated).then_some(rest),
            ['\\', low, rest @ ..] => (*low, rest),
            [low, rest @ ..] if !matches!(low, '-' | ']') => (*low, rest),
            _ => return None,
        };
        let (high, rest) = match rest {
            ['-', '\\', high, rest @ ..] => (*high, rest),
            ['-', high, rest @ ..] if *high != ']' => (*high, rest),
            _ => (low, rest),
        };
        found |= (low..=high).contains(&wanted);
        class = rest;
        is_first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_fit_as_those_of_go() {
        for (pattern, text, expected) in [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "a", true),
            ("a*", "ab/c", false),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("a?b", "a\u{263a}b", true),
            ("a[^a]b", "a\u{263a}b", true),
            ("[a-\u{3b6}]*", "\u{3b1}", true),
            ("*[a-\u{3b6}]", "A", false),
            ("a?b", "a/b", false),
            ("[\\]a]", "]", true),
            ("[]a]", "]", false),
            ("[-]", "-", false),
            ("[x-]", "x", false),
            ("[", "a", false),
            ("a[", "a", false),
            ("*x", "xxx", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern:?} {text:?}");
        }
    }
}
