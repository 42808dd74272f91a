//! The query of a request or a form (`application/x-www-form-urlencoded`). The order and repeated keys are
//! preserved.

use std::borrow::Cow;

use crate::percent;

pub(crate) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// Reads a query or a form; a pair whose escapes are not UTF-8 is dropped.
    pub(crate) fn parse(text: &'a str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .filter_map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    Some((decode(key)?, decode(value)?))
                })
                .collect(),
        )
    }

    /// The first value of a key.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(name, _)| name == key)?;
        Some(value)
    }

    /// Every value of a key.
    pub(crate) fn values<'k>(&'k self, key: &'k str) -> impl Iterator<Item = &'k str> {
        self.0
            .iter()
            .filter(move |(name, _)| name == key)
            .map(|(_, value)| value.as_ref())
    }
}

/// Text of a form: a plus sign stands for a space.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('+') {
        return percent::decode(text);
    }
    let spaced = text.replace('+', " ");
    percent::decode(&spaced).map(|text| Cow::Owned(text.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_repeats_escapes_and_oddities() {
        let query = Query::parse("tag=a&tag=b&digest=sha256%3Aab&x&y=%zz&&z=a+b%20c&e=");
        assert_eq!(query.values("tag").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(query.value("digest"), Some("sha256:ab"));
        assert_eq!(query.value("x"), Some(""));
        assert_eq!(query.value("y"), None);
        assert_eq!(query.value("z"), Some("a b c"));
        assert_eq!(query.value("e"), Some(""));
        assert_eq!(query.value("missing"), None);
    }
}
