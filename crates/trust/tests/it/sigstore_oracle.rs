//! A current Skopeo as the oracle for `sigstoreSigned`: its recorded answers, and each difference by name. The script
//! `tests/golden/attachments/record.py` records them.

use std::collections::{BTreeMap, BTreeSet};

use crate::recording::Recording;

/// Who accepts what the other refuses, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Difference {
    /// Skopeo accepts it.
    Stricter(&'static str),
    /// Skopeo refuses it.
    Laxer(&'static str),
}

use Difference::{Laxer, Stricter};

const WEAK_KEY: &str = "a weak key";
const NO_CURVE: &str = "a curve that ring does not have";
const ONE_KEY: &str = "a key file holds one key and nothing else";
const TWO_WAYS: &str = "JSON that can be read in two ways";
const CODE_SIGNING: &str = "a certificate of Fulcio's is for code signing by name";
const CONSTRAINT: &str = "a constraint to emails or URIs is not understood, and refuses every one";
const AUTHORITY: &str = "an authority's certificate signs certificates alone";

const DIFFERENCES: &[(&str, Difference)] = &[
    (
        "keys: P-384 with SHA-384",
        Laxer("a current cosign signs so, and Skopeo verifies with SHA-256 alone"),
    ),
    ("keys: P-521", Stricter(NO_CURVE)),
    ("keys: P-256 beside P-521", Stricter(NO_CURVE)),
    ("keys: RSA 1024", Stricter(WEAK_KEY)),
    ("key files: prose.pub", Stricter(ONE_KEY)),
    ("key files: twice.pub", Stricter(ONE_KEY)),
    ("key files: two.pub", Stricter(ONE_KEY)),
    ("key files: tail.pub", Stricter(ONE_KEY)),
    ("key files: headed.pub", Stricter(ONE_KEY)),
    (
        "signature: a line feed at the end",
        Stricter("base64 is broken as openssl and base64 break it, or not at all"),
    ),
    (
        "signature: r and s alone",
        Stricter("an ECDSA signature is DER, as cosign writes it"),
    ),
    ("payload: creator null", Stricter("a member of the wrong type")),
    ("payload: twice deep in optional", Stricter(TWO_WAYS)),
    ("payload: a lone surrogate", Stricter(TWO_WAYS)),
    (
        "log: the key as a certificate",
        Stricter("the label of PEM says what it holds"),
    ),
    (
        "log: a time with an exponent",
        Stricter("an integer has one spelling"),
    ),
    (
        "fulcio: prose before the chain",
        Stricter("a chain is PEM and nothing else"),
    ),
    (
        "fulcio, the certificate: an IA5String as issuer",
        Stricter("Fulcio writes a UTF8String"),
    ),
    (
        "fulcio, the certificate: no extended usage",
        Stricter(CODE_SIGNING),
    ),
    ("fulcio, the certificate: for any usage", Stricter(CODE_SIGNING)),
    (
        "fulcio, the certificate: an authority itself",
        Stricter(AUTHORITY),
    ),
    (
        "fulcio, the file: roots-with-leaf",
        Stricter("a certificate that is trusted itself has no authority"),
    ),
    (
        "fulcio, the file: roots-with-key",
        Stricter("a file of authorities holds certificates"),
    ),
    ("pki: by a wildcard", Stricter("a host that is demanded is one")),
    ("pki, the certificate: an authority itself", Stricter(AUTHORITY)),
    (
        "constraints of an authority: the email's host permitted",
        Stricter(CONSTRAINT),
    ),
    (
        "constraints of an authority: the email itself permitted",
        Stricter(CONSTRAINT),
    ),
    (
        "constraints of an authority: another email's host excluded",
        Stricter(CONSTRAINT),
    ),
    (
        "constraints of an authority: a URI's host permitted",
        Stricter(CONSTRAINT),
    ),
    (
        "constraints of a root: the email's host permitted",
        Stricter(CONSTRAINT),
    ),
    (
        "constraints of a root: the email itself permitted",
        Stricter(CONSTRAINT),
    ),
    (
        "constraints of a root: another email's host excluded",
        Stricter(CONSTRAINT),
    ),
    (
        "constraints of a root: a URI's host permitted",
        Stricter(CONSTRAINT),
    ),
    (
        "extensions and keys: an authority with RSA 1024",
        Stricter(WEAK_KEY),
    ),
    ("extensions and keys: an authority with P-521", Stricter(NO_CURVE)),
    ("extensions and keys: a signer with P-521", Stricter(NO_CURVE)),
    ("extensions and keys: a signer with RSA 1024", Stricter(WEAK_KEY)),
];

#[test]
fn a_current_skopeo_and_we_agree_about_attachments_but_for_differences_with_names() {
    let recording = Recording::new();
    let known: BTreeMap<_, _> = DIFFERENCES.iter().copied().collect();
    let (mut wrong, mut met, mut accepted) = (Vec::new(), BTreeSet::new(), 0);
    for case in recording.cases() {
        let name = case["name"].as_str().unwrap();
        let theirs = case["skopeo"].as_str();
        let ours = recording.judge(case, &recording.signatures(case));
        accepted += usize::from(ours.is_ok());
        let difference = known.get(name).copied();
        let expected = match difference {
            Some(Stricter(_)) => ours.is_err() && theirs.is_none(),
            Some(Laxer(_)) => ours.is_ok() && theirs.is_some(),
            None => ours.is_ok() == theirs.is_none(),
        };
        if !expected {
            wrong.push(format!("{name}: Skopeo: {theirs:?}; we: {ours:?}"));
        }
        met.extend(difference.map(|_| name));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(met.len(), known.len(), "a difference without a case");
    let count = recording.cases().len();
    println!("{count} cases, {accepted} accepted, {} differences", known.len());
    assert!(count >= 300 && accepted >= 100);
}
