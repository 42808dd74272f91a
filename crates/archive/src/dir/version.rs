//! The file `version` of a directory.

use wharf_content::{Error, ErrorKind};

/// The name of the file.
pub(crate) const FILE: &str = "version";

/// The most bytes of the file `version` that are read.
pub(super) const MAX_VERSION_SIZE: u64 = 128;

const PREFIX: &str = "Directory Transport Version: ";

/// The newest version that is known.
const NEWEST: (u64, u64) = (1, 2);

/// The text of the file: version 1.1, or 1.2 if a digest in a file's name is not sha256.
pub(super) const fn text(only_sha256: bool) -> &'static str {
    if only_sha256 {
        "Directory Transport Version: 1.1\n"
    } else {
        "Directory Transport Version: 1.2\n"
    }
}

/// Checks the text of the file.
///
/// # Errors
///
/// [`ErrorKind::Invalid`] for any other text than a version, [`ErrorKind::Unsupported`] for a version that is
/// newer than those that are known.
pub(super) fn check(text: &[u8]) -> Result<(), Error> {
    let number = |text: &str| -> Option<u64> {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse().ok())?
    };
    let version = str::from_utf8(text).ok().and_then(|text| {
        let (major, minor) = text.strip_prefix(PREFIX)?.trim_end().split_once('.')?;
        Some((number(major)?, number(minor)?))
    });
    match version {
        None => Err(Error::new(
            ErrorKind::Invalid,
            format!("it does not begin with {PREFIX:?} and a version"),
        )),
        Some(version) if version > NEWEST => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "version {}.{} is newer than {}.{}",
                version.0, version.1, NEWEST.0, NEWEST.1
            ),
        )),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_up_to_the_newest_are_known() {
        for known in ["1.0", "1.1\n", "1.2\n", "1.2", "0.9\n", "1.1 \r\n"] {
            check(format!("{PREFIX}{known}").as_bytes()).unwrap_or_else(|error| panic!("{known}: {error}"));
        }
        for newer in ["1.3\n", "2.0\n", "1.18446744073709551615"] {
            let refused = check(format!("{PREFIX}{newer}").as_bytes()).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Unsupported, "{newer}");
        }
    }

    #[test]
    fn any_other_text_is_no_version() {
        for text in [
            "x",
            "",
            "1.1",
            "Directory Transport Version: ",
            "Directory Transport Version: 1",
            "Directory Transport Version: 1.",
            "Directory Transport Version: 1.1.1",
            "Directory Transport Version: +1.1",
            "Directory Transport Version: 1.-1",
            "Directory Transport Version: 1.99999999999999999999",
            "directory transport version: 1.1",
            " Directory Transport Version: 1.1",
        ] {
            let refused = check(text.as_bytes()).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Invalid, "{text}");
        }
        assert_eq!(
            check(b"Directory Transport Version: 1.1\xff").unwrap_err().kind(),
            ErrorKind::Invalid
        );
    }

    #[test]
    fn the_text_is_that_of_skopeo() {
        assert_eq!(text(true).len(), 33);
        for text in [text(true), text(false)] {
            check(text.as_bytes()).unwrap();
        }
    }
}
