//! The rights that a request needs.

use std::fmt;

use super::{Action, Grant};
use crate::{RepositoryPath, query::Query};

/// An action on a repository, for which a request needs the right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) path: &'a RepositoryPath,
    pub(crate) action: Action,
    pub(crate) mount: Option<&'a Mount>,
}

/// The source of a mount (distribution-spec, *Mounting a blob from another repository*).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mount {
    /// The repository that the client names.
    From(RepositoryPath),
    /// Any repository that has the blob.
    Anywhere,
}

impl Mount {
    /// The mount that a query asks for; `None` for a name that breaks the grammar, which becomes an upload.
    pub(crate) fn of(query: &Query<'_>) -> Option<Self> {
        query.value("mount")?;
        match query.value("from") {
            Some(from) => RepositoryPath::parse(from).ok().map(Self::From),
            None => Some(Self::Anywhere),
        }
    }
}

/// The scopes that a challenge names.
pub(super) struct Scopes<'a> {
    pub(super) wanted: Wanted<'a>,
    /// Whether this registry issues the tokens, so that [`Grant::Mounts`] has a meaning.
    pub(super) ours: bool,
}

impl fmt::Display for Scopes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Wanted { path, action, mount } = self.wanted;
        write!(f, "repository:{path}:{}", action.scope())?;
        match mount {
            Some(Mount::From(from)) => write!(f, " repository:{from}:{}", Action::Pull.scope()),
            Some(Mount::Anywhere) if self.ours => write!(f, " {}", Grant::MOUNTS),
            Some(Mount::Anywhere) | None => Ok(()),
        }
    }
}
