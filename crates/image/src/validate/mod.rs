//! Checks of whole images.

mod counts;

pub(crate) use counts::check_counts;
