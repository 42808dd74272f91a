//! Images in directories and archives, by the feature `archive`.

#[cfg(feature = "archive")]
mod chosen;
#[cfg(feature = "archive")]
mod streamed;
#[cfg(feature = "archive")]
mod supported;
#[cfg(not(feature = "archive"))]
mod unsupported;

#[cfg(all(feature = "archive", feature = "sync"))]
pub(crate) use self::supported::list_archive;
#[cfg(all(not(feature = "archive"), feature = "sync"))]
pub(crate) use self::unsupported::list_archive;
#[cfg(not(feature = "archive"))]
pub(crate) use self::unsupported::{
    Created, Streams, create_archive, create_directory, list_archive_or_stream, open_archive, open_directory,
};
#[cfg(feature = "archive")]
pub(crate) use self::{
    streamed::Streams,
    supported::{
        Created, create_archive, create_directory, list_archive_or_stream, open_archive, open_directory,
    },
};
