//! Attempts to have an image accepted that nobody signed, where a signature by a key is demanded: by whoever runs the
//! registry, a mirror of it, or writes the index.

mod files;
mod images;
mod indexes;
mod mirrors;
mod world;
