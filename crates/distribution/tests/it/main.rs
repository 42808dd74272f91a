//! The client against Debian's docker-registry, scripted servers and wiremock.

mod real_registry;
mod support;
