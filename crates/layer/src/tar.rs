//! Tar archives, read and written without I/O.
//!
//! [`Reader`] takes bytes and returns events, [`Writer`] takes members and returns bytes; both are for sockets,
//! files, asynchronous streams and memory alike. A [`Member`] is what both speak of. [`Editor`] changes and drops members of an
//! archive as it streams.
//!
//! The dialects are those of layers and image archives: ustar, PAX and GNU's long names and large numbers.

mod edit;
mod encode;
mod event;
mod extensions;
mod header;
mod limits;
mod member;
mod name;
mod number;
mod of_files;
mod pax;
mod problem;
mod reader;
mod time;
mod writer;

pub(crate) use problem::shown;
#[cfg(all(feature = "apply", target_os = "linux"))]
pub(crate) use reader::padding;

pub use edit::{DroppedNames, Edited, Editor, MemberEdit};
pub use event::{Event, Summary};
pub use limits::Limits;
pub use member::{Kind, Member};
pub use of_files::of_files;
pub use reader::Reader;
pub use time::Time;
pub use writer::{Completed, Writer};
