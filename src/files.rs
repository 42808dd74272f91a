//! Images in directories and archives, by the feature `archive`.

#[cfg(feature = "archive")]
mod supported;
#[cfg(not(feature = "archive"))]
mod unsupported;

#[cfg(feature = "archive")]
pub(crate) use self::supported::{
    Created, create_archive, create_directory, list_archive, open_archive, open_directory,
};
#[cfg(not(feature = "archive"))]
pub(crate) use self::unsupported::{
    Created, create_archive, create_directory, list_archive, open_archive, open_directory,
};
