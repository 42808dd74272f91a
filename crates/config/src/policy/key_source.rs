use std::{
    fmt,
    path::{Path, PathBuf},
};

use base64::Engine as _;

use super::object::string;
use crate::json::{Problem, Value};

/// Where the keys or certificates of a requirement are.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeySource {
    /// `keyPath`, `keyPaths` and their like: files, which are read whenever an image is judged. The paths are
    /// those of the policy, neither resolved nor checked. `keyPaths` of `signedBy` may be an empty list,
    /// which no signature satisfies.
    Files(Vec<PathBuf>),
    /// `keyData`, `keyDatas` and their like: the content of files, decoded.
    Data(Vec<Vec<u8>>),
}

impl KeySource {
    /// One file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::Files(vec![path.into()])
    }

    /// The content of one file.
    pub fn data(content: impl Into<Vec<u8>>) -> Self {
        Self::Data(vec![content.into()])
    }

    /// The files; none for [`KeySource::Data`].
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        match self {
            Self::Files(paths) => paths,
            Self::Data(_) => &[],
        }
    }

    /// Reads a member: a path, paths, or base64 of it. A name that ends in `s` is of a list.
    pub(super) fn read(key: &str, value: Value<'_>) -> Result<Self, Problem> {
        let elements = if key.ends_with('s') {
            value.array(&format!("`{key}`"))?
        } else {
            vec![value]
        };
        let texts = elements
            .into_iter()
            .map(|element| Ok((element, string(element, key)?)));
        if key.contains("Data") {
            let data = texts.map(|text| text.and_then(|(value, text)| decoded(key, value, &text)));
            return data.collect::<Result<_, _>>().map(Self::Data);
        }
        let paths = texts.map(|text| text.and_then(|(value, text)| path(key, value, text)));
        paths.collect::<Result<_, _>>().map(Self::Files)
    }

    /// Reads as [`read`](Self::read), and refuses an empty list.
    pub(super) fn read_some(key: &str, value: Value<'_>) -> Result<Self, Problem> {
        match Self::read(key, value)? {
            Self::Files(paths) if paths.is_empty() => Err(value.problem(format!("`{key}` is empty"))),
            Self::Data(data) if data.is_empty() => Err(value.problem(format!("`{key}` is empty"))),
            some => Ok(some),
        }
    }
}

fn decoded(key: &str, value: Value<'_>, text: &str) -> Result<Vec<u8>, Problem> {
    let decoded = base64::engine::general_purpose::STANDARD.decode(text);
    decoded.map_err(|_| value.problem(format!("`{key}` is not base64")))
}

fn path(key: &str, value: Value<'_>, text: String) -> Result<PathBuf, Problem> {
    if text.is_empty() {
        return Err(value.problem(format!("`{key}` is empty")));
    }
    Ok(text.into())
}

/// The paths, if they are files.
impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(paths) if paths.is_empty() => f.write_str("no key file"),
            Self::Files(paths) => {
                let paths: Vec<_> = paths.iter().map(|path| Path::display(path).to_string()).collect();
                f.write_str(&paths.join(", "))
            }
            Self::Data(_) => f.write_str("its inline data"),
        }
    }
}

/// Without the content of keys: a secret one may stand there by mistake.
impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(paths) => f.debug_tuple("Files").field(paths).finish(),
            Self::Data(data) => {
                let sizes: Vec<_> = data.iter().map(|data| format!("{} bytes", data.len())).collect();
                f.debug_tuple("Data").field(&sizes).finish()
            }
        }
    }
}
