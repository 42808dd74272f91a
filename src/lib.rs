//! Container registries from Rust.
