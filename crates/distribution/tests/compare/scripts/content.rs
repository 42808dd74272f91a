use serde_json::json;
use wharf_testkit::{
    Image, Request,
    hostile::{Answer, Fault, Match, Outcome, blob_answer},
};

use super::{Act, Script, cut_once, endless, script};
use crate::play::Play;

/// What is accepted as content.
pub(super) fn integrity() -> Vec<Script> {
    use Outcome::{Correct, Refused};
    vec![
        script(
            "I2",
            "another manifest than the digest asked for",
            Act::PullDigest,
            Refused,
            |play| {
                let other = Image::small("another");
                let answer = Answer::ok(other.manifest().bytes().clone())
                    .header("Content-Type", play.image.manifest().media_type().as_str())
                    .header("Docker-Content-Digest", play.image.manifest().digest().as_str());
                play.registry
                    .on(Match::get("/manifests/"), answer)
                    .serve_image("team/app", "other", &other);
            },
        ),
        script(
            "I4",
            "a bit flipped in the layer's last byte",
            Act::Pull,
            Refused,
            |play| {
                let last = play.layer().1.len() as u64 - 1;
                let flipped = Answer::ok(play.layer().1.clone()).fault(Fault::Flip(last));
                play.registry.on(Match::get(&play.layer_path()), flipped);
            },
        ),
        script("I3", "a layer without end", Act::Pull, Refused, |play| {
            play.registry.on(Match::get(&play.layer_path()), endless(200));
        }),
        script(
            "I5",
            "a manifest that is an index, too",
            Act::Pull,
            Refused,
            |play| {
                let text = String::from_utf8(play.image.manifest().bytes().to_vec()).unwrap();
                manifest_says(play, text.replacen('{', "{\"manifests\":[],", 1));
            },
        ),
        script("I5", "a manifest with layers twice", Act::Pull, Refused, |play| {
            let text = String::from_utf8(play.image.manifest().bytes().to_vec()).unwrap();
            manifest_says(play, text.replacen('{', "{\"layers\":[],", 1));
        }),
        script(
            "I9",
            "the rest of a layer, from the wrong byte",
            Act::Pull,
            Refused,
            |play| {
                cut_once(play, |request, bytes| {
                    let from = first_byte(request) + 1;
                    let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
                    Answer::ok(bytes.slice(from..))
                        .status(206)
                        .header("Content-Range", &range)
                });
            },
        ),
        script("I9", "the rest of another layer", Act::Pull, Refused, |play| {
            cut_once(play, |request, bytes| {
                blob_answer(request, &vec![7; bytes.len()].into())
            });
        }),
        script(
            "I10",
            "a list with a referrer of something else",
            Act::Referrers,
            Correct,
            |play| {
                let entry = |image: &Image| {
                    let mut entry = serde_json::to_value(image.manifest().descriptor()).unwrap();
                    let kind = "application/vnd.example.note".into();
                    entry
                        .as_object_mut()
                        .unwrap()
                        .insert("artifactType".to_owned(), kind);
                    entry
                };
                let other = Image::builder()
                    .subject(Image::small("another").manifest().descriptor())
                    .files(&[("x", b"x")])
                    .finish();
                let kind = "application/vnd.oci.image.index.v1+json";
                let list = json!({ "schemaVersion": 2, "mediaType": kind, "manifests": [entry(&play.note), entry(&other)] });
                play.registry
                    .on(
                        Match::get("/referrers/"),
                        Answer::json(&list).replace_header("Content-Type", kind),
                    )
                    .serve_image("team/app", "other", &other);
            },
        ),
    ]
}

fn manifest_says(play: &Play, text: String) {
    let answer = Answer::ok(text).header("Content-Type", play.image.manifest().media_type().as_str());
    play.registry.on(Match::get("/manifests/v1"), answer);
}

fn first_byte(request: &Request) -> usize {
    let range = request
        .header("range")
        .and_then(|range| range.strip_prefix("bytes="));
    let first = range.and_then(|range| range.split('-').next());
    first.and_then(|first| first.parse().ok()).unwrap_or(0)
}
