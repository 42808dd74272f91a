use std::{error, fmt};

use wharf_reference::{Reference, ShortName};

use crate::{ConfigError, SourceLine};

/// The reason why a short name cannot be resolved on this host.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ShortNameError {
    /// The machine-written file of aliases cannot be read.
    Config(ConfigError),
    /// The name has no alias, and no search registries are configured.
    Unresolved {
        /// The name.
        name: ShortName,
        /// The line with the empty list of search registries; `None` if there is no list.
        list: Option<SourceLine>,
    },
    /// The name may mean several images, the mode is `enforcing`, and there is no prompt.
    Ambiguous {
        /// The name.
        name: ShortName,
        /// The images that it may mean.
        possible: Vec<Reference>,
    },
    /// The prompt chose none of the images.
    Declined {
        /// The name.
        name: ShortName,
    },
}

impl From<ConfigError> for ShortNameError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl fmt::Display for ShortNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(_) => f.write_str("the aliases of short names cannot be read"),
            Self::Unresolved { name, list } => {
                write!(f, "the short name {name} has no alias and ")?;
                match list {
                    Some(list) => write!(f, "{list} lists no unqualified-search-registries")?,
                    None => f.write_str("no unqualified-search-registries are configured")?,
                }
                f.write_str("; write it with its registry, as in docker.io/library/alpine")
            }
            Self::Ambiguous { name, possible } => {
                write!(f, "the short name {name} may mean ")?;
                for (index, reference) in possible.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { " or " })?;
                    write!(f, "{reference}")?;
                }
                f.write_str("; write the one that is meant")
            }
            Self::Declined { name } => write!(f, "no registry was chosen for the short name {name}"),
        }
    }
}

impl error::Error for ShortNameError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Config(error) => Some(error),
            _ => None,
        }
    }
}
