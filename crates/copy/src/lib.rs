//! Copies images between registries and stores: children first, in parallel, resumable.
