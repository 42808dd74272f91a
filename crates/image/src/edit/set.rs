use wharf_content::{Error, ErrorKind, Platform};

use super::members::{self, Map};
use crate::json::Object;

/// One edit of a member of a config (image-spec, *Image Configuration*).
///
/// Members that are not named, known or not, keep their value and their order; a new one is the last of its object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Set {
    /// The command line to which the arguments are appended; `None` removes it. `Cmd` is removed, because it has the
    /// arguments of the old one, unless the same [`Edit`](crate::Edit) sets it.
    Entrypoint(Option<Vec<String>>),
    /// The arguments of the entrypoint, or the whole command line where there is none; `None` removes them.
    Cmd(Option<Vec<String>>),
    /// Environment variables, as name and value. One that is there is replaced in its position.
    Env(Entries<(String, String)>),
    /// Labels, as key and value.
    Label(Entries<(String, String)>),
    /// The user that the process runs as, and after a colon the group; `None` removes it.
    User(Option<String>),
    /// The directory that the process starts in; `None` removes it.
    WorkingDir(Option<String>),
    /// The signal that ends the process gently, as `SIGTERM`; `None` removes it.
    StopSignal(Option<String>),
    /// Ports that the process listens on: `8080`, `8080/tcp` or `53/udp`.
    Port(Entries<String>),
    /// Directories for data that the process writes.
    Volume(Entries<String>),
    /// The time at which the image was made, as RFC 3339 writes it; `None` removes it.
    Created(Option<String>),
    /// The name or address of whoever made the image; `None` removes it.
    Author(Option<String>),
    /// The platform, of which every member is set: a variant that is not stated is removed. The entry of an index that
    /// lists the image states it too.
    Platform(Platform),
}

/// A change of a member that has entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entries<T> {
    /// Adds an entry, or replaces the one of the same name.
    Add(T),
    /// Replaces all entries with these.
    Replace(Vec<T>),
    /// Removes the entry of this name, if it is there.
    Remove(String),
    /// Removes all entries.
    Clear,
}

impl Set {
    /// The name of the member.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Entrypoint(_) => "Entrypoint",
            Self::Cmd(_) => "Cmd",
            Self::Env(_) => "Env",
            Self::Label(_) => "Labels",
            Self::User(_) => "User",
            Self::WorkingDir(_) => "WorkingDir",
            Self::StopSignal(_) => "StopSignal",
            Self::Port(_) => "ExposedPorts",
            Self::Volume(_) => "Volumes",
            Self::Created(_) => "created",
            Self::Author(_) => "author",
            Self::Platform(_) => "platform",
        }
    }

    /// Checks what needs no image.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Env(change) => change.check(|(name, value)| {
                let fits = !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0');
                fits.then_some(()).ok_or_else(|| {
                    format!(
                        "the environment variable {name:?} has no name, or one with `=`, or a NUL character"
                    )
                })
            }),
            Self::Label(change) => change.check(|(key, _)| {
                let fits = !key.is_empty();
                fits.then_some(()).ok_or_else(|| "a label has no key".to_owned())
            }),
            Self::Port(change) => change.check(|port| {
                let fits = members::is_port(port);
                fits.then_some(())
                    .ok_or_else(|| format!("the port {port:?} is none, as 8080, 8080/tcp or 53/udp are"))
            }),
            Self::Volume(change) => change.check(|path| {
                let fits = !path.is_empty() && !path.contains('\0');
                fits.then_some(())
                    .ok_or_else(|| "a volume has no path, or one with a NUL character".to_owned())
            }),
            Self::Created(Some(time)) => members::check_time("of the image", time),
            Self::Platform(platform) if platform.os.is_empty() || platform.architecture.is_empty() => {
                let message = "a platform lacks the operating system or the architecture";
                Err(Error::new(ErrorKind::Invalid, message))
            }
            _ => Ok(()),
        }
    }

    /// Edits a document. A value that is there already is not written again.
    pub(super) fn apply(&self, root: &mut Object) -> Result<(), Error> {
        let name = self.name();
        match self {
            Self::Entrypoint(value) | Self::Cmd(value) => members::set_list(root, name, value.as_deref()),
            Self::User(value) | Self::WorkingDir(value) | Self::StopSignal(value) => {
                members::set_text(members::runtime(root, value.is_some())?, name, value.as_deref());
                Ok(())
            }
            Self::Created(value) | Self::Author(value) => {
                members::set_text(Some(root), name, value.as_deref());
                Ok(())
            }
            Self::Env(change) => members::env(root, change),
            Self::Label(change) => members::map(root, name, change, &Map::Texts),
            Self::Port(change) | Self::Volume(change) => {
                members::map(root, name, &change.clone().named(), &Map::Keys)
            }
            Self::Platform(platform) => {
                members::put_platform(root, platform);
                Ok(())
            }
        }
    }
}

impl<T> Entries<T> {
    fn check(&self, check: impl Fn(&T) -> Result<(), String>) -> Result<(), Error> {
        let checked = match self {
            Self::Add(entry) => check(entry),
            Self::Replace(entries) => entries.iter().try_for_each(check),
            Self::Remove(_) | Self::Clear => Ok(()),
        };
        checked.map_err(|message| Error::new(ErrorKind::Invalid, message))
    }
}

impl Entries<String> {
    /// The change of keys without values.
    fn named(self) -> Entries<(String, String)> {
        let pair = |name| (name, String::new());
        match self {
            Self::Add(name) => Entries::Add(pair(name)),
            Self::Replace(names) => Entries::Replace(names.into_iter().map(pair).collect()),
            Self::Remove(name) => Entries::Remove(name),
            Self::Clear => Entries::Clear,
        }
    }
}
