//! A local store of images: an OCI image layout that many processes can share.
