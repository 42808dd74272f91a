//! Skopeo as the oracle: the same policies, keys and signatures, and each difference by name.

use std::{collections::BTreeMap, fs, thread, time::SystemTime};

use wharf_config::Policy;
use wharf_content::Signature;
use wharf_testkit::{Sandbox, require_peers};
use wharf_trust::{Subject, Trust};

use crate::{
    forge::{
        Key, Sig, back_signature, binding, certificate, critical, packet, seconds, subkey, subpacket,
        with_self_signatures,
    },
    golden,
    support::{DAY, MANIFEST, NAME, NOW, digest, good_payload, manifest, payload},
};

const CREATED: u32 = NOW - 1000 * DAY;
const EXACT: &str = r#"{"type":"exactReference","dockerReference":"registry.example/app:1"}"#;

/// A judgement that both are asked for.
struct Case {
    name: String,
    identity: String,
    keys: Vec<Vec<u8>>,
    blobs: Vec<Vec<u8>>,
}

impl Case {
    fn new(name: impl Into<String>, keys: &[u8], blob: Vec<u8>) -> Self {
        Self {
            name: name.into(),
            identity: EXACT.to_owned(),
            keys: vec![keys.to_vec()],
            blobs: vec![blob],
        }
    }
}

/// Who accepts what the other refuses, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Difference {
    /// Skopeo accepts it.
    Stricter(&'static str),
    /// Skopeo refuses it.
    Laxer(&'static str),
}

use Difference::{Laxer, Stricter};

const DIFFERENCES: &[(&str, Difference)] = &[
    ("rsa2048-SHA1 with rsa2048.gpg", Stricter("a weak hash")),
    ("rsa2048-RIPEMD160 with rsa2048.gpg", Stricter("a weak hash")),
    ("rsa2048-SHA224 with rsa2048.gpg", Stricter("a weak hash")),
    ("key: sha1", Stricter("a weak hash, of a key that is not RSA")),
    (
        "nistp256-SHA512 with nistp256.gpg",
        Stricter("a pair of curve and hash that ring does not have"),
    ),
    (
        "nistp384-SHA512 with nistp384.gpg",
        Stricter("a pair of curve and hash that ring does not have"),
    ),
    (
        "rsa2048-bzip2 with rsa2048.gpg",
        Stricter("a compression that nobody needs"),
    ),
    (
        "textmode with rsa2048.gpg",
        Stricter("a text that is not the signed bytes"),
    ),
    (
        "signature: text mode",
        Stricter("a text that is not the signed bytes"),
    ),
    (
        "trailing-compressed with rsa2048.gpg",
        Stricter("bytes after the message"),
    ),
    ("future with rsa2048.gpg", Stricter("a signature from the future")),
    ("signature: from 2100", Stricter("a signature from the future")),
    ("rsa1024", Stricter("a weak key")),
    ("dsa2048", Stricter("an algorithm that is withdrawn")),
    ("nistp521", Stricter("a curve that ring does not have")),
    ("brainpoolP256r1", Stricter("a curve that ring does not have")),
    ("secp256k1", Stricter("a curve that ring does not have")),
    ("payload: creator null", Stricter("a member of the wrong type")),
    (
        "payload: twice within optional",
        Stricter("JSON that can be read in two ways"),
    ),
    (
        "payload: a lone surrogate",
        Stricter("JSON that can be read in two ways"),
    ),
    (
        "blobs: page, good",
        Laxer("one blob of unknown format is one signature that does not count"),
    ),
    (
        "blobs: good, page",
        Laxer("one blob of unknown format is one signature that does not count"),
    ),
    (
        "subkey with subkey.gpg",
        Laxer("Skopeo 1.9 does not know that a subkey signs for its primary key"),
    ),
    (
        "subkey: bound",
        Laxer("Skopeo 1.9 does not know that a subkey signs for its primary key"),
    ),
];

/// What GnuPG and Skopeo made.
fn golden_cases() -> Vec<Case> {
    let mut cases: Vec<_> = golden::SIGNATURES
        .iter()
        .map(|(name, keys, _)| {
            Case::new(
                format!("{name} with {keys}"),
                &golden::key(keys),
                golden::signature(name),
            )
        })
        .collect();
    for (name, _) in golden::USELESS {
        cases.push(Case::new(
            *name,
            &golden::key(&format!("{name}.gpg")),
            golden::signature(name),
        ));
    }
    cases.push(Case::new(
        "skopeo",
        &golden::key("rsa2048.gpg"),
        golden::signature("skopeo"),
    ));
    cases
}

fn key() -> Key {
    Key::new(1, CREATED)
}

fn signed(content: &[u8]) -> Vec<u8> {
    let key = key();
    Sig::by(&key, 0, NOW - DAY).message(&key, content)
}

/// Names that are signed, and what the policy wants.
fn identity_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let by_digest = format!("registry.example/app@{}", digest());
    let wanted = [
        (
            "exactReference",
            "dockerReference",
            "registry.example/app:1".to_owned(),
        ),
        ("exactReference", "dockerReference", by_digest.clone()),
        ("exactReference", "dockerReference", "busybox:1".to_owned()),
        (
            "exactRepository",
            "dockerRepository",
            "registry.example/app".to_owned(),
        ),
        ("exactRepository", "dockerRepository", "busybox".to_owned()),
    ];
    let names = [
        "registry.example/app:1",
        "registry.example/app:2",
        "registry.example/app",
        "registry.example:5000/app:1",
        "registry.example/app/more:1",
        "docker.io/library/busybox:1",
        "busybox:1",
        "INVALID",
        "",
        &by_digest,
    ];
    for (kind, member, wanted) in &wanted {
        for name in names {
            let mut case = Case::new(
                format!("{kind} {wanted}: {name:?}"),
                &certificate(&key()),
                signed(&payload(&digest(), name)),
            );
            case.identity = format!(r#"{{"type":"{kind}","{member}":"{wanted}"}}"#);
            cases.push(case);
        }
    }
    for kind in ["matchExact", "matchRepoDigestOrExact", "matchRepository"] {
        let mut case = Case::new(
            format!("{kind} of a directory"),
            &certificate(&key()),
            signed(&good_payload()),
        );
        case.identity = format!(r#"{{"type":"{kind}"}}"#);
        cases.push(case);
    }
    cases
}

/// Payloads that are signed well.
fn payload_cases() -> Vec<Case> {
    let good = String::from_utf8(good_payload()).unwrap();
    let optional = |members: &str| good.replace(r#""optional":{}"#, &format!(r#""optional":{members}"#));
    let texts = [
        ("as it should be", good.clone()),
        ("space around it", format!(" {good}\n")),
        ("an object after it", format!("{good}{{}}")),
        ("a byte order mark", format!("\u{feff}{good}")),
        ("creator null", optional(r#"{"creator":null}"#)),
        ("creator a number", optional(r#"{"creator":1}"#)),
        ("creator a string", optional(r#"{"creator":"x"}"#)),
        ("timestamp 1", optional(r#"{"timestamp":1}"#)),
        ("timestamp 1e3", optional(r#"{"timestamp":1e3}"#)),
        ("timestamp 1.5", optional(r#"{"timestamp":1.5}"#)),
        ("timestamp 1e300", optional(r#"{"timestamp":1e300}"#)),
        ("timestamp a string", optional(r#"{"timestamp":"1"}"#)),
        ("unknown in optional", optional(r#"{"x":[1,{"y":null}]}"#)),
        ("twice in optional", optional(r#"{"x":1,"x":1}"#)),
        ("twice within optional", optional(r#"{"x":{"y":1,"y":1}}"#)),
        ("a lone surrogate", optional(r#"{"x":"\ud800"}"#)),
        ("optional null", optional("null")),
        ("optional a list", optional("[]")),
        ("no optional", good.replace(r#","optional":{}"#, "")),
        (
            "critical in upper case",
            good.replace("\"critical\"", "\"Critical\""),
        ),
        ("unknown at the top", good.replacen('{', r#"{"x":1,"#, 1)),
        (
            "unknown in critical",
            good.replace(r#"{"identity""#, r#"{"x":1,"identity""#),
        ),
        (
            "unknown in identity",
            good.replace(r#"{"docker-reference""#, r#"{"x":1,"docker-reference""#),
        ),
        (
            "unknown in image",
            good.replace(
                r#"{"docker-manifest-digest""#,
                r#"{"x":1,"docker-manifest-digest""#,
            ),
        ),
        ("critical twice", good.replacen('{', r#"{"critical":{},"#, 1)),
        (
            "another type",
            good.replace("atomic container", "cosign container image"),
        ),
        (
            "no type",
            good.replace(r#","type":"atomic container signature""#, ""),
        ),
        (
            "the type a number",
            good.replace(r#""atomic container signature""#, "1"),
        ),
        (
            "another digest",
            String::from_utf8(payload(&format!("sha256:{}", "0".repeat(64)), NAME)).unwrap(),
        ),
        (
            "the digest in upper case",
            String::from_utf8(payload(&digest().to_uppercase(), NAME)).unwrap(),
        ),
        ("an empty digest", String::from_utf8(payload("", NAME)).unwrap()),
        ("nothing", String::new()),
        ("null", "null".to_owned()),
        ("a list", "[]".to_owned()),
    ];
    let case = |(name, text): (&str, String)| {
        Case::new(
            format!("payload: {name}"),
            &certificate(&key()),
            signed(text.as_bytes()),
        )
    };
    texts.into_iter().map(case).collect()
}

/// Several blobs, and blobs in all framings.
fn blob_cases() -> Vec<Case> {
    let good = || signed(&good_payload());
    let bad = || signed(&payload(&digest(), "registry.example/app:2"));
    let page = || b"<html></html>".to_vec();
    let framed = |name: &str, data: &[u8]| [b"\0", name.as_bytes(), b"\n", data].concat();
    let with = |name: &str, blobs: Vec<Vec<u8>>| Case {
        blobs,
        ..Case::new(format!("blobs: {name}"), &certificate(&key()), Vec::new())
    };
    let first_byte = |byte: u8| {
        let mut blob = good();
        blob[0] = byte;
        blob
    };
    vec![
        with("none", vec![]),
        with("good", vec![good()]),
        with("bad, good", vec![bad(), good()]),
        with("good, bad", vec![good(), bad()]),
        with("bad, bad", vec![bad(), bad()]),
        with("page, good", vec![page(), good()]),
        with("good, page", vec![good(), page()]),
        with("page", vec![page()]),
        with("empty", vec![Vec::new()]),
        with("framed", vec![framed("simple-signing", &good())]),
        with("framed with a slip", vec![framed("simple-signing ", &good())]),
        with("framed as sigstore", vec![framed("sigstore-json", b"{}")]),
        with("another first byte", vec![first_byte(0x3d)]),
        with("an encrypted first byte", vec![first_byte(0xc1)]),
    ]
}

/// Keys and signatures with everything that a packet can say.
fn packet_cases() -> Vec<Case> {
    let (key, sub, other) = (key(), Key::new(2, CREATED + DAY), Key::new(3, CREATED));
    let content = good_payload();
    let by = |name: &str, sig: Sig| {
        Case::new(
            format!("signature: {name}"),
            &certificate(&key),
            sig.message(&key, &content),
        )
    };
    let own = || Sig::by(&key, 0x13, CREATED).with(subpacket(27, &[3]));
    let with = |name: &str, signatures: &[Sig]| {
        let keys = with_self_signatures(&key, signatures);
        Case::new(format!("key: {name}"), &keys, signed(&content))
    };
    let by_subkey = |name: &str, signatures: &[Sig]| {
        let keys = [certificate(&key), subkey(&key, &sub, signatures)].concat();
        let sig = Sig::by(&sub, 0, NOW - DAY);
        Case::new(format!("subkey: {name}"), &keys, sig.message(&sub, &content))
    };
    let graft = Sig::by(&key, 0x18, sub.created)
        .with(subpacket(27, &[2]))
        .with_unhashed(back_signature(&other, &sub));
    let revoked = [
        packet(6, &key.body()),
        Sig::by(&key, 0x20, NOW - 2).packet(&key, &key.hashed()),
        certificate(&key)[packet(6, &key.body()).len()..].to_vec(),
    ]
    .concat();
    let several = |name: &str, keys: Vec<Vec<u8>>| Case {
        keys,
        ..Case::new(format!("files: {name}"), &[], signed(&content))
    };
    let plain = Sig::by(&key, 0, NOW - DAY);
    vec![
        by("version 3", plain.clone().version_3()),
        by("an unknown subpacket", plain.clone().with(subpacket(99, b""))),
        by(
            "an unknown critical subpacket",
            plain.clone().with(critical(99, b"")),
        ),
        by("no issuer", Sig::new(0, NOW - DAY)),
        by("a standalone signature", Sig::by(&key, 2, NOW - DAY)),
        by("a certification", Sig::by(&key, 0x10, NOW - DAY)),
        by("text mode", Sig::by(&key, 1, NOW - DAY)),
        by("older than its key", Sig::by(&key, 0, CREATED - 1)),
        by("expired", plain.clone().with(seconds(3, 10))),
        by("from 2100", Sig::by(&key, 0, 4_102_444_800)),
        Case::new(
            "signature: by another key",
            &certificate(&other),
            signed(&content),
        ),
        Case::new(
            "signature: forged",
            &certificate(&other),
            Sig::by(&other, 0, NOW - DAY).message(&key, &content),
        ),
        with("as it should be", &[own()]),
        with(
            "certify alone",
            &[Sig::by(&key, 0x13, CREATED).with(subpacket(27, &[1]))],
        ),
        with("no flags", &[Sig::by(&key, 0x13, CREATED)]),
        with("no signature", &[]),
        with("expired", &[own().with(seconds(9, 10))]),
        with("prolonged", &[own().with(seconds(9, 10)), own().at(CREATED + 1)]),
        with("shortened", &[own(), own().at(CREATED + 1).with(seconds(9, 10))]),
        with("sha1", &[own().with_hash(2)]),
        Case::new("key: revoked", &revoked, signed(&content)),
        Case::new(
            "key: junk after it",
            &[certificate(&key), vec![0, 1]].concat(),
            signed(&content),
        ),
        Case::new("key: empty", b"", signed(&content)),
        Case::new("key: a page", b"<html></html>", signed(&content)),
        by_subkey("bound", &[binding(&key, &sub)]),
        by_subkey("not bound", &[]),
        by_subkey("grafted", &[graft]),
        by_subkey("revoked", &[binding(&key, &sub), Sig::by(&key, 0x28, NOW - 2)]),
        by_subkey("expired", &[binding(&key, &sub).with(seconds(9, 10))]),
        several(
            "another key and this",
            vec![certificate(&other), certificate(&key)],
        ),
        several("junk and this", vec![b"junk".to_vec(), certificate(&key)]),
        several("none", vec![]),
    ]
}

fn cases() -> Vec<Case> {
    [
        golden_cases(),
        identity_cases(),
        payload_cases(),
        blob_cases(),
        packet_cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What both say of a case: nothing if they accept it.
struct Judged {
    ours: Result<(), String>,
    theirs: Result<(), String>,
}

/// Asks both about some cases, in a directory of its own.
fn judged(cases: &[Case]) -> Vec<Judged> {
    let sandbox = Sandbox::new();
    let config = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    sandbox.write("image/version", "Directory Transport Version: 1.1\n");
    sandbox.write(&format!("image/{config}"), "{}");
    sandbox.write("image/manifest.json", MANIFEST);
    cases.iter().map(|case| judged_in(&sandbox, case)).collect()
}

fn judged_in(sandbox: &Sandbox, case: &Case) -> Judged {
    let signature = |number: usize| format!("image/signature-{}", number + 1);
    for (number, blob) in case.blobs.iter().enumerate() {
        sandbox.write(&signature(number), blob);
    }
    let key = |(number, key): (usize, &Vec<u8>)| sandbox.write(&format!("key-{number}"), key);
    let keys = case.keys.iter().enumerate().map(key);
    let keys: Vec<_> = keys
        .map(|path| format!("{:?}", path.display().to_string()))
        .collect();
    let policy = format!(
        r#"{{"default":[{{"type":"signedBy","keyType":"GPGKeys","keyPaths":[{}],"signedIdentity":{}}}]}}"#,
        keys.join(","),
        case.identity
    );
    sandbox.write("policy.json", &policy);
    let place = |name: &str| format!("dir:{}", sandbox.path(name).display());
    let run = sandbox.skopeo().run(&["copy", &place("image"), &place("copy")]);
    let rejected = run.stderr.contains("Source image rejected") || run.stderr.contains("signature");
    assert!(run.success || rejected, "{}: {}", case.name, run.stderr);
    let blobs = case
        .blobs
        .iter()
        .map(|blob| Signature::from_blob(blob.clone().into()));
    let trust = Trust::new(Policy::parse(&policy).unwrap()).with_clock(SystemTime::now);
    let subject = manifest();
    let subject = Subject::new(&subject, sandbox.path("image").as_path());
    let verdict = trust.judge(&subject, &blobs.collect::<Vec<_>>());
    for number in 0..case.blobs.len() {
        fs::remove_file(sandbox.path(signature(number))).unwrap();
    }
    Judged {
        ours: verdict.map(drop).map_err(|refusal| refusal.to_string()),
        theirs: if run.success { Ok(()) } else { Err(run.stderr) },
    }
}

#[test]
fn skopeo_judges_the_same_but_for_differences_that_have_a_name() {
    require_peers!("skopeo", "gpg");
    let cases = cases();
    let judged: Vec<Judged> = thread::scope(|scope| {
        let parts: Vec<_> = cases
            .chunks(50)
            .map(|part| scope.spawn(|| judged(part)))
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    let mut named: BTreeMap<&str, Difference> = DIFFERENCES.iter().copied().collect();
    assert_eq!(named.len(), DIFFERENCES.len());
    let mut wrong = Vec::new();
    let mut accepted = 0;
    for (case, Judged { ours, theirs }) in cases.iter().zip(&judged) {
        accepted += usize::from(theirs.is_ok() && ours.is_ok());
        let expected = named.remove(case.name.as_str());
        let agrees = match expected {
            None => ours.is_ok() == theirs.is_ok(),
            Some(Stricter(_)) => ours.is_err() && theirs.is_ok(),
            Some(Laxer(_)) => ours.is_ok() && theirs.is_err(),
        };
        if !agrees {
            wrong.push(format!(
                "{}: Skopeo {theirs:?}, ours {ours:?}; expected {expected:?}",
                case.name
            ));
        }
    }
    let count = cases.len();
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(named.is_empty(), "no such cases: {named:?}");
    assert!(
        count >= 120 && accepted >= 30,
        "{count} cases, {accepted} accepted by both"
    );
    println!("{count} cases, {accepted} accepted by both");
    for (name, difference) in DIFFERENCES {
        println!("{name}: {difference:?}");
    }
}
