#[cfg(unix)]
use std::fs;
use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
};

use toml::de::DeTable;
use wharf_reference::{Repository, ShortName};

use super::Aliases;
use crate::{ConfigError, ConfigErrorKind, ConfigWarning, document::quoted, file, replace::LockedFile};

/// The machine-written file of short-name aliases, `short-name-aliases.conf`.
///
/// # Deviation
///
/// It is replaced as a whole, so that a reader or a crash never sees a part of it; upstream writes it in
/// place. Only writing creates the directory and the lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasFile {
    path: PathBuf,
}

impl AliasFile {
    /// The file at this path, which need not exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The aliases in the file, and warnings about entries without effect; no aliases if the file does not
    /// exist.
    ///
    /// # Errors
    ///
    /// A file that is malformed, or exists and cannot be read.
    pub fn read(&self) -> Result<(Aliases, Vec<ConfigWarning>), ConfigError> {
        match file::read_optional(&self.path)? {
            Some(bytes) => self.parse(&file::text(&self.path, bytes)?),
            None => Ok(Default::default()),
        }
    }

    fn parse(&self, text: &str) -> Result<(Aliases, Vec<ConfigWarning>), ConfigError> {
        Aliases::parse_file(text, Some(&self.path))
    }

    /// Writes an alias, in place of one of the same name. Everything else in the file stays as it is, unless
    /// the aliases do not stand in a table of their own (`aliases = {…}`): then the file is written anew with
    /// its aliases alone.
    ///
    /// # Errors
    ///
    /// A name that is not a short name without tag and digest; a file that is malformed, which is left alone,
    /// or cannot be written.
    pub fn record(&self, name: &str, repository: &Repository) -> Result<(), ConfigError> {
        if !ShortName::parse(name).is_ok_and(|short| short.name() == name) {
            let message = format!("{} is not a short name without tag and digest", quoted(name));
            return Err(ConfigError::new(ConfigErrorKind::Value, message).with_file(&self.path));
        }
        self.change(name, Some(repository)).map(drop)
    }

    /// Removes an alias. `false` if the file has none of that name.
    ///
    /// # Errors
    ///
    /// A file that is malformed, or cannot be read or written.
    pub fn remove(&self, name: &str) -> Result<bool, ConfigError> {
        if self.read()?.0.named(name).is_none() {
            return Ok(false); // without making a file to lock
        }
        self.change(name, None)
    }

    fn change(&self, name: &str, repository: Option<&Repository>) -> Result<bool, ConfigError> {
        let file = LockedFile::open(&self.path)?;
        let _podman = lock_for_podman(&self.path)?;
        let text = match file.contents() {
            Some(bytes) => file::text(&self.path, bytes.to_owned())?,
            None => String::new(),
        };
        let (aliases, _) = self.parse(&text)?;
        let known = aliases.named(name);
        if known.is_none() && repository.is_none() {
            return Ok(false);
        }
        let mut wanted = entries(&aliases);
        match repository {
            Some(repository) => wanted.insert(name, repository.as_str()),
            None => wanted.remove(name),
        };
        let edited = edit(&text, name, repository)
            .filter(|edited| Aliases::parse(edited).is_ok_and(|aliases| entries(&aliases) == wanted));
        file.replace(edited.unwrap_or_else(|| render(&wanted)).as_bytes())?;
        Ok(known.is_some())
    }
}

/// Name and repository of every alias; an empty repository for erased ones.
fn entries(aliases: &Aliases) -> BTreeMap<&str, &str> {
    let entries = aliases.iter();
    entries
        .map(|(name, alias)| (name, alias.repository().map_or("", Repository::as_str)))
        .collect()
}

/// The file with one entry set or removed and everything else as it was; `None` if it is not written in the
/// usual way. The caller checks the result.
fn edit(text: &str, name: &str, repository: Option<&Repository>) -> Option<String> {
    const HEADER: &str = "[aliases]";
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root = DeTable::parse(text).ok()?;
    let aliases = root.get_ref().get("aliases");
    let entries = aliases.and_then(|aliases| aliases.get_ref().as_table());
    let entry = entries.and_then(|entries| entries.get_key_value(name));
    let line = |repository: &Repository| format!("  \"{name}\" = \"{repository}\"\n");
    let mut edited = text.to_owned();
    match (entry, repository) {
        (Some((_, value)), Some(repository)) => {
            edited.replace_range(value.span(), &format!("\"{repository}\""));
        }
        (Some((key, value)), None) => {
            let start = text.get(..key.span().start)?.rfind('\n').map_or(0, |end| end + 1);
            let rest = text.get(value.span().end..)?;
            let end = rest
                .find('\n')
                .map_or(text.len(), |end| value.span().end + end + 1);
            edited.replace_range(start..end, "");
        }
        (None, Some(repository)) => {
            if !text.is_empty() && !text.ends_with('\n') {
                edited.push('\n');
            }
            if aliases.is_none() {
                write!(edited, "{HEADER}\n{}", line(repository)).ok()?;
            } else {
                let mut start = 0;
                let header = edited.split_inclusive('\n').find_map(|line| {
                    start += line.len();
                    (line.trim() == HEADER).then_some(start)
                });
                edited.insert_str(header?, &line(repository));
            }
        }
        (None, None) => return None,
    }
    Some(edited)
}

/// A file of these aliases alone.
fn render(aliases: &BTreeMap<&str, &str>) -> String {
    let mut text = String::from("[aliases]\n");
    for (name, repository) in aliases {
        // Names and repositories are ASCII without quotes or backslashes.
        let _ = writeln!(text, "  \"{name}\" = \"{repository}\"");
    }
    text
}

/// Podman's own lock on the file, for as long as the value lives. It is a lock of the whole process, so it is
/// taken by whoever holds ours.
#[cfg(unix)]
fn lock_for_podman(path: &Path) -> Result<fs::File, ConfigError> {
    use std::os::unix::fs::OpenOptionsExt;

    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock = Path::new(&name);
    fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(lock)
        .and_then(|file| {
            loop {
                match rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::LockExclusive) {
                    Err(rustix::io::Errno::INTR) => {}
                    Err(errno) => return Err(errno.into()),
                    Ok(()) => return Ok(file),
                }
            }
        })
        .map_err(|error| ConfigError::writing(lock, error))
}

/// Podman does not run here other than in a virtual machine.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Unix")]
const fn lock_for_podman(_: &Path) -> Result<(), ConfigError> {
    Ok(())
}
