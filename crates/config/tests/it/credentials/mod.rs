//! Credentials: files, helpers, and what happens to them when things go wrong.

mod concurrent;
#[cfg(unix)]
mod crash;
mod edit;
#[cfg(unix)]
mod helpers;
#[cfg(unix)]
mod keychains;
mod lookup;
mod malformed;
#[cfg(unix)]
mod peers;
mod secrets;
mod support;
