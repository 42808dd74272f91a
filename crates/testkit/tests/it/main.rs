//! The kit itself: that its peers run, and that real programs accept its images.

mod hostile;
mod images;
mod peers;
