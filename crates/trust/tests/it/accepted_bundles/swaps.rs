//! Parts of good bundles in each other's place, judged by requirements.

use rcgen::KeyPair;
use serde_json::Value;
use wharf_content::Signature;
use wharf_trust::{Subject, Trust};

use super::kit::{
    By, DAY, DEFAULT_IDENTITY, Log, Making, TIME, ada, authority, bundle, fulcio, keys, listed, trust,
    trusted_root,
};
use crate::{
    bundles::swaps::differences,
    support::{NAME, manifest, reference},
};

fn is_accepted(trust: &Trust, signature: Signature) -> bool {
    let name = reference(NAME);
    trust
        .judge(&Subject::new(&manifest(), &name), &[signature])
        .is_ok()
}

/// Threat row T160.
#[test]
fn no_part_of_an_accepted_bundle_can_be_anothers() {
    let (key, log) = (KeyPair::generate().unwrap(), Log::new("log.example"));
    let authority = authority("authority");
    let root = || trusted_root(&[log.listed(TIME - DAY, None)], &[listed(&[&authority])]);
    let making = |is_key: bool| {
        let by = if is_key {
            By::Key(&key)
        } else {
            By::Certificate(&authority, ada())
        };
        Making::by(by)
    };
    let other_digest = format!("sha256:{}", "1".repeat(64));
    let mut count = 0;
    for (requirement, is_key, is_logged) in [
        (keys(&[&key], &[]), true, false),
        (keys(&[&key], &[&log]), true, true),
        (fulcio(&[&authority], &[&log]), false, true),
    ] {
        let trust = trust(&requirement, DEFAULT_IDENTITY)
            .bundles_name_nothing_but_a_digest()
            .with_root(root());
        let made = |digest: Option<&String>, time: i64| {
            let mut making = making(is_key);
            making.digest = digest.cloned().unwrap_or(making.digest);
            if is_logged {
                making = making.in_log_at(&log, time);
            }
            making.make()
        };
        // One of another image, and one of this image that was made another time.
        let good = made(None, TIME);
        assert!(is_accepted(&trust, bundle(&good)));
        for other in [made(Some(&other_digest), TIME + 60), made(None, TIME + 60)] {
            let mut pointers = Vec::new();
            differences(&good, &other, String::new(), &mut pointers);
            for pointer in pointers {
                let swapped = |into: &Value, from: &Value| {
                    let mut mixed = into.clone();
                    *mixed.pointer_mut(&pointer).unwrap() = from.pointer(&pointer).unwrap().clone();
                    mixed
                };
                for mixed in [swapped(&good, &other), swapped(&other, &good)] {
                    if mixed == good || mixed == other {
                        continue;
                    }
                    // A signature by the same key over the same bytes is as good as another.
                    let is_same =
                        !is_logged && other["dsseEnvelope"]["payload"] == good["dsseEnvelope"]["payload"];
                    assert!(
                        is_same || !is_accepted(&trust, bundle(&mixed)),
                        "{requirement} {pointer}"
                    );
                    count += 1;
                }
            }
        }
    }
    println!("{count} swaps, 0 accepted");
    assert!(count > 50, "{count}");
}
