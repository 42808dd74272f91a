//! The crate from outside.

mod blob;
mod manifest;
mod platform;
