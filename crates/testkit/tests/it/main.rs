//! The kit itself: that its peers run, that real programs accept its images, and that every threat has its test.

mod hostile;
mod images;
mod peers;
mod threats;
