pub(crate) mod aliases;
mod mode;

pub use aliases::Alias;
pub use mode::ShortNameMode;
