//! Constraints and versions as text.

use semver::{BuildMetadata, Prerelease, Version};

use super::comparator::{Comparator, Operator, Precision};

/// Longer operators stand before those that they begin with.
const OPERATORS: [(&str, Operator); 11] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterOrEqual),
    ("=>", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("=<", Operator::LessOrEqual),
    ("~>", Operator::Tilde),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
];

/// The version that a tag is, `None` if it is none. One or two numbers are enough, a `v` may stand before them, and
/// zeros may begin them.
pub(super) fn version(text: &str) -> Option<Version> {
    let (partial, rest) = partial(text).ok()?;
    let has_numbers = !partial.has_wildcard && partial.precision != Precision::None;
    (rest.is_empty() && has_numbers).then_some(partial.version)
}

/// The comparators of one alternative, separated by commas or white space.
pub(super) fn comparators(text: &str) -> Result<Vec<Comparator>, String> {
    let mut comparators = Vec::new();
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("an alternative is empty".to_owned());
    }
    while !rest.is_empty() {
        rest = comparator(rest, &mut comparators)?;
        let after = rest.trim_start();
        rest = match after.strip_prefix(',') {
            Some(next) if next.trim_start().is_empty() => {
                return Err("a version is missing after the last comma".to_owned());
            }
            Some(next) => next.trim_start(),
            None if after.len() == rest.len() && !rest.is_empty() => {
                return Err(format!("unexpected {:?}", shown(rest)));
            }
            None => after,
        };
    }
    Ok(comparators)
}

/// Reads one comparator, or both of a range, and returns the text after it.
fn comparator<'a>(text: &'a str, into: &mut Vec<Comparator>) -> Result<&'a str, String> {
    let found = OPERATORS
        .iter()
        .find_map(|(sign, operator)| Some((*operator, text.strip_prefix(sign)?)));
    let (operator, rest) = found.unwrap_or((Operator::Equal, text));
    let (first, rest) = partial(rest.trim_start())?;
    match upper_end(rest) {
        Some(upper) if found.is_none() => {
            let (last, rest) = partial(upper)?;
            into.push(first.compared(Operator::GreaterOrEqual));
            into.push(last.compared(Operator::LessOrEqual));
            Ok(rest)
        }
        _ => {
            into.push(first.compared(operator));
            Ok(rest)
        }
    }
}

/// The text of the upper end of a range; its hyphen has white space on both sides.
fn upper_end(text: &str) -> Option<&str> {
    let after = text.trim_start();
    if after.len() == text.len() {
        return None;
    }
    let upper = after.strip_prefix('-')?;
    let end = upper.trim_start();
    (end.len() < upper.len()).then_some(end)
}

/// A version of which numbers may be missing.
struct Partial {
    version: Version,
    precision: Precision,
    has_wildcard: bool,
}

impl Partial {
    fn compared(self, operator: Operator) -> Comparator {
        Comparator {
            operator,
            version: self.version,
            precision: self.precision,
        }
    }
}

/// Reads a version, whose numbers may be missing or wildcards, and returns the text after it.
fn partial(text: &str) -> Result<(Partial, &str), String> {
    let mut rest = text.strip_prefix('v').unwrap_or(text);
    let mut numbers = [None; 3];
    let mut has_wildcard = false;
    for (position, number) in numbers.iter_mut().enumerate() {
        let digits = match (position, rest.strip_prefix('.')) {
            (0, _) => rest,
            (_, Some(digits)) => digits,
            (_, None) => break,
        };
        let end = digits.find(|c: char| !c.is_ascii_digit() && !matches!(c, 'x' | 'X' | '*'));
        let (part, after) = digits.split_at(end.unwrap_or(digits.len()));
        if part.is_empty() {
            return Err(format!("expected a version, found {:?}", shown(text)));
        }
        has_wildcard |= matches!(part, "x" | "X" | "*");
        if !has_wildcard {
            let problem = |_| format!("{:?} is no number of a version", shown(part));
            *number = Some(part.parse::<u64>().map_err(problem)?);
        }
        rest = after;
    }
    let (pre, rest) = identifiers(rest, '-');
    let (_, rest) = identifiers(rest, '+');
    let precision = match numbers {
        [None, ..] => Precision::None,
        [_, None, _] => Precision::Major,
        [_, _, None] => Precision::Minor,
        _ => Precision::Patch,
    };
    let [major, minor, patch] = numbers.map(Option::unwrap_or_default);
    let pre = Prerelease::new(pre).map_err(|_| format!("{:?} is no pre-release", shown(pre)))?;
    let build = BuildMetadata::EMPTY;
    let version = Version {
        major,
        minor,
        patch,
        pre,
        build,
    };
    Ok((
        Partial {
            version,
            precision,
            has_wildcard,
        },
        rest,
    ))
}

/// The identifiers after a sign, such as a pre-release, and the text after them.
fn identifiers(text: &str, sign: char) -> (&str, &str) {
    let Some(after) = text.strip_prefix(sign) else {
        return ("", text);
    };
    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '.'));
    let (found, rest) = after.split_at(end.unwrap_or(after.len()));
    if found.is_empty() {
        return ("", text);
    }
    (found, rest)
}

/// The beginning of a text, for a message.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}
