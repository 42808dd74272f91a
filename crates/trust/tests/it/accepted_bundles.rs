//! Sigstore bundles that meet `sigstoreSigned`, where the program accepts them.

mod by_certificate;
mod by_key;
mod kit;
mod requirements;
mod sources;
mod swaps;
mod world;
