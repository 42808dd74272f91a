use Failure::{Codes, Http, Status};
use NextStep::{AtOnce, Later, Never};
use UploadMethod::{Chunks, Patch, Whole};
use wharf_content::ErrorKind;
use wharf_http::ErrorKind as Kind;

use super::*;
use crate::{
    RegistryError,
    error::{Detail, Operation},
};

const MIB: u64 = 1 << 20;

enum Failure {
    Status(u16),
    Codes(u16, &'static str),
    Http(Kind),
}

impl Failure {
    fn error(&self) -> Error {
        let error = Error::new(ErrorKind::Server, Operation::PushBlob, "r.test/app", "refused");
        match *self {
            Status(status) => error.edit(|inner| inner.status = Some(status)),
            Codes(status, code) => error.edit(|inner| {
                inner.status = Some(status);
                inner.codes.push(RegistryError::new(code, "", ""));
            }),
            Http(kind) => error.with_detail(Detail::Http(kind)),
        }
    }
}

/// A blob of this many bytes; the failures one after the other, each with the step and the method that follow; the
/// method of the next blob.
type Case<'a> = (u64, &'a [(Failure, NextStep, UploadMethod)], UploadMethod);

/// The rows of the table, in its order.
const CASES: &[Case<'static>] = &[
    // Final, in any way.
    (MIB, &[(Status(401), Never, Whole)], Whole),
    (MIB, &[(Codes(403, "DENIED"), Never, Whole)], Whole),
    (MIB, &[(Codes(404, "NAME_UNKNOWN"), Never, Whole)], Whole),
    (MIB, &[(Codes(400, "NAME_INVALID"), Never, Whole)], Whole),
    (
        MIB,
        &[
            (Status(400), AtOnce, Patch),
            (Codes(403, "UNAUTHORIZED"), Never, Patch),
        ],
        Whole,
    ),
    // Whole, after PATCH was refused: a passing reason, any other.
    (
        MIB,
        &[
            (Status(400), AtOnce, Patch),
            (Status(405), AtOnce, Whole),
            (Status(404), Later, Whole),
            (Http(Kind::Broken), Later, Whole),
            (Status(500), Later, Whole),
            (Status(413), Never, Whole),
        ],
        Whole,
    ),
    // 429 and 503 never lead to another way.
    (
        2 * MIB,
        &[
            (Status(429), Later, Whole),
            (Status(503), Later, Whole),
            (Status(429), Later, Whole),
            (Status(503), Later, Whole),
        ],
        Whole,
    ),
    // 413: half, within 1 MiB and 16 MiB; then a quarter; 1 MiB that is too much is the end.
    (
        9 * MIB,
        &[
            (Status(413), AtOnce, Chunks(9 * MIB / 2)),
            (Status(413), AtOnce, Chunks(9 * MIB / 8)),
            (Status(413), AtOnce, Chunks(MIB)),
            (Status(413), Never, Chunks(MIB)),
        ],
        Chunks(MIB),
    ),
    (MIB + 1, &[(Status(413), AtOnce, Chunks(MIB))], Chunks(MIB)),
    (
        100 * MIB,
        &[(Status(413), AtOnce, Chunks(16 * MIB))],
        Chunks(16 * MIB),
    ),
    (
        MIB,
        &[(Status(413), AtOnce, Patch), (Status(413), Never, Patch)],
        Whole,
    ),
    // Other passing statuses count.
    (
        9 * MIB,
        &[(Status(404), Later, Whole), (Status(416), Later, Patch)],
        Whole,
    ),
    (
        9 * MIB,
        &[(Status(408), Later, Whole), (Status(499), Later, Patch)],
        Whole,
    ),
    (
        9 * MIB,
        &[(Status(503), Later, Whole), (Status(502), Later, Patch)],
        Whole,
    ),
    (
        9 * MIB,
        &[(Status(524), Later, Whole), (Status(425), Later, Patch)],
        Whole,
    ),
    // Other refusals of the client's request, and of the method.
    (9 * MIB, &[(Status(400), AtOnce, Patch)], Whole),
    (9 * MIB, &[(Status(403), AtOnce, Patch)], Whole),
    (9 * MIB, &[(Status(501), AtOnce, Patch)], Whole),
    // No status.
    (
        64 * MIB,
        &[
            (Http(Kind::Broken), Later, Whole),
            (Http(Kind::Timeout), Later, Whole),
            (Http(Kind::ConnectTimeout), Later, Chunks(16 * MIB)),
            (Http(Kind::Overloaded), Later, Chunks(16 * MIB)),
        ],
        Whole,
    ),
    (
        64 * MIB + 1,
        &[(Http(Kind::Broken), Later, Chunks(16 * MIB))],
        Whole,
    ),
    (
        MIB,
        &[
            (Http(Kind::Broken), Later, Whole),
            (Http(Kind::Broken), Later, Whole),
            (Http(Kind::Broken), Later, Patch),
        ],
        Whole,
    ),
    // Any other.
    (MIB, &[(Status(507), Never, Whole)], Whole),
    (MIB, &[(Status(302), Never, Whole)], Whole),
    (MIB, &[(Http(Kind::Tls), Never, Whole)], Whole),
    // By PATCH.
    (
        400 * MIB,
        &[
            (Status(400), AtOnce, Patch),
            (Status(413), AtOnce, Chunks(16 * MIB)),
        ],
        Chunks(16 * MIB),
    ),
    (
        MIB,
        &[(Status(400), AtOnce, Patch), (Status(415), AtOnce, Whole)],
        Whole,
    ),
    (
        MIB,
        &[(Status(400), AtOnce, Patch), (Status(501), AtOnce, Whole)],
        Whole,
    ),
    (
        MIB,
        &[(Status(400), AtOnce, Patch), (Status(404), AtOnce, Whole)],
        Whole,
    ),
    (
        MIB,
        &[(Status(403), AtOnce, Patch), (Status(400), AtOnce, Whole)],
        Whole,
    ),
    (
        MIB,
        &[
            (Status(400), AtOnce, Patch),
            (Status(502), Later, Patch),
            (Status(416), Later, Patch),
        ],
        Whole,
    ),
    (
        MIB,
        &[(Status(400), AtOnce, Patch), (Status(403), Never, Patch)],
        Whole,
    ),
    // Bytes that changed on the way, by PATCH and after PATCH was refused: once.
    (
        MIB,
        &[
            (Codes(400, "DIGEST_INVALID"), AtOnce, Patch),
            (Codes(400, "SIZE_INVALID"), Later, Patch),
            (Codes(400, "DIGEST_INVALID"), Never, Patch),
        ],
        Whole,
    ),
    (
        MIB,
        &[
            (Status(400), AtOnce, Patch),
            (Status(404), AtOnce, Whole),
            (Codes(400, "DIGEST_INVALID"), Later, Whole),
            (Codes(400, "DIGEST_INVALID"), Never, Whole),
        ],
        Whole,
    ),
];

#[tokio::test]
async fn every_row_of_the_table_is_followed() {
    let registry = Registry::parse("r.test").unwrap();
    for (number, (size, failures, remembered)) in CASES.iter().enumerate() {
        let client = Client::builder().build().unwrap();
        let mut strategy = UploadStrategy::new(&client, &registry, *size);
        for (index, (failure, step, method)) in failures.iter().enumerate() {
            let found = (strategy.after(&failure.error()), strategy.method());
            assert_eq!(found, (*step, *method), "case {number}, failure {index}");
        }
        let next = UploadStrategy::new(&client, &registry, *size).method();
        assert_eq!(next, *remembered, "the blob after case {number}");
    }
}

#[tokio::test]
async fn the_next_blobs_go_the_way_that_was_accepted() {
    let registry = Registry::parse("r.test").unwrap();
    let client = Client::builder().build().unwrap();
    let mut strategy = UploadStrategy::new(&client, &registry, MIB);
    strategy.after(&Status(400).error());
    strategy.succeeded();
    let mut next = UploadStrategy::new(&client, &registry, 400 * MIB);
    assert_eq!(next.method(), Patch);
    // A refused PATCH outweighs all else.
    next.after(&Status(413).error());
    assert_eq!(
        UploadStrategy::new(&client, &registry, MIB).method(),
        Chunks(16 * MIB)
    );
    next.after(&Status(405).error());
    assert_eq!(UploadStrategy::new(&client, &registry, MIB).method(), Whole);
}
