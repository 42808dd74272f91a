use std::cmp::Ordering;

use wharf_reference::Tag;

/// Orders tags by version, oldest first; pass it to `sort_by`.
///
/// A version is `1`, `1.2`, `1.2.3` or longer, with or without a leading `v`. The text after a hyphen is a
/// pre-release, which comes before the release (semver.org, section 11). The text after `_` or `+` counts
/// only between versions that are equal otherwise. Tags that are no versions come first, in alphabetical
/// order.
///
/// ```
/// use wharf_distribution::by_version;
/// use wharf_reference::Tag;
///
/// let mut tags = ["v1.10", "latest", "1.9.1", "1.10-rc.2"].map(|tag| Tag::parse(tag).unwrap());
/// tags.sort_by(by_version);
/// assert_eq!(tags.each_ref().map(Tag::as_str), ["latest", "1.9.1", "1.10-rc.2", "v1.10"]);
/// ```
#[must_use]
pub fn by_version(left: &Tag, right: &Tag) -> Ordering {
    let (left_version, right_version) = (Version::of(left.as_str()), Version::of(right.as_str()));
    left_version
        .cmp(&right_version)
        .then_with(|| left.as_str().cmp(right.as_str()))
}

#[derive(PartialEq, Eq)]
struct Version<'a> {
    numbers: Vec<&'a str>,
    pre_release: Option<&'a str>,
}

impl<'a> Version<'a> {
    fn of(tag: &'a str) -> Option<Self> {
        let text = tag.strip_prefix('v').unwrap_or(tag);
        let text = text.split(['_', '+']).next().unwrap_or_default();
        let (numbers, pre_release) = match text.split_once('-') {
            Some((numbers, pre_release)) => (numbers, Some(pre_release)),
            None => (text, None),
        };
        let numbers: Vec<&str> = numbers.split('.').collect();
        numbers
            .iter()
            .all(|number| is_number(number))
            .then_some(Self { numbers, pre_release })
    }
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let length = self.numbers.len().max(other.numbers.len());
        let at =
            |numbers: &[&'_ str], index: usize| numbers.get(index).map_or("0", |number| *number).to_owned();
        for index in 0..length {
            let order = compare_numbers(&at(&self.numbers, index), &at(&other.numbers, index));
            if order != Ordering::Equal {
                return order;
            }
        }
        match (self.pre_release, other.pre_release) {
            (None, None) => Ordering::Equal,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => compare_pre_releases(left, right),
        }
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn compare_pre_releases(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(left), Some(right)) => match (is_number(left), is_number(right)) {
                (true, true) => compare_numbers(left, right),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => left.cmp(right),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Compares numbers of any length, as text.
fn compare_numbers(left: &str, right: &str) -> Ordering {
    let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_specification() {
        let ordered = [
            "edge",
            "latest",
            "vNext",
            "0.9",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "v1.0.1",
            "1.2",
            "1.10",
            "2",
            "2.0.0.1",
            "20260101",
            "99999999999999999999999999",
        ];
        let mut tags: Vec<Tag> = ordered.iter().rev().map(|tag| Tag::parse(tag).unwrap()).collect();
        tags.sort_by(by_version);
        assert_eq!(tags.iter().map(Tag::as_str).collect::<Vec<_>>(), ordered);
    }
}
