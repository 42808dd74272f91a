use std::{fmt, net::Ipv4Addr, path::PathBuf};

use wharf_reference::{Digest, Registry, Repository};

use crate::{ConfigError, ConfigErrorKind, SourceLine, document::quoted};

/// A lookaside store: a tree of signatures in a directory or on a web server (containers-registries.d(5)). Prints as
/// its URL.
///
/// ```
/// use wharf_config::{Lookaside, LookasideFile};
/// use wharf_reference::{Digest, Repository};
///
/// let lookaside = Lookaside::parse("https://signatures.example/lookaside")?;
/// let digest = Digest::parse(&format!("sha256:{}", "0".repeat(64)))?;
/// let LookasideFile::Url(url) = lookaside.file(&Repository::parse("quay.io/team/app")?, &digest, 1) else {
///     unreachable!()
/// };
/// let expected = format!("https://signatures.example/lookaside/team/app@sha256={}/signature-1", "0".repeat(64));
/// assert_eq!(url, expected);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookaside {
    base: Base,
    origin: Option<SourceLine>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Base {
    /// An absolute path.
    Directory(String),
    Server {
        /// `http` or `https`.
        scheme: &'static str,
        /// Host and port, as they were written.
        authority: String,
        /// Empty, or with a slash at its beginning.
        path: String,
    },
}

/// The file that holds one signature.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LookasideFile {
    /// A local file. Its path is absolute.
    Path(PathBuf),
    /// A URL of scheme http or https, without user information, query and fragment.
    Url(String),
}

impl Lookaside {
    /// Parses the URL of a store: `file:///DIRECTORY`, `https://HOST[:PORT][/PATH]` or the same with `http`.
    ///
    /// Plain http is used if the URL has that scheme, and only then.
    ///
    /// # Deviation
    ///
    /// User information, a query and a fragment are errors. Upstream sends the one as a login and keeps the others behind
    /// the path that it appends. So is a `file` URL with a host, which upstream ignores.
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::Value`] for any other text.
    pub fn parse(url: &str) -> Result<Self, ConfigError> {
        match base(url) {
            Ok(base) => Ok(Self { base, origin: None }),
            Err(problem) => {
                let message = format!("{} cannot be used: {problem}", shown(url));
                Err(ConfigError::new(ConfigErrorKind::Value, message))
            }
        }
    }

    /// A store in a directory, by its absolute path.
    #[cfg(feature = "registries-d")]
    pub(crate) const fn directory(path: String) -> Self {
        Self {
            base: Base::Directory(path),
            origin: None,
        }
    }

    #[cfg(feature = "registries-d")]
    pub(crate) fn at(mut self, origin: SourceLine) -> Self {
        self.origin = Some(origin);
        self
    }

    /// The line of registries.d that names it; `None` for a store that no file names.
    #[must_use]
    pub const fn origin(&self) -> Option<&SourceLine> {
        self.origin.as_ref()
    }

    /// The host and port of a store on a web server, by which its certificates are found; `None` for a directory.
    #[must_use]
    pub fn host(&self) -> Option<Registry> {
        match &self.base {
            Base::Directory(_) => None,
            Base::Server {
                scheme, authority, ..
            } => host(scheme, authority),
        }
    }

    /// The file of a signature of a manifest: `BASE/PATH@ALGORITHM=HEX/signature-N`, where `PATH` is the path of the
    /// repository without its registry. Signatures are numbered from 1, and slashes of the base are kept.
    #[must_use]
    pub fn file(&self, repository: &Repository, digest: &Digest, number: usize) -> LookasideFile {
        let below = format!(
            "{}@{}={}/signature-{number}",
            repository.path(),
            digest.algorithm_name(),
            digest.encoded()
        );
        match &self.base {
            Base::Directory(path) => LookasideFile::Path(PathBuf::from(format!("{path}/{below}"))),
            Base::Server { .. } => LookasideFile::Url(format!("{self}/{below}")),
        }
    }
}

impl fmt::Display for Lookaside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.base {
            Base::Directory(path) => write!(f, "file://{path}"),
            Base::Server {
                scheme,
                authority,
                path,
            } => write!(f, "{scheme}://{authority}{path}"),
        }
    }
}

fn base(url: &str) -> Result<Base, &'static str> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&byte);
    if url.contains('#') {
        return Err("it has a fragment");
    }
    if url.contains('?') {
        return Err("it has a query");
    }
    let (scheme, rest) = url
        .split_once("://")
        .ok_or("it is no URL; write file:///DIRECTORY or https://HOST/PATH")?;
    let split = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(split).unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err("it has a user name; signatures are public, and no login is sent for them");
    }
    if !url.bytes().all(is_plain) {
        return Err("it has characters that must be percent-encoded in a URL");
    }
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "file" => return directory(authority, path),
        "https" => "https",
        "http" => "http",
        _ => return Err("its scheme is none of file, https and http"),
    };
    let host = host(scheme, authority).ok_or("its host cannot be contacted")?;
    if is_numeric(host.host()) && host.host().parse::<Ipv4Addr>().is_err() {
        return Err("its host ends in a number, as an IPv4 address does, and is none");
    }
    Ok(Base::Server {
        scheme,
        authority: authority.to_owned(),
        path: path.to_owned(),
    })
}

fn directory(authority: &str, path: &str) -> Result<Base, &'static str> {
    if !matches!(authority, "" | "localhost") {
        return Err("a file URL has three slashes: file:///DIRECTORY");
    }
    if path.is_empty() {
        return Err("it names no directory");
    }
    percent_decoded(path)
        .filter(|path| !path.contains('\0'))
        .map(Base::Directory)
        .ok_or("its percent-encoding is wrong")
}

/// A host without a dot is a registry only with its port, so the port of the scheme is added to it.
fn host(scheme: &str, authority: &str) -> Option<Registry> {
    let port = if scheme == "http" { 80 } else { 443 };
    let with_port = || Registry::parse(&format!("{authority}:{port}")).ok();
    Registry::parse(authority).ok().or_else(with_port)
}

/// True if URLs take a host of this name for an IPv4 address (WHATWG URL, *ends in a number*).
fn is_numeric(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let digits = |text: &str, radix| text.chars().all(|character| character.is_digit(radix));
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    !last.is_empty() && digits(last, 10) || hexadecimal.is_some_and(|rest| digits(rest, 16))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let value = digit()? * 16 + digit()?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The URL in quotes, without what may be a secret.
fn shown(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if scheme.is_empty() {
        quoted(&format!("{host}{path}"))
    } else {
        quoted(&format!("{scheme}://{host}{path}"))
    }
}
