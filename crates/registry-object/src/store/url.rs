//! Where an object store is.

use std::{
    fmt,
    path::{Path as FilePath, PathBuf},
};

use object_store::path::Path;
use url::Url;
use wharf_content::{Error, ErrorKind};

use super::scheme;

/// The most bytes of a bucket's name: S3 and Google have 63, Google 222 with dots.
const MAX_BUCKET: usize = 222;

/// The URL of an object store: what registers and reads the bytes, and below which prefix.
///
/// | URL | store |
/// |---|---|
/// | `s3://bucket/prefix` | Amazon's S3, or what speaks its protocol |
/// | `gs://bucket/prefix` | Google Cloud Storage |
/// | `az://container/prefix` | Azure's blob storage, in the account of the options |
/// | `file:///directory` | a directory, which processes on several machines may share by a network's file system |
///
/// The prefix may be empty. Keys, regions and endpoints are not part of the URL: [`StoreOptions`](super::StoreOptions) has them.
///
/// ```
/// use wharf_registry_object::StoreUrl;
///
/// let url = StoreUrl::parse("s3://images/registry/")?;
/// assert_eq!(url.to_string(), "s3://images/registry");
/// assert!(url.directory().is_none());
/// let url = StoreUrl::parse("file:///srv/registry")?;
/// assert_eq!(url.directory(), Some("/srv/registry".as_ref()));
/// # Ok::<(), wharf_content::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreUrl {
    location: Location,
    prefix: Path,
}

/// The bucket, container or directory, without the prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    S3(String),
    Google(String),
    Azure(String),
    Directory(PathBuf),
}

impl StoreUrl {
    /// Parses a URL.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`], naming the part that cannot be used; the URL itself is never in the error, for a password may
    /// be in it.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(invalid(if url.starts_with(['/', '.']) {
                "it is a path: a directory is written file:///path"
            } else {
                "it does not begin with s3://, gs://, az:// or file://"
            }));
        };
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "file" {
            return directory(rest);
        }
        let bucket = match scheme.as_str() {
            "s3" => Location::S3,
            "gs" => Location::Google,
            "az" => Location::Azure,
            _ => return Err(invalid(&scheme::unknown(&scheme))),
        };
        if rest.contains(['?', '#']) {
            return Err(invalid(
                "it has parameters: regions, endpoints and keys are options",
            ));
        }
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Self {
            location: bucket(bucket_name(name)?),
            prefix: prefix_of(prefix)?,
        })
    }

    /// The directory; `None` for a cloud.
    #[must_use]
    pub fn directory(&self) -> Option<&FilePath> {
        match &self.location {
            Location::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    /// The whole of which this is a part: the bucket from its root. A directory is its own whole.
    #[must_use]
    pub fn bucket(&self) -> Self {
        Self {
            location: self.location.clone(),
            prefix: Path::default(),
        }
    }

    /// The prefix below which everything lies in the bucket; that of a directory is part of its path.
    #[must_use]
    pub fn key_prefix(&self) -> &str {
        self.prefix.as_ref()
    }

    pub(super) const fn location(&self) -> &Location {
        &self.location
    }

    /// The prefix; that of a directory is part of its path.
    #[cfg(any(feature = "aws", feature = "azure", feature = "gcp"))]
    pub(super) const fn prefix(&self) -> &Path {
        &self.prefix
    }
}

/// A name of a bucket or a container, as far as it could mislead: the store knows its own rules.
fn bucket_name(name: &str) -> Result<String, Error> {
    if name.is_empty() {
        return Err(invalid("it names no bucket"));
    }
    if name.contains('@') {
        return Err(invalid(
            "it has a user or an account before the bucket: keys and accounts are options",
        ));
    }
    if name.contains(':') {
        return Err(invalid("it has a port: the endpoint is an option"));
    }
    let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.$".contains(&byte);
    if name.len() > MAX_BUCKET || !name.bytes().all(is_known) {
        return Err(invalid(
            "the name of the bucket has other characters than a-z, 0-9, dots and hyphens, or too many",
        ));
    }
    Ok(name.to_owned())
}

fn prefix_of(text: &str) -> Result<Path, Error> {
    if text.contains('%') || text.chars().any(char::is_control) {
        return Err(invalid("the prefix has a percent sign or a control character"));
    }
    let text = text.strip_suffix('/').unwrap_or(text);
    let refused =
        || invalid("the prefix has a part that is empty, . or .., or a character that no store takes");
    if text.starts_with('/') || text.ends_with('/') {
        return Err(refused()); // which the parser would take
    }
    Path::parse(text).map_err(|_| refused())
}

/// `file:///path`, with percent signs for what URLs cannot have.
fn directory(rest: &str) -> Result<StoreUrl, Error> {
    let url = Url::parse(&format!("file://{rest}")).map_err(|_| invalid("its path cannot be read"))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid(
            "it has parameters: write %3F for ? and %23 for # in a path",
        ));
    }
    let path = match url.host_str() {
        None | Some("localhost") => url.to_file_path().ok(),
        Some(_) => {
            return Err(invalid(
                "it names a host, or a relative path: a directory of this machine is written file:///path",
            ));
        }
    };
    // Without a separator at the end, so that a directory has one address.
    let path = path.filter(|path| path.file_name().is_some());
    let path = path.map(|path| path.components().collect());
    Ok(StoreUrl {
        location: Location::Directory(path.ok_or_else(|| invalid("it names no directory"))?),
        prefix: Path::default(),
    })
}

fn invalid(reason: &str) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("the store's URL cannot be used: {reason}"),
    )
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, bucket) = match &self.location {
            Location::S3(bucket) => ("s3", bucket),
            Location::Google(bucket) => ("gs", bucket),
            Location::Azure(bucket) => ("az", bucket),
            Location::Directory(path) => return write_directory(f, path),
        };
        write!(f, "{scheme}://{bucket}")?;
        if self.prefix.is_root() {
            return Ok(());
        }
        write!(f, "/{}", self.prefix)
    }
}

fn write_directory(f: &mut fmt::Formatter<'_>, path: &FilePath) -> fmt::Result {
    match Url::from_file_path(path) {
        Ok(url) => f.write_str(url.as_str()),
        Err(()) => write!(f, "file://{}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_store_and_a_prefix() {
        for (text, shown, prefix) in [
            ("s3://images", "s3://images", ""),
            ("s3://images/", "s3://images", ""),
            ("S3://images/a/b/", "s3://images/a/b", "a/b"),
            (
                "s3://my.images-1/registry",
                "s3://my.images-1/registry",
                "registry",
            ),
            ("gs://images_1/r", "gs://images_1/r", "r"),
            ("az://images/registry/1", "az://images/registry/1", "registry/1"),
            ("az://$web/r", "az://$web/r", "r"),
            ("file:///srv/registry", "file:///srv/registry", ""),
            ("file://localhost/srv/registry/", "file:///srv/registry", ""),
            ("FILE:///srv/a%20b%23c", "file:///srv/a%20b%23c", ""),
        ] {
            let url = StoreUrl::parse(text).expect(text);
            assert_eq!(url.to_string(), shown);
            assert_eq!(url.prefix.as_ref(), prefix, "{text}");
            assert_eq!(StoreUrl::parse(shown).expect(shown), url);
        }
        let Location::Directory(path) = StoreUrl::parse("file:///srv/a%20b")
            .expect("a directory")
            .location
        else {
            panic!("it is a directory");
        };
        assert_eq!(path, PathBuf::from("/srv/a b"));
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_being_repeated() {
        for (text, reason) in [
            ("", "does not begin with"),
            ("secret", "does not begin with"),
            ("s3:/secret", "does not begin with"),
            ("/srv/secret", "file:///path"),
            ("./secret", "file:///path"),
            ("s3://", "no bucket"),
            ("s3:///secret", "no bucket"),
            ("s3://key:secret@images/a", "keys and accounts are options"),
            (
                "az://secret@account.dfs.core.windows.net/",
                "keys and accounts are options",
            ),
            ("s3://secret:9000/images", "endpoint is an option"),
            ("s3://images?key=secret", "has parameters"),
            ("gs://images/a#secret", "has parameters"),
            ("s3://Secret/a", "a-z"),
            ("s3://se cret/a", "a-z"),
            ("s3://images//secret", "the prefix"),
            ("s3://images/../secret", "the prefix"),
            ("s3://images/secret//", "the prefix"),
            ("s3://images/sec%72et", "percent"),
            ("s3://images/secret\n", "control"),
            ("file://secret/a", "names a host"),
            ("file://./secret", "names a host"),
            ("file:///", "no directory"),
            ("file://", "no directory"),
            ("file:///secret?a=b", "%3F"),
            ("s3a://secret/a", "s3:// is meant"),
            ("s4://secret", "s3:// is meant"),
            ("3s://secret", "s3:// is meant"),
            ("ss3://secret", "s3:// is meant"),
            ("gcs://secret", "gs:// is meant"),
            ("azure://secret", "az:// is meant"),
            ("abfss://secret", "az:// is meant"),
            ("files:///secret", "file:// is meant"),
            ("flie:///secret", "file:// is meant"),
            ("https://secret.s3.amazonaws.com/a", "option endpoint"),
            ("postgres://ada:secret@db/x", "scheme is unknown"),
            ("secret://a", "scheme is unknown"),
        ] {
            let error = StoreUrl::parse(text).expect_err(text);
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
            let told = format!("{error} {error:?} {error:#?}");
            assert!(told.contains(reason), "{text}: {told}");
            assert!(!told.to_lowercase().contains("secret"), "{text}: {told}");
        }
    }
}
