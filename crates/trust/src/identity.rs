//! Whether the name in a signature is the one that a requirement wants.

use wharf_config::{Identity, Remap};
use wharf_reference::Reference;

/// The name by which an image is judged: the user's, with the tag `latest` where it has neither tag nor
/// digest, and by the digest alone where it has both.
pub(crate) fn intended(reference: &Reference) -> Reference {
    match reference.digest() {
        Some(digest) => Reference::new(&reference.repository()).with_digest(&digest),
        None => reference.clone().or_latest(),
    }
}

/// Whether a signature of the name `signed` counts for an image of the name `intended`, which is `None` where
/// images have no names, as in a directory. What is signed is normalised as what a user types; what is no
/// name never counts.
pub(crate) fn accepts(identity: &Identity, intended: Option<&Reference>, signed: &str) -> bool {
    let Ok(signed) = Reference::parse(signed) else {
        return false;
    };
    match (identity, intended) {
        (Identity::ExactReference(wanted), _) => is_exact(wanted, &signed),
        (Identity::ExactRepository(wanted), _) => *wanted == signed.repository(),
        (Identity::MatchExact, Some(intended)) => is_exact(intended, &signed),
        (Identity::MatchRepository, Some(intended)) => intended.repository() == signed.repository(),
        (Identity::MatchRepoDigestOrExact, Some(intended)) => {
            is_repository_of_digest_or_exact(intended, &signed)
        }
        (Identity::Remap(remap), Some(intended)) => remapped(remap, intended)
            .is_some_and(|intended| is_repository_of_digest_or_exact(&intended, &signed)),
        _ => false,
    }
}

const fn is_complete(reference: &Reference) -> bool {
    reference.has_tag() || reference.has_digest()
}

fn is_exact(intended: &Reference, signed: &Reference) -> bool {
    is_complete(intended) && is_complete(signed) && intended.as_str() == signed.as_str()
}

/// For an image that is named by digest alone, the repository is enough: the digest in the signature is
/// compared with the manifest's in any case.
fn is_repository_of_digest_or_exact(intended: &Reference, signed: &Reference) -> bool {
    if !is_complete(signed) {
        return false;
    }
    if intended.has_tag() {
        return intended.as_str() == signed.as_str();
    }
    intended.has_digest() && intended.repository() == signed.repository()
}

/// The name that the signature must be for instead. `None` if the remapped text is no complete name.
fn remapped(remap: &Remap, intended: &Reference) -> Option<Reference> {
    let repository = intended.repository();
    let rest = repository.as_str().strip_prefix(remap.prefix());
    if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Some(intended.clone());
    }
    let rest = intended.as_str().strip_prefix(remap.prefix())?;
    Reference::parse_canonical(&format!("{}{rest}", remap.signed_prefix())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
    const E: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

    fn reference(text: &str) -> Reference {
        Reference::parse(&digests(text)).unwrap()
    }

    fn digests(text: &str) -> String {
        text.replace("@D", &format!("@{D}"))
            .replace("@E", &format!("@{E}"))
    }

    #[test]
    fn the_intended_name_is_complete_and_has_one_tag_or_digest() {
        for (given, expected) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("a.io/x", "a.io/x:latest"),
            ("a.io/x:1", "a.io/x:1"),
            ("a.io/x@D", "a.io/x@D"),
            ("a.io/x:1@D", "a.io/x@D"),
        ] {
            assert_eq!(intended(&reference(given)).as_str(), digests(expected), "{given}");
        }
    }

    /// Intended, signed, and whether matchExact, matchRepoDigestOrExact and matchRepository accept it.
    const VECTORS: &[(&str, &str, [bool; 3])] = &[
        ("a.io/x:1", "a.io/x:1", [true, true, true]),
        ("a.io/x:1", "a.io/x:2", [false, false, true]),
        ("a.io/x:1", "a.io/x", [false, false, true]),
        ("a.io/x", "a.io/x", [false, false, true]),
        ("a.io/x", "a.io/x:1", [false, false, true]),
        ("a.io/x@D", "a.io/x", [false, false, true]),
        ("a.io:5000/x:1", "a.io/x:1", [false, false, false]),
        ("a.io/x:1", "a.io:5000/x:1", [false, false, false]),
        ("a.io/x@D", "a.io/x:1", [false, true, true]),
        ("a.io/x:1", "a.io/x@D", [false, false, true]),
        ("a.io/x@D", "a.io/x@E", [false, true, true]),
        ("a.io/x@D", "a.io/x@D", [true, true, true]),
        ("a.io/x@D", "a.io/x:1@D", [false, true, true]),
        ("a.io/x:1", "a.io/x:1@D", [false, false, true]),
        ("docker.io/library/b:1", "b:1", [true, true, true]),
        ("b:1", "docker.io/library/b:1", [true, true, true]),
        ("b:1", "docker.io/b:1", [true, true, true]),
        ("b:1", "index.docker.io/library/b:1", [true, true, true]),
        ("a.io/x:1", "INVALID", [false, false, false]),
        ("a.io/x:1", "", [false, false, false]),
        ("a.io/x:1", " a.io/x:1", [false, false, false]),
        ("a.io/x:1", "a.io/x:1\0", [false, false, false]),
        ("a.io/x:1", "a.io//x:1", [false, false, false]),
        ("a.io/x:1", "A.io/x:1", [false, false, false]),
        ("a.io/x:1", "a.io.evil/x:1", [false, false, false]),
        ("a.io/x:1", "a.io/x/y:1", [false, false, false]),
        ("a.io/x/y:1", "a.io/x:1", [false, false, false]),
    ];

    #[test]
    fn names_match_as_the_identity_says() {
        let kinds = [
            Identity::MatchExact,
            Identity::MatchRepoDigestOrExact,
            Identity::MatchRepository,
        ];
        for (intended, signed, expected) in VECTORS {
            let signed = digests(signed);
            for (kind, expected) in kinds.iter().zip(expected) {
                let accepted = accepts(kind, Some(&reference(intended)), &signed);
                assert_eq!(accepted, *expected, "{kind:?} {intended} {signed}");
                // An image without a name has none that a signature could be for.
                assert!(!accepts(kind, None, &signed), "{kind:?} {signed}");
            }
        }
    }

    /// The image's own name plays no part, nor need there be one.
    #[test]
    fn exact_identities_are_for_the_name_in_the_policy() {
        for (wanted, signed, [by_reference, by_repository]) in VECTORS
            .iter()
            .map(|(wanted, signed, [exact, _, repository])| (wanted, signed, [*exact, *repository]))
        {
            let wanted = reference(wanted);
            let signed = digests(signed);
            let stranger = reference("stranger.example/x:1");
            for intended in [None, Some(&stranger)] {
                let identity = Identity::ExactReference(wanted.clone());
                assert_eq!(
                    accepts(&identity, intended, &signed),
                    by_reference,
                    "{wanted} {signed}"
                );
                let identity = Identity::ExactRepository(wanted.repository());
                assert_eq!(
                    accepts(&identity, intended, &signed),
                    by_repository,
                    "{wanted} {signed}"
                );
            }
        }
    }

    /// Prefix, signed prefix, intended, and what the signature must be for; `None` if it can never match.
    #[test]
    fn t193_names_are_remapped_once_at_whole_components() {
        for (prefix, signed_prefix, intended, expected) in [
            ("m.io", "v.io", "m.io/n/x:1", Some("v.io/n/x:1")),
            ("m.io/n/x", "v.io/y", "m.io/n/x:1", Some("v.io/y:1")),
            ("m.io", "v.io", "m.io/x@D", Some("v.io/x@D")),
            ("m.io:5000", "v.io", "m.io/x:1", Some("m.io/x:1")),
            ("m.io", "v.io", "m.io:5000/x:1", Some("m.io:5000/x:1")),
            ("m.io:5000", "v.io:6000", "m.io:5000/x:1", Some("v.io:6000/x:1")),
            ("m.io/n", "v.io/w", "m.io/nn/x:1", Some("m.io/nn/x:1")),
            ("m.io", "v.io", "m.io.evil/x:1", Some("m.io.evil/x:1")),
            ("m.io", "v.io", "M.io/x:1", Some("M.io/x:1")),
            ("m.io/n/x", "v.io", "m.io/n:x", Some("m.io/n:x")),
            (
                "docker.io/library",
                "v.io/n",
                "busybox:1",
                Some("v.io/n/busybox:1"),
            ),
            ("m.io/n/x", "v.io:5000", "m.io/n/x:1", None),
            ("m.io/n/x", "plain", "m.io/n/x:1", None),
            ("m.io", "index.docker.io", "m.io/n/x:1", None),
            ("m.io", "m.io/m.io", "m.io/x:1", Some("m.io/m.io/x:1")),
        ] {
            let remap = Remap::new(prefix, signed_prefix).unwrap();
            let intended = reference(intended);
            let result = remapped(&remap, &intended);
            let text = result.as_ref().map(Reference::as_str);
            assert_eq!(
                text,
                expected.map(digests).as_deref(),
                "{prefix} {signed_prefix} {intended}"
            );
            let identity = Identity::Remap(remap);
            if let Some(expected) = expected {
                assert!(
                    accepts(&identity, Some(&intended), &digests(expected)),
                    "{intended}"
                );
            } else {
                assert!(
                    !accepts(&identity, Some(&intended), intended.as_str()),
                    "{intended}"
                );
            }
            assert!(!accepts(&identity, None, "v.io/n/x:1"));
        }
        // The signed name is not remapped, and a repository alone, as cosign signs it, never matches.
        let identity = Identity::Remap(Remap::new("m.io", "v.io").unwrap());
        assert!(!accepts(&identity, Some(&reference("v.io/x:1")), "m.io/x:1"));
        assert!(!accepts(&identity, Some(&reference("m.io/x:1")), "v.io/x"));
        assert!(accepts(&identity, Some(&reference("m.io/x@D")), "v.io/x:1"));
    }
}
