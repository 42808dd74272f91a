//! An OCI registry to embed, in memory or over a store.
