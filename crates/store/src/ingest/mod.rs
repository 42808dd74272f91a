//! Receiving a blob: one writer per digest across tasks and processes, in any order, resumable, verified before
//! visible.

mod flight;
mod flush;
mod mark;
mod partials;
mod pipeline;
mod slot;
mod uploads;

pub(crate) use flight::Flights;
pub(crate) use partials::Partials;
pub(crate) use pipeline::{acquire, push};
pub(crate) use slot::Slot;
pub(crate) use uploads::Uploads;
