//! A client for the OCI distribution protocol: manifests, blobs, tags and referrers.
