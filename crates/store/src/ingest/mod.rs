//! Receiving a blob: one writer per digest across tasks and processes, resumable, verified before visible.

mod assembly;
mod flight;
mod flush;
mod partials;
mod pipeline;
mod slot;

pub use assembly::Assembly;
pub(crate) use flight::Flights;
pub(crate) use partials::Partials;
pub(crate) use pipeline::{acquire, push};
pub(crate) use slot::{Attempt, Slot};
