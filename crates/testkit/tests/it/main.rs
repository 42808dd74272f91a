//! The kit itself: that its peers run, that real programs accept its images, and that every threat has its test.
#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod hostile;
mod images;
mod peers;
mod threats;
