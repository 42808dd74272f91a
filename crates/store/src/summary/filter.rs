//! Filters of lists of images, named as Podman's.

use std::time::{Duration, SystemTime};

use wharf_content::{Error, ErrorKind};

use super::{ImageSummary, find_summary};

/// A filter of a list of images, as `podman images --filter` takes it.
///
/// ```
/// use wharf_store::Filter;
///
/// assert_eq!(Filter::parse("dangling=true")?, Filter::Dangling(true));
/// assert_eq!(Filter::parse("label=tier=web")?, Filter::Label("tier".into(), Some("web".into())));
/// assert!(Filter::parse("intermediate=true").is_err());
/// # Ok::<(), wharf_content::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Filter {
    /// Images without a name, or with one.
    Dangling(bool),
    /// Images with a name that fits a pattern: the whole name or its last components, with or without the tag. `*`, `?`
    /// and `[a-z]` do not stand for a slash.
    Reference(String),
    /// Images that were made before this one, which is found as by [`find_summary`].
    Before(String),
    /// Images that were made after this one.
    Since(String),
    /// Images that were made before this time.
    Until(SystemTime),
    /// Images with this label, and this value if one is given.
    Label(String, Option<String>),
    /// Images without this label, or with another value if one is given.
    NoLabel(String, Option<String>),
    /// Images whose ID begins so.
    Id(String),
    /// The image with this digest.
    Digest(String),
}

impl Filter {
    /// Parses a filter: `dangling=true`, `reference=PATTERN`, `before=IMAGE`, `since=IMAGE` or `after=IMAGE`, `until=TIME`,
    /// `label=KEY`, `label=KEY=VALUE`, `label!=KEY`, `label!=KEY=VALUE`, `id=ID`, `digest=DIGEST`. A time is one of RFC
    /// 3339, a number of seconds since 1970, or a duration before now, such as `24h` or `1h30m`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for other keys and for values that cannot be read.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |why: String| Error::new(ErrorKind::Invalid, format!("filter {text:?}: {why}"));
        let Some((key, value)) = text.split_once('=') else {
            return Err(invalid("write it as KEY=VALUE".to_owned()));
        };
        if value.is_empty() {
            return Err(invalid(format!("{key} has no value")));
        }
        let label = || match value.split_once('=') {
            Some((label, value)) => (label.to_owned(), Some(value.to_owned())),
            None => (value.to_owned(), None),
        };
        Ok(match key {
            "dangling" => match value {
                "true" | "1" => Self::Dangling(true),
                "false" | "0" => Self::Dangling(false),
                _ => return Err(invalid("use true or false".to_owned())),
            },
            "reference" => Self::Reference(value.to_owned()),
            "before" => Self::Before(value.to_owned()),
            "since" | "after" => Self::Since(value.to_owned()),
            "until" => {
                let time = time(value, SystemTime::now());
                Self::Until(time.ok_or_else(|| {
                    invalid("use a time such as 2026-01-01T00:00:00Z, or a duration such as 24h".to_owned())
                })?)
            }
            "label" => {
                let (label, value) = label();
                Self::Label(label, value)
            }
            "label!" => {
                let (label, value) = label();
                Self::NoLabel(label, value)
            }
            "id" => Self::Id(value.to_owned()),
            "digest" => Self::Digest(value.to_owned()),
            _ => {
                return Err(invalid(format!(
                    "there is no key {key}; use dangling, reference, before, since, until, label, label!, id or digest"
                )));
            }
        })
    }

    /// The images of a list that pass the filters: one of each kind that is given.
    ///
    /// # Errors
    ///
    /// Those of [`find_summary`] for [`Filter::Before`] and [`Filter::Since`].
    pub fn all<'a>(filters: &[Self], images: &'a [ImageSummary]) -> Result<Vec<&'a ImageSummary>, Error> {
        let tests: Vec<Test<'_>> = filters
            .iter()
            .map(|filter| Test::new(filter, images))
            .collect::<Result<_, _>>()?;
        let passes = |image: &ImageSummary| {
            tests.iter().all(|test| {
                let mut same_kind = tests.iter().filter(|other| other.is_alternative_of(test));
                same_kind.any(|other| other.passes(image))
            })
        };
        Ok(images.iter().filter(|image| passes(image)).collect())
    }
}

/// A filter whose images are found.
struct Test<'a> {
    filter: &'a Filter,
    /// The time of the image that the filter names.
    time: Option<SystemTime>,
}

impl<'a> Test<'a> {
    fn new(filter: &'a Filter, images: &[ImageSummary]) -> Result<Self, Error> {
        let time = match filter {
            Filter::Before(image) | Filter::Since(image) => find_summary(images, image)?.created,
            Filter::Until(time) => Some(*time),
            _ => None,
        };
        Ok(Self { filter, time })
    }

    /// True for filters of one kind, of which one is enough. Each absent label is demanded.
    fn is_alternative_of(&self, other: &Self) -> bool {
        if matches!(self.filter, Filter::NoLabel(..)) {
            return std::ptr::eq(self.filter, other.filter);
        }
        std::mem::discriminant(self.filter) == std::mem::discriminant(other.filter)
    }

    fn passes(&self, image: &ImageSummary) -> bool {
        let labelled = |key: &String, value: &Option<String>| {
            let found = image.labels.get(key);
            found.is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
        };
        match self.filter {
            Filter::Dangling(wanted) => image.names.is_empty() == *wanted,
            Filter::Reference(pattern) => image.name(pattern).is_some() || image.fits(pattern),
            Filter::Before(_) | Filter::Until(_) => image
                .created
                .zip(self.time)
                .is_some_and(|(made, time)| made < time),
            Filter::Since(_) => image
                .created
                .zip(self.time)
                .is_some_and(|(made, time)| made > time),
            Filter::Label(key, value) => labelled(key, value),
            Filter::NoLabel(key, value) => !labelled(key, value),
            Filter::Id(id) => image
                .id
                .encoded()
                .starts_with(id.strip_prefix("sha256:").unwrap_or(id)),
            Filter::Digest(digest) => image.digest.as_str() == digest,
        }
    }
}

/// A time of RFC 3339, seconds since 1970, or a duration before now.
fn time(text: &str, now: SystemTime) -> Option<SystemTime> {
    if let Some(time) = wharf_content::parse_time(text) {
        return Some(time);
    }
    if let Ok(seconds) = text.parse() {
        return SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    }
    now.checked_sub(duration(text)?)
}

/// A duration of Go, such as `1h30m`, without fractions.
fn duration(mut text: &str) -> Option<Duration> {
    let mut sum = Duration::ZERO;
    while !text.is_empty() {
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, rest) = text.split_at_checked(digits)?;
        let number: u64 = number.parse().ok()?;
        let length = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (unit, rest) = rest.split_at_checked(length)?;
        let seconds = match unit {
            "h" => 3600,
            "m" => 60,
            "s" => 1,
            _ => return None,
        };
        sum = sum.checked_add(Duration::from_secs(number.checked_mul(seconds)?))?;
        text = rest;
    }
    Some(sum)
}
