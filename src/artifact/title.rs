//! The titles of contents, which are names of files.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Component, Path},
};

use wharf_content::{Error, ErrorKind};

/// The most bytes of a title, as of a path on Linux (`PATH_MAX`).
const MAX_TITLE: usize = 4096;
/// The most bytes of a component, as of a name of a file on Linux (`NAME_MAX`).
const MAX_COMPONENT: usize = 255;

/// A title that names a file below a directory: its components, without `.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Title(Vec<String>);

impl Title {
    /// Parses a title.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for one that is absolute, empty or too long, or has `..`, NUL, or a component that is not
    /// one name on this system.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_TITLE {
            return Err(invalid(text, "it is longer than 4096 bytes"));
        }
        if text.contains('\0') {
            return Err(invalid(text, "it has a NUL byte"));
        }
        if text.starts_with('/') || Path::new(text).is_absolute() {
            return Err(invalid(
                text,
                "it is absolute, and a title is relative to the directory",
            ));
        }
        let mut components = Vec::new();
        for component in text.split('/').filter(|part| !matches!(*part, "" | ".")) {
            if component == ".." {
                return Err(invalid(text, "`..` can lead out of the directory"));
            }
            if component.len() > MAX_COMPONENT {
                return Err(invalid(text, "one of its names is longer than 255 bytes"));
            }
            if !is_name(component) {
                return Err(invalid(text, "it is no path of plain names on this system"));
            }
            components.push(component.to_owned());
        }
        if components.is_empty() {
            return Err(invalid(text, "it names no file"));
        }
        Ok(Self(components))
    }

    /// The title of content that has none.
    pub(super) fn of_untitled(hex: &str) -> Self {
        Self(vec![hex.to_owned()])
    }

    /// The names of the directories, and the name of the file.
    pub(super) fn split(&self) -> Option<(&[String], &str)> {
        let (name, directories) = self.0.split_last().map(|(name, rest)| (name.as_str(), rest))?;
        Some((directories, name))
    }
}

impl fmt::Display for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

/// The titles of one artifact: no two are of one file, and none is of a directory of another.
///
/// Each is kept with NUL, which no title has, in the place of `/`: what is below a title then follows it at once.
#[derive(Default)]
pub(super) struct Titles(BTreeSet<String>);

impl Titles {
    /// Adds a title.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] for one that is there, or that needs a directory where another has a file.
    pub(super) fn add(&mut self, title: &Title) -> Result<(), Error> {
        let key = title.0.join(SEPARATOR);
        let before = self.0.range(..=key.clone()).next_back();
        let after = self.0.range(key.clone()..).next();
        let conflicting = before
            .filter(|before| is_within(&key, before))
            .or(after.filter(|after| is_within(after, &key)));
        if let Some(other) = conflicting {
            return Err(conflict(&other.replace(SEPARATOR, "/"), title));
        }
        self.0.insert(key);
        Ok(())
    }
}

/// Stands between the components of a title that is kept; no title has it in a component.
const SEPARATOR: &str = "\0";

/// True for the file of a title, and for what is below it.
fn is_within(title: &str, above: &str) -> bool {
    title
        .strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(SEPARATOR))
}

/// The error of a title that cannot be beside another.
fn conflict(other: &str, title: &Title) -> Error {
    let message = format!(
        "two contents of the artifact cannot have the titles {other:?} and {:?} in one directory",
        title.to_string()
    );
    Error::new(ErrorKind::Conflict, message)
}

fn is_name(component: &str) -> bool {
    let mut parts = Path::new(component).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(only)), None) if only == component)
}

fn invalid(title: &str, why: &str) -> Error {
    /// The most letters of a title in a message.
    const SHOWN: usize = 200;
    let shown: String = title.chars().take(SHOWN).collect();
    Error::new(
        ErrorKind::Invalid,
        format!("the title {shown:?} names no file of the artifact: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_relative_paths_of_plain_names() {
        let long = "a/".repeat(3000);
        let long_name = "n".repeat(256);
        for (title, why) in [
            ("", "names no file"),
            (".", "names no file"),
            ("./", "names no file"),
            ("/etc/passwd", "absolute"),
            ("//x", "absolute"),
            ("..", ".."),
            ("../x", ".."),
            ("a/../../x", ".."),
            ("a/..", ".."),
            ("a\0b", "NUL"),
            (long.as_str(), "4096"),
            (long_name.as_str(), "255"),
        ] {
            let error = Title::parse(title).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{title:?}");
            assert!(error.to_string().contains(why), "{title:?}: {error}");
        }
        for (title, path) in [
            ("a", "a"),
            ("./a", "a"),
            ("a//b", "a/b"),
            ("a/./b/", "a/b"),
            ("..a/b..", "..a/b.."),
            ("a b\n", "a b\n"),
        ] {
            assert_eq!(Title::parse(title).unwrap().to_string(), path, "{title:?}");
        }
    }

    #[test]
    fn no_two_titles_need_one_name() {
        let table: [(&[&str], bool); 8] = [
            (&["a", "b"], true),
            (&["a", "a"], false),
            (&["a", "./a"], false),
            (&["a", "a/b"], false),
            (&["a/b", "a"], false),
            (&["a/b/c", "a/b-", "a/b"], false),
            (&["a/b", "a/c", "ab"], true),
            (&["a!", "a/b", "a-"], true),
        ];
        for (titles, fine) in table {
            let mut all = Titles::default();
            let added: Result<(), Error> = titles
                .iter()
                .try_for_each(|title| all.add(&Title::parse(title).unwrap()));
            assert_eq!(added.is_ok(), fine, "{titles:?}");
            if let Err(error) = added {
                assert_eq!(error.kind(), ErrorKind::Conflict, "{titles:?}");
            }
        }
    }

    #[test]
    fn titles_through_thousands_of_directories_cost_what_their_names_do() {
        // As many as a manifest has room for. Each name is looked up once, whatever is above it.
        let mut all = Titles::default();
        for number in 0..800 {
            let title = format!("{number}/{}f", "a/".repeat(2000));
            all.add(&Title::parse(&title).unwrap()).unwrap();
        }
        let above = Title::parse(&format!("7/{}", "a/".repeat(1000))).unwrap();
        assert_eq!(all.add(&above).unwrap_err().kind(), ErrorKind::Conflict);
    }
}
