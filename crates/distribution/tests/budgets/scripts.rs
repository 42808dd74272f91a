use std::io::Write as _;

use bytes::Bytes;
use serde_json::json;
use wharf_testkit::hostile::{Answer, BodyUse, Fault, Match, OriginOptions, Rule, Step, scene::Scene};

use crate::{ask::Ask, case::Case};

type Cases = Vec<Case>;
type Script = (&'static str, fn() -> Cases);
type Reply = (&'static str, fn() -> Vec<Step>);

/// The scripts by name, each of a row in docs/threats.md.
pub(crate) const ALL: [Script; 11] = [
    ("x01_endless_bodies_are_cut", x01_endless_bodies_are_cut),
    (
        "x01_compressed_bodies_are_not_unpacked",
        x01_compressed_bodies_are_not_unpacked,
    ),
    ("x01_endless_heads_are_cut", x01_endless_heads_are_cut),
    ("x02_false_lengths_cost_nothing", x02_false_lengths_cost_nothing),
    ("x03_what_is_dropped_is_closed", x03_what_is_dropped_is_closed),
    ("x04_refusals_end", x04_refusals_end),
    ("x06_redirects_end", x06_redirects_end),
    ("x08_resets_end", x08_resets_end),
    ("x09_documents_cost_their_size", x09_documents_cost_their_size),
    ("n08_lists_end", n08_lists_end),
    ("i03_blobs_end_at_their_size", i03_blobs_end_at_their_size),
];

const MIB: u64 = 1 << 20;
const ERROR: u64 = 64 << 10;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Every endpoint whose answer is read, and how much of it.
const ENDPOINTS: [(Ask, u64); 13] = [
    (Ask::Manifest, 4 * MIB),
    (Ask::Digest, 4 * MIB),
    (Ask::Blob(100_000), 100_000),
    (Ask::HasBlob, 0),
    (Ask::Tags, 4 * MIB),
    (Ask::Referrers, 4 * MIB),
    (Ask::Catalog, 4 * MIB),
    (Ask::Search, 4 * MIB),
    (Ask::Extensions, MIB),
    (Ask::Login, ERROR),
    (Ask::PushBlob, ERROR),
    (Ask::PushManifest, ERROR),
    (Ask::DeleteTag, ERROR),
];

fn endless(status: u16, headers: &str) -> Vec<Step> {
    let head = format!("HTTP/1.1 {status} X\r\n{headers}Transfer-Encoding: chunked\r\n\r\n");
    let chunk = [&b"4000\r\n"[..], &[b' '; 0x4000], b"\r\n"].concat();
    vec![Step::Send(head.into()), Step::Repeat(chunk.into(), u64::MAX)]
}

fn x01_endless_bodies_are_cut() -> Cases {
    let mut cases = Vec::new();
    for (ask, limit) in ENDPOINTS {
        for status in [200, 401, 404, 500] {
            let limit = if status == 200 {
                limit
            } else {
                ERROR.min(limit.max(1))
            };
            let case = || {
                let set = move |scene: &Scene| {
                    let headers =
                        format!("WWW-Authenticate: Basic realm=\"x\"\r\nContent-Type: {MANIFEST}\r\n");
                    scene.registry.on(Match::any(), endless(status, &headers));
                };
                // What is not there is looked for elsewhere, and what exists is not sent: a few more
                // requests.
                let case = Case::new(format!("{ask:?} {status}"), ask, set).with_requests(3);
                case.with_taken(limit).with_connections(3)
            };
            cases.push(case());
            cases.push(case().over_http2());
        }
    }
    for status in [200, 401, 404, 500] {
        let limit = MIB;
        let set = move |scene: &Scene| {
            let challenge = "Bearer realm=\"https://auth.example.test/token\"";
            scene.registry.on(Match::any(), Answer::challenge(challenge));
            scene.auth.clear().on(Match::any(), endless(status, ""));
        };
        let case = Case::new(format!("token {status}"), Ask::Manifest, set).with_requests(2);
        cases.push(case.with_taken(limit).with_connections(2));
    }
    cases
}

fn x01_compressed_bodies_are_not_unpacked() -> Cases {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![b' '; 100 << 20]).unwrap();
    let bomb = Bytes::from(encoder.finish().unwrap());
    let asks = [
        Ask::Manifest,
        Ask::Blob(100 << 20),
        Ask::Tags,
        Ask::Referrers,
        Ask::Login,
    ];
    let case = |ask: Ask| {
        let bomb = bomb.clone();
        let set = move |scene: &Scene| {
            let answer = Answer::ok(bomb.clone())
                .header("Content-Type", INDEX)
                .header("Content-Encoding", "gzip");
            let answer = if ask == Ask::Login {
                answer.status(500)
            } else {
                answer
            };
            scene.registry.on(Match::any(), answer);
        };
        Case::new(format!("{ask:?}"), ask, set)
            .with_taken(200 << 10)
            .with_heap(2 * MIB)
    };
    asks.map(case).into()
}

fn x01_endless_heads_are_cut() -> Cases {
    let endless_value = || {
        vec![
            Step::Send("HTTP/1.1 200 OK\r\nX: ".into()),
            Step::Repeat(Bytes::from_static(&[b'x'; 4096]), u64::MAX),
        ]
    };
    let endless_names = || {
        vec![
            Step::Send("HTTP/1.1 200 OK\r\n".into()),
            Step::Repeat(Bytes::from_static(b"Name: value\r\n"), u64::MAX),
        ]
    };
    let hints = || {
        vec![Step::Repeat(
            "HTTP/1.1 103 X\r\nLink: </x>\r\n\r\n".repeat(64).into(),
            u64::MAX,
        )]
    };
    let warnings = || {
        let text = format!("299 - \"{}\"", "x".repeat(600));
        let head = (0..90).fold(Answer::ok("{}"), |answer, _| answer.header("Warning", &text));
        head.header("Content-Type", MANIFEST).steps()
    };
    let scripts: [Reply; 4] = [
        ("one value", endless_value),
        ("names", endless_names),
        ("provisional answers", hints),
        ("warnings", warnings),
    ];
    let case = |(what, steps): Reply| {
        let set = move |scene: &Scene| {
            scene.registry.on(Match::any(), steps());
        };
        let case = Case::new(what, Ask::Manifest, set).with_heap(4 * MIB);
        if what == "provisional answers" {
            // They are read and forgotten until the time for an answer is over.
            let mut case = case;
            case.budget.sent = u64::MAX;
            return case;
        }
        case
    };
    scripts.map(case).into()
}

fn x02_false_lengths_cost_nothing() -> Cases {
    let mut cases = Vec::new();
    for (ask, _) in ENDPOINTS {
        if ask == Ask::HasBlob {
            continue;
        }
        for status in [200, 404] {
            for length in ["9223372036854775807", "18446744073709551614", "1099511627776"] {
                let set = move |scene: &Scene| {
                    let answer = Answer::new(status)
                        .body("{")
                        .header("Content-Type", MANIFEST)
                        .claim_length(length)
                        .fault(Fault::Cut(1));
                    scene.registry.on(Match::any(), answer);
                };
                let case = Case::new(format!("{ask:?} {status} {length}"), ask, set);
                cases.push(case.with_requests(3).with_connections(3).with_heap(2 * MIB));
            }
        }
    }
    cases
}

fn x03_what_is_dropped_is_closed() -> Cases {
    let table: [(&str, Ask, Vec<Step>); 6] = [
        ("before the head", Ask::Manifest, vec![Step::Stall]),
        (
            "within the head",
            Ask::Manifest,
            vec![Step::Send("HTTP/1.1 200".into()), Step::Stall],
        ),
        (
            "within a manifest",
            Ask::Manifest,
            Answer::ok("{  }").fault(Fault::Stall(2)).steps(),
        ),
        (
            "within a blob",
            Ask::Blob(1000),
            Answer::ok(vec![7; 1000]).fault(Fault::Stall(500)).steps(),
        ),
        (
            "within a list",
            Ask::Tags,
            Answer::ok("{\"tags\":[").fault(Fault::Stall(5)).steps(),
        ),
        ("before an upload begins", Ask::PushBlob, vec![Step::Stall]),
    ];
    let mut cases = Vec::new();
    for (what, ask, steps) in table {
        let case = || {
            let steps = steps.clone();
            let set = move |scene: &Scene| {
                scene.registry.on(Match::any(), steps.clone());
            };
            let mut case = Case::new(what, ask, set).with_heap(2 * MIB);
            case.dropped = true;
            case
        };
        cases.push(case());
        cases.push(case().over_http2());
    }
    let upload = |scene: &Scene| {
        scene
            .registry
            .on(Match::on("HEAD", "/"), Answer::new(404).head_only())
            .on(
                Match::on("POST", "/"),
                Answer::new(202).header("Location", "/up/1"),
            )
            .rule(Rule::new(Match::on("PUT", "/"), Step::Stall).body(BodyUse::UpTo(1)))
            .on(Match::on("DELETE", "/"), Answer::new(204));
    };
    let mut case = Case::new("within an upload", Ask::PushBlob, upload)
        .with_requests(4)
        .with_connections(2)
        .with_heap(2 * MIB);
    case.dropped = true;
    cases.push(case);
    cases
}

fn x04_refusals_end() -> Cases {
    let mut cases = Vec::new();
    for status in [408, 425, 429, 500, 502, 503, 504] {
        for ask in [
            Ask::Manifest,
            Ask::Blob(1000),
            Ask::Tags,
            Ask::PushManifest,
            Ask::Login,
        ] {
            let set = move |scene: &Scene| {
                let answer = Answer::new(status)
                    .body("<html>".repeat(2000))
                    .header("Content-Type", "text/html");
                scene.registry.on(Match::any(), answer);
            };
            let case = Case::new(format!("{ask:?} {status}"), ask, set).with_retries();
            cases.push(
                case.with_requests(6)
                    .with_connections(6)
                    .with_taken(6 * ERROR)
                    .with_heap(4 * MIB),
            );
        }
    }
    cases
}

fn x06_redirects_end() -> Cases {
    let chain = |scene: &Scene| {
        scene.registry.rule(Rule::call(Match::any(), |request| {
            let number = request.path().rsplit('-').next().and_then(|hop| hop.parse().ok());
            Answer::redirect(307, &format!("/hop-{}", number.unwrap_or(0u64) + 1))
        }));
    };
    let between = |scene: &Scene| {
        let to = |host: &str| Answer::redirect(307, &format!("https://{host}/x"));
        scene.registry.on(Match::any(), to("cdn.test"));
        scene.cdn.on(Match::any(), to("evil.test"));
        scene.evil.on(Match::any(), to("cdn.test"));
    };
    let itself = |scene: &Scene| {
        scene.registry.rule(Rule::call(Match::any(), |request| {
            Answer::redirect(307, &request.target)
        }));
    };
    let fat = |scene: &Scene| {
        scene
            .registry
            .on(Match::any(), endless(307, "Location: /again\r\n"));
    };
    let mut cases = Vec::new();
    for ask in [Ask::Manifest, Ask::Blob(1000), Ask::Tags, Ask::Login] {
        let named = |what: &str| format!("{ask:?} {what}");
        cases.push(
            Case::new(named("chain"), ask, chain)
                .with_requests(6)
                .with_retries(),
        );
        cases.push(
            Case::new(named("two hosts"), ask, between)
                .with_requests(3)
                .with_connections(3)
                .with_retries(),
        );
        cases.push(
            Case::new(named("itself"), ask, itself)
                .with_requests(1)
                .with_retries(),
        );
        cases.push(
            Case::new(named("endless"), ask, fat)
                .with_requests(2)
                .with_connections(2)
                .with_retries(),
        );
    }
    for case in &mut cases {
        case.heap = 4 * MIB;
    }
    cases
}

fn x08_resets_end() -> Cases {
    const REFUSED_STREAM: u32 = 7;
    let mut cases = Vec::new();
    for reason in 0..=13 {
        // A refused stream was not processed: the request is sent once more at once.
        let requests = if reason == REFUSED_STREAM { 7 } else { 6 };
        for ask in [Ask::Manifest, Ask::Blob(1000), Ask::Tags] {
            let set = move |scene: &Scene| {
                scene.registry.on(Match::any(), Step::ResetStream(reason));
            };
            let mut case = Case::new(format!("{ask:?} reset {reason}"), ask, set).with_retries();
            case.options = OriginOptions::default().http2();
            cases.push(
                case.with_requests(requests)
                    .with_connections(6)
                    .with_heap(4 * MIB),
            );
            let set = move |scene: &Scene| {
                scene.registry.on(Match::any(), Step::GoAway(reason.max(1)));
            };
            let mut case = Case::new(format!("{ask:?} goes away {reason}"), ask, set).with_retries();
            case.options = OriginOptions::default().http2();
            cases.push(case.with_requests(12).with_connections(12).with_heap(4 * MIB));
        }
    }
    cases
}

fn x09_documents_cost_their_size() -> Cases {
    let fill = |open: &str, unit: &str, close: &str| {
        let room = (4 << 20) - open.len() - close.len();
        format!("{open}{}{close}", unit.repeat(room / unit.len()))
    };
    let documents = [
        ("brackets", fill("", "[", "")),
        ("braces", fill("", "{\"a\":", "")),
        ("annotations", {
            let many: Vec<String> = (0..250_000)
                .map(|number| format!("\"{number:06}\":\"\""))
                .collect();
            format!("{{\"schemaVersion\":2,\"annotations\":{{{}}}}}", many.join(","))
        }),
        (
            "manifests",
            fill("{\"schemaVersion\":2,\"manifests\":[", "{},", "{}]}"),
        ),
        ("layers", fill("{\"schemaVersion\":2,\"layers\":[", "{},", "{}]}")),
        ("strings", fill("{\"schemaVersion\":2,\"x\":[", "\"\",", "\"\"]}")),
        ("numbers", fill("{\"schemaVersion\":2,\"x\":[", "1,", "1]}")),
        ("digits", fill("{\"schemaVersion\":", "9", "}")),
        ("escapes", fill("{\"schemaVersion\":2,\"x\":\"", "\\u0001", "\"}")),
    ];
    let mut cases = Vec::new();
    for (what, document) in documents {
        for (ask, kind) in [
            (Ask::Manifest, MANIFEST),
            (Ask::Manifest, INDEX),
            (Ask::Referrers, INDEX),
        ] {
            let document = Bytes::from(document.clone());
            let set = move |scene: &Scene| {
                let answer = Answer::ok(document.clone()).header("Content-Type", kind);
                scene.registry.on(Match::any(), answer);
            };
            let case = Case::new(format!("{ask:?} {kind} {what}"), ask, set);
            cases.push(case.with_taken(4 * MIB));
        }
    }
    cases
}

fn n08_lists_end() -> Cases {
    let pages = |tags: fn(u64) -> Vec<String>| {
        move |scene: &Scene| {
            scene.registry.rule(Rule::call(Match::any(), move |request| {
                let number = request.query("page").pop().and_then(|page| page.parse().ok());
                let number: u64 = number.unwrap_or(0);
                let next = format!("<{}?page={}>; rel=\"next\"", request.path(), number + 1);
                let names = tags(number);
                Answer::json(
                    &json!({ "tags": names, "repositories": names, "schemaVersion": 2, "manifests": [] }),
                )
                .replace_header("Content-Type", INDEX)
                .header("Link", &next)
            }));
        }
    };
    let one: fn(u64) -> Vec<String> = |number| vec![format!("t{number}")];
    let none: fn(u64) -> Vec<String> = |_| Vec::new();
    // More than a million in less than a thousand pages.
    let many: fn(u64) -> Vec<String> = |number| (0..2000).map(|tag| format!("t{number}-{tag}")).collect();
    let mut cases = Vec::new();
    for ask in [Ask::Tags, Ask::EachTag, Ask::Catalog, Ask::Referrers] {
        let named = |what: &str| format!("{ask:?} {what}");
        let bounded = |case: Case| case.with_requests(1000).with_taken(64 * MIB).with_heap(4 * MIB);
        cases.push(bounded(Case::new(named("one by one"), ask, pages(one))));
        cases.push(bounded(Case::new(named("empty"), ask, pages(none))));
    }
    let case = Case::new("EachTag many", Ask::EachTag, pages(many)).with_requests(1000);
    cases.push(case.with_taken(64 * MIB).with_heap(4 * MIB));
    cases
}

fn i03_blobs_end_at_their_size() -> Cases {
    let mut cases = Vec::new();
    for size in [0, 1, 1000, MIB] {
        let case = || {
            let set = |scene: &Scene| {
                scene.registry.on(Match::any(), endless(200, ""));
            };
            let case = Case::new(format!("{size} bytes"), Ask::Blob(size), set);
            case.with_taken(size).with_heap(4 * MIB)
        };
        cases.push(case());
        cases.push(case().over_http2());
    }
    let set = |scene: &Scene| {
        scene.registry.on(Match::any(), Answer::ok("short").until_close());
    };
    for size in [1 << 62, i64::MAX as u64] {
        let case = Case::new(format!("{size} bytes promised"), Ask::Blob(size), set);
        cases.push(case.with_requests(3).with_connections(3).with_heap(4 * MIB));
    }
    cases
}
