//! What registries and stores hold: descriptors, manifests, platforms and blobs that verify themselves.
