//! The names of a directory's files.
//!
//! | content | name |
//! |---|---|
//! | the image or index that the directory holds | `manifest.json` |
//! | another manifest | `HEX.manifest.json` |
//! | a blob | `HEX` |
//! | the N-th signature, from 1, of what the directory holds | `signature-N` |
//! | the N-th signature of another manifest | `HEX.signature-N` |
//!
//! HEX is the digest without its algorithm if that is sha256, else with it: `sha512-…`.

use wharf_reference::{Algorithm, Digest};

/// The manifest or index that the directory holds.
pub(super) const ROOT: &str = "manifest.json";

const MANIFEST: &str = ".manifest.json";

/// The name of a blob's file.
pub(super) fn blob(digest: &Digest) -> String {
    if digest.algorithm() == Algorithm::Sha256 {
        digest.encoded().to_owned()
    } else {
        format!("{}-{}", digest.algorithm_name(), digest.encoded())
    }
}

/// The name that Skopeo before version 1.2 of the format gives a blob.
pub(super) fn blob_before_1_2(digest: &Digest) -> &str {
    digest.encoded()
}

/// The name of the file of a manifest other than the root.
pub(super) fn manifest(digest: &Digest) -> String {
    format!("{}{MANIFEST}", blob(digest))
}

/// The digest of the manifest in a file of this name; `None` for another file.
pub(super) fn digest_of_manifest(name: &str) -> Option<Digest> {
    let name = name.strip_suffix(MANIFEST)?;
    let digest = match name.split_once('-') {
        Some((algorithm, encoded)) => format!("{algorithm}:{encoded}"),
        None => format!("sha256:{name}"),
    };
    Digest::parse(&digest).ok()
}

/// The name of the file of a signature, by its number from 1; `manifest` is the manifest if it is not the root.
pub(super) fn signature(manifest: Option<&Digest>, number: usize) -> String {
    match manifest {
        Some(digest) => format!("{}.signature-{number}", blob(digest)),
        None => format!("signature-{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_skopeo() {
        let (short, long) = ("a".repeat(64), "b".repeat(128));
        let sha256 = Digest::parse(&format!("sha256:{short}")).unwrap();
        let sha512 = Digest::parse(&format!("sha512:{long}")).unwrap();
        for (name, expected) in [
            (blob(&sha256), short.clone()),
            (blob(&sha512), format!("sha512-{long}")),
            (manifest(&sha256), format!("{short}.manifest.json")),
            (manifest(&sha512), format!("sha512-{long}.manifest.json")),
            (signature(None, 1), "signature-1".to_owned()),
            (signature(Some(&sha256), 12), format!("{short}.signature-12")),
            (signature(Some(&sha512), 1), format!("sha512-{long}.signature-1")),
        ] {
            assert_eq!(name, expected);
        }
        for digest in [sha256, sha512] {
            assert_eq!(digest_of_manifest(&manifest(&digest)), Some(digest));
        }
    }

    #[test]
    fn files_that_are_no_manifest_have_no_digest() {
        for name in [
            "manifest.json",
            ".manifest.json",
            "version",
            "a.manifest.json",
            "sha256-0.manifest.json",
        ] {
            assert_eq!(digest_of_manifest(name), None, "{name}");
        }
    }
}
