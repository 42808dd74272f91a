//! These pages are for those who come from another tool, and for tests. The tasks are on the [first page](crate).

#[doc = include_str!("from_skopeo.md")]
pub mod from_skopeo {}

#[doc = include_str!("from_oci_client.md")]
pub mod from_oci_client {}

#[doc = include_str!("in_tests.md")]
pub mod in_tests {}
