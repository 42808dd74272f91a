use std::str::FromStr;

use crate::{ConfigError, ConfigErrorKind};

/// The way to resolve a short name that may mean several images (`short-name-mode` in registries.conf).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ShortNameMode {
    /// Ask; without someone to ask, fail.
    Enforcing,
    /// Ask; without someone to ask, try them in order.
    #[default]
    Permissive,
    /// Try them in order and never ask.
    Disabled,
}

impl ShortNameMode {
    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforcing => "enforcing",
            Self::Permissive => "permissive",
            Self::Disabled => "disabled",
        }
    }
}

impl FromStr for ShortNameMode {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        [Self::Enforcing, Self::Permissive, Self::Disabled]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| {
                ConfigError::new(
                    ConfigErrorKind::Value,
                    "expected enforcing, permissive or disabled",
                )
            })
    }
}
