//! The same names, read by skopeo 1.9.3 (`golden/record.py`) and here: they agree, but for a written list.

use wharf_reference::{Algorithm, ParseError, ParseErrorKind, Reference};

const RECORDED: &str = include_str!("golden/skopeo.jsonl");
const COUNT: usize = 6000;

/// Skopeo's answer: the full name with a tag or digest, or its message.
type Answer = Result<String, String>;

type Ours = Result<Reference, ParseError>;

/// A difference that is meant: its reason, which names it covers, how many of those were recorded.
type Difference = (&'static str, fn(&Answer, &Ours) -> bool, usize);

const DIFFERENCES: &[Difference] = &[
    (
        "skopeo's transport takes no name with both tag and digest; the grammar does",
        tag_and_digest,
        57,
    ),
    (
        "skopeo's older fork of the grammar knows no IPv6 host",
        ipv6_host,
        84,
    ),
    (
        "skopeo takes a registry that is no host, as in a_b.c/d, for a path and then has no registry",
        underscore_host,
        35,
    ),
    (
        "skopeo's fork does not take a first component with an upper-case letter for a registry",
        uppercase_host,
        76,
    ),
    (
        "skopeo takes any digits for a port; here it is one that can be connected to",
        port,
        65,
    ),
    (
        "skopeo counts the registry towards the 255 bytes of the path",
        long_name,
        7,
    ),
    (
        "skopeo refuses digests that it cannot compute; here they are marked as unsupported",
        algorithm,
        228,
    ),
];

#[test]
fn names_are_read_as_skopeo_reads_them() {
    let mut covered = [0; DIFFERENCES.len()];
    let mut unexplained = Vec::new();
    for line in RECORDED.lines() {
        let (name, theirs) = recorded(line);
        let ours = Reference::parse(&name);
        let agrees = match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => ours.clone().or_latest() == theirs.as_str(),
            (Err(_), Err(_)) => true,
            _ => false,
        };
        match DIFFERENCES
            .iter()
            .position(|(_, covers, _)| !agrees && covers(&theirs, &ours))
        {
            Some(difference) => covered[difference] += 1,
            None if agrees => {}
            None => unexplained.push((name, ours, theirs)),
        }
    }
    assert!(
        unexplained.is_empty(),
        "{} unexplained: {unexplained:#?}",
        unexplained.len()
    );
    assert_eq!(RECORDED.lines().count(), COUNT);
    let expected: Vec<_> = DIFFERENCES
        .iter()
        .map(|(reason, _, count)| (*reason, *count))
        .collect();
    let covered: Vec<_> = DIFFERENCES
        .iter()
        .map(|(reason, ..)| *reason)
        .zip(covered)
        .collect();
    assert_eq!(covered, expected);
}

fn recorded(line: &str) -> (String, Answer) {
    let fields: Vec<Option<String>> = serde_json::from_str(line).unwrap();
    let mut fields = fields.into_iter();
    let name = fields.next().flatten().unwrap();
    (
        name,
        fields
            .next()
            .flatten()
            .ok_or_else(|| fields.next().flatten().unwrap()),
    )
}

fn tag_and_digest(theirs: &Answer, ours: &Ours) -> bool {
    theirs
        .as_ref()
        .is_err_and(|message| message.contains("both a tag and digest"))
        && ours
            .as_ref()
            .is_ok_and(|ours| ours.has_tag() && ours.has_digest())
}

fn ipv6_host(theirs: &Answer, ours: &Ours) -> bool {
    theirs.is_err()
        && ours
            .as_ref()
            .is_ok_and(|ours| ours.registry().host().starts_with('['))
}

fn uppercase_host(theirs: &Answer, ours: &Ours) -> bool {
    let is_made_by_case = |host: &str| !host.contains(['.', ':']) && host.contains(char::is_uppercase);
    theirs.is_err()
        && ours
            .as_ref()
            .is_ok_and(|ours| is_made_by_case(ours.registry().as_str()))
}

fn underscore_host(theirs: &Answer, ours: &Ours) -> bool {
    theirs
        .as_ref()
        .is_ok_and(|name| name.split('/').next().is_some_and(|host| host.contains('_')))
        && ours
            .as_ref()
            .is_err_and(|error| error.kind() == ParseErrorKind::InvalidHost)
}

fn port(theirs: &Answer, ours: &Ours) -> bool {
    theirs.is_ok()
        && ours
            .as_ref()
            .is_err_and(|error| error.kind() == ParseErrorKind::InvalidPort)
}

fn long_name(theirs: &Answer, ours: &Ours) -> bool {
    theirs
        .as_ref()
        .is_err_and(|message| message.contains("255 characters"))
        && ours
            .as_ref()
            .is_ok_and(|ours| ours.path().len() <= 255 && ours.repository().as_str().len() > 255)
}

fn algorithm(theirs: &Answer, ours: &Ours) -> bool {
    let digest = ours.as_ref().ok().and_then(Reference::digest);
    theirs.is_err() && digest.is_some_and(|digest| digest.algorithm() == Algorithm::Unsupported)
}
