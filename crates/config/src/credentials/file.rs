use std::{
    cmp::Reverse,
    collections::{HashMap, hash_map},
    fmt,
    path::{Path, PathBuf},
};

use wharf_auth::Credential;
use wharf_reference::Registry;
use zeroize::Zeroizing;

use super::{
    AuthFormat,
    edit::AuthFileEdit,
    entry::{Fields, Undecodable},
    exposure,
    key::{self, CredentialKey},
    kubernetes, kubernetes_secret,
    unread::Unread,
};
use crate::{
    ConfigError, ConfigWarning, file,
    json::{Cursor, Member, Position, Problem, Value},
};

/// The contents of a file with credentials.
///
/// Field names are compared without case, the last of repeated ones counts, unknown ones are ignored, as in
/// Go.
///
/// ```
/// use wharf_config::{AuthFile, AuthFormat, CredentialKey};
///
/// let text = r#"{"auths": {"example.com": {"auth": "YWRhOnMzY3JldA=="}}}"#;
/// let file = AuthFile::parse(text, AuthFormat::Containers)?;
/// let key = CredentialKey::parse("example.com/team/app")?;
/// assert!(file.credential(&key)?.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Deviation
///
/// Upstream drops an `identitytoken` whose `auth` has no colon; here it is used. Of several keys that mean
/// the same host, upstream takes any; here the first in sorted order. Hosts are compared without case.
#[derive(Default)]
pub struct AuthFile {
    path: Option<PathBuf>,
    format: AuthFormat,
    entries: Vec<AuthEntry>,
    helpers: Vec<(String, String)>,
    store: Option<String>,
    /// The reason why the file is not private; `None` if it is.
    pub(super) exposed: Option<&'static str>,
    unread: Unread,
}

/// One entry of `auths`.
pub struct AuthEntry {
    key: String,
    position: Position,
    fields: Fields,
}

impl AuthEntry {
    /// The key as it stands in the file.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The line of the entry in its file, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.position.line
    }

    pub(super) const fn fields(&self) -> &Fields {
        &self.fields
    }
}

impl AuthFile {
    /// Parses the text of a file.
    ///
    /// # Errors
    ///
    /// Text that is no JSON object of the form, with line and column: an empty text is such, and a Kubernetes
    /// secret around the payload.
    pub fn parse(text: &str, format: AuthFormat) -> Result<Self, ConfigError> {
        Self::from_json(text, format).map_err(|problem| problem.into_error(None))
    }

    /// Reads a file. A file that does not exist has no credentials.
    ///
    /// # Errors
    ///
    /// A file that exists and cannot be read, and as [`AuthFile::parse`].
    pub fn read(path: &Path, format: AuthFormat) -> Result<Self, ConfigError> {
        let missing = || Self {
            path: Some(path.to_owned()),
            format,
            ..Self::default()
        };
        Ok(Self::read_optional(path, format)?.unwrap_or_else(missing))
    }

    /// Reads a file, or says that it does not exist.
    pub(super) fn read_optional(path: &Path, format: AuthFormat) -> Result<Option<Self>, ConfigError> {
        let Some(bytes) = file::read_optional(path)? else {
            return Ok(None);
        };
        let text = Zeroizing::new(file::text(path, bytes)?);
        let mut parsed = Self::from_json(&text, format).map_err(|problem| problem.into_error(Some(path)))?;
        parsed.path = Some(path.to_owned());
        parsed.exposed = exposure::of(path);
        Ok(Some(parsed))
    }

    /// Locks a file to change it. Only [`AuthFormat::Containers`] and [`AuthFormat::Docker`] are written.
    ///
    /// ```no_run
    /// use wharf_config::{AuthFile, AuthFormat, CredentialKey};
    /// use wharf_auth::Credential;
    ///
    /// let mut edit = AuthFile::edit("auth.json".as_ref(), AuthFormat::Containers)?;
    /// edit.set(&CredentialKey::parse("example.com/team")?, &Credential::basic("ada", "password"))?;
    /// edit.commit()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Another form than these two, a file that cannot be locked, and as [`AuthFile::read`].
    pub fn edit(path: &Path, format: AuthFormat) -> Result<AuthFileEdit, ConfigError> {
        AuthFileEdit::open(path, format)
    }

    /// The credential for a registry or a namespace within it, of the entries alone: helpers are not asked.
    ///
    /// The most specific key that has an entry decides: the key itself, then with one path component less, at
    /// last the host; then keys that are URLs of the host and, for Docker Hub, its other names. An entry
    /// without a credential ends the search with `None`.
    ///
    /// # Errors
    ///
    /// The entry cannot be decoded. Other entries are not decoded.
    pub fn credential(&self, key: &CredentialKey) -> Result<Option<Credential>, ConfigError> {
        self.entry(key).map_or(Ok(None), |entry| self.decode(entry))
    }

    /// The entry that decides for this key, as in [`AuthFile::credential`].
    #[must_use]
    pub fn entry(&self, key: &CredentialKey) -> Option<&AuthEntry> {
        if matches!(self.format, AuthFormat::Kubernetes | AuthFormat::KubernetesLegacy) {
            let fits = |entry| {
                Some((
                    kubernetes::fit(AuthEntry::key(entry), key)?,
                    Reverse(&entry.key),
                    entry,
                ))
            };
            let best = self
                .entries
                .iter()
                .filter_map(fits)
                .max_by_key(|(fit, order, _)| (*fit, *order));
            return best.map(|(_, _, entry)| entry);
        }
        let legacy = self.format == AuthFormat::DockerLegacy;
        let host = key.registry().as_str();
        let exact = key
            .candidates()
            .filter(|candidate| !legacy || candidate == host)
            .find_map(|candidate| self.entries.iter().find(|entry| entry.key == candidate));
        let wanted = key::comparable_host(host, true);
        exact.or_else(|| {
            self.entries
                .iter()
                .filter(|entry| key::comparable_host(&entry.key, legacy) == wanted)
                .min_by(|a, b| a.key.cmp(&b.key))
        })
    }

    /// The credential of an entry of this file; `None` if it holds none.
    ///
    /// # Errors
    ///
    /// The entry cannot be decoded; the error has its line.
    pub fn decode(&self, entry: &AuthEntry) -> Result<Option<Credential>, ConfigError> {
        entry.fields.credential().map_err(|Undecodable| {
            let problem = Problem {
                position: entry.position,
                message: "expected `auth` to be the base64 of USER:PASSWORD in UTF-8".to_owned(),
            };
            problem
                .into_error(self.path.as_deref())
                .with_key(format!("auths.{}", key::shown(&entry.key)))
        })
    }

    /// The entries, in the order of the file; of repeated keys the last.
    pub fn entries(&self) -> impl Iterator<Item = &AuthEntry> {
        self.entries.iter()
    }

    /// The helper that `credHelpers` names for a registry: the suffix of `docker-credential-`, unchecked.
    ///
    /// Docker Hub is also found under the names that Docker gives it. An empty text means that this file's
    /// entries are to be used for the registry, whatever its `credsStore`.
    #[must_use]
    pub fn helper(&self, registry: &Registry) -> Option<&str> {
        let wanted = key::comparable_host(registry.as_str(), true);
        let exact = self.helpers.iter().rfind(|(host, _)| *registry == host.as_str());
        let equivalent = || {
            let same_host = |(host, _): &&(String, String)| key::comparable_host(host, false) == wanted;
            self.helpers.iter().filter(same_host).min()
        };
        exact.or_else(equivalent).map(|(_, name)| name.as_str())
    }

    /// Every registry and helper of `credHelpers`, in the order of the file.
    pub fn helpers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.helpers
            .iter()
            .map(|(host, name)| (host.as_str(), name.as_str()))
    }

    /// The helper for every registry that `helper` does not name: `credsStore` of [`AuthFormat::Docker`].
    #[must_use]
    pub fn credentials_store(&self) -> Option<&str> {
        self.store.as_deref()
    }

    /// The form of the file.
    #[must_use]
    pub const fn format(&self) -> AuthFormat {
        self.format
    }

    /// The file that was read; `None` for text that was parsed.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Warnings about the parts of the file that look like credentials for this key and are none.
    pub(super) fn unread(&self, key: &CredentialKey) -> impl Iterator<Item = ConfigWarning> {
        let warnings = self.unread.warnings(self, key).into_iter();
        warnings.map(|warning| ConfigWarning {
            file: self.path.clone(),
            ..warning
        })
    }

    fn from_json(text: &str, format: AuthFormat) -> Result<Self, Problem> {
        let mut parsed = Self {
            format,
            ..Self::default()
        };
        let root = Value::parse(text).map_err(|problem| explained(text, problem))?;
        if let Some(problem) = kubernetes_secret::in_json(root) {
            return Err(problem);
        }
        if format.is_bare() {
            parsed.add_entries(root, "the file")?;
            return Ok(parsed);
        }
        let members = root.object("the file")?.unwrap_or_default();
        parsed.unread = Unread::of(&members, format);
        for member in members {
            if member.is("auths") {
                parsed.add_entries(member.value, "`auths`")?;
            } else if format.has_helpers() && member.is("credHelpers") {
                parsed.add_helpers(&member)?;
            } else if format == AuthFormat::Docker && member.is("credsStore") {
                let name = member.value.string("`credsStore`")?;
                parsed.store = name.filter(|name| !name.is_empty());
            }
        }
        Ok(parsed)
    }

    fn add_entries(&mut self, value: Value<'_>, what: &str) -> Result<(), Problem> {
        let Some(members) = value.object(what)? else {
            self.entries.clear();
            return Ok(());
        };
        let docker = self.format != AuthFormat::Containers;
        let mut cursor = Cursor::new(value);
        let known = self.entries.iter().enumerate();
        let mut indexes: HashMap<_, _> = known.map(|(index, entry)| (entry.key.clone(), index)).collect();
        for Member { key, value } in members {
            let fields = value.object("an entry of `auths`")?.unwrap_or_default();
            let entry = AuthEntry {
                position: cursor.advance(value),
                fields: Fields::parse(&fields, docker)?,
                key,
            };
            match indexes.entry(entry.key.clone()) {
                hash_map::Entry::Occupied(index) => {
                    if let Some(known) = self.entries.get_mut(*index.get()) {
                        *known = entry;
                    }
                }
                hash_map::Entry::Vacant(index) => {
                    index.insert(self.entries.len());
                    self.entries.push(entry);
                }
            }
        }
        Ok(())
    }

    fn add_helpers(&mut self, member: &Member<'_>) -> Result<(), Problem> {
        let Some(members) = member.value.object("`credHelpers`")? else {
            self.helpers.clear();
            return Ok(());
        };
        for Member { key, value } in members {
            let name = value.string("a helper of `credHelpers`")?.unwrap_or_default();
            self.helpers.push((key, name));
        }
        Ok(())
    }
}

/// The problem of a text that is no JSON. It is replaced by a more exact one if the text is empty, or is a
/// Kubernetes secret in YAML or base64.
fn explained(text: &str, problem: Problem) -> Problem {
    if text.trim().is_empty() {
        let message = "the file is empty; remove it, or write {} into it for no credentials".to_owned();
        return Problem { message, ..problem };
    }
    let found = kubernetes_secret::in_yaml(text).or_else(|| kubernetes_secret::encoded(text));
    match found {
        Some((line, message)) => Problem {
            position: Position { line, column: 1 },
            message,
        },
        None => problem,
    }
}

/// Keys are shown as in errors: one may be a URL with a password.
impl fmt::Debug for AuthEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthEntry")
            .field("key", &key::shown(&self.key))
            .field("line", &self.position.line)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AuthFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthFile")
            .field("path", &self.path)
            .field("format", &self.format)
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}
