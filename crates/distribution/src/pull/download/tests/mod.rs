//! Every arrow of the diagram, over a scripted transport on a paused clock.

mod server;

use std::{future::poll_fn, ops::Range};

use http::StatusCode;
use wharf_content::{Descriptor, MediaType};
use wharf_http::RetryPolicy;
use wharf_reference::{Registry, Repository};

use self::server::{
    Asked, CHUNK,
    Reply::{self, All, Cut, Longer, Overloaded, Status},
    Server,
};
use super::{
    Arrow::{Answer, Complete, FallBack, GiveUp, Narrow, Overrun, Refuse, Rejoin, Resume, Widen},
    *,
};
use crate::Client;

const MIB: u64 = 1024 * 1024;
/// The pause of a stream before each chunk: 12.5 MiB a second. It widens after 3.8 MiB.
const SLOW: Duration = Duration::from_millis(5);
/// The pause of a range that is no faster, because four share what the stream had.
const SHARED: Duration = Duration::from_millis(20);

/// One download: what the server answers, and which arrows it follows.
struct Case {
    name: &'static str,
    size: u64,
    reply: fn(Asked) -> Reply,
    arrows: &'static [Arrow],
    setting: Setting,
}

#[derive(Clone, Copy)]
struct Setting {
    policy: fn() -> RetryPolicy,
    in_any_order: bool,
    has_ranges: bool,
    /// The time that the consumer needs for a chunk.
    consumer: Duration,
    /// Permits for ranges that other blobs hold.
    held: u32,
}

const USUAL: Setting = Setting {
    policy: RetryPolicy::default,
    in_any_order: true,
    has_ranges: true,
    consumer: Duration::ZERO,
    held: 0,
};

const NEVER: Setting = Setting {
    policy: RetryPolicy::never,
    ..USUAL
};

const fn case(name: &'static str, size: u64, reply: fn(Asked) -> Reply, arrows: &'static [Arrow]) -> Case {
    Case {
        name,
        size,
        reply,
        arrows,
        setting: USUAL,
    }
}

impl Case {
    const fn with(mut self, setting: Setting) -> Self {
        self.setting = setting;
        self
    }
}

const FAST: Reply = All(Duration::ZERO);

/// A slow stream whose ranges get this reply.
fn slow(asked: Asked, range: impl FnOnce(u64) -> Reply) -> Reply {
    match asked {
        Asked::Whole => All(SLOW),
        Asked::Rest => FAST,
        Asked::Range(start) => range(start),
    }
}

fn fast_ranges(asked: Asked) -> Reply {
    slow(asked, |_| All(SLOW))
}

/// No gain, and the ranges that are open when that shows break off.
fn ranges_that_end_in_overload(asked: Asked) -> Reply {
    match asked {
        Asked::Whole => Overloaded(SLOW),
        Asked::Rest => FAST,
        Asked::Range(start) if start > 9 * MIB => Overloaded(SHARED),
        Asked::Range(_) => All(SHARED),
    }
}

/// The first round of ranges is faster, the second is not; by its end nothing is left to be asked for.
fn ranges_that_become_slow(asked: Asked) -> Reply {
    slow(asked, |start| {
        if start < 11 * MIB {
            All(SLOW)
        } else {
            All(20 * SLOW)
        }
    })
}

fn cases_of_one_stream() -> Vec<Case> {
    let cut = |asked| match asked {
        Asked::Whole => Cut(Duration::ZERO, MIB / 2),
        _ => FAST,
    };
    vec![
        case("one stream", MIB, |_| FAST, &[Complete]),
        case("nothing is slow", 24 * MIB, |_| FAST, &[Complete]),
        // resume, answer
        case("cut once", MIB, cut, &[Resume, Answer, Complete]),
        case(
            "cut after every second chunk",
            6 * CHUNK,
            |_| Cut(Duration::ZERO, 2 * CHUNK),
            &[Resume, Answer, Resume, Answer, Complete],
        ),
        case(
            "the whole again",
            MIB,
            |asked| match asked {
                Asked::Whole => Cut(Duration::ZERO, MIB / 2),
                _ => Status(StatusCode::OK),
            },
            &[Resume, Answer, Complete],
        ),
        // give up
        case(
            "nothing comes",
            MIB,
            |_| Cut(Duration::ZERO, 0),
            &[Resume, Answer, Resume, Answer, GiveUp],
        ),
        case("cut, and never again", MIB, cut, &[GiveUp]).with(NEVER),
        case(
            "cut, and two attempts",
            MIB,
            |_| Cut(Duration::ZERO, 0),
            &[Resume, Answer, GiveUp],
        )
        .with(Setting {
            policy: || RetryPolicy::default().with_max_attempts(2),
            ..USUAL
        }),
        // refuse
        case(
            "gone after a cut",
            MIB,
            |asked| match asked {
                Asked::Whole => Cut(Duration::ZERO, MIB / 2),
                _ => Status(StatusCode::NOT_FOUND),
            },
            &[Resume, Refuse],
        ),
        // overrun
        case("encoded and longer", MIB, |_| Longer, &[Overrun]),
    ]
}

/// Each fails one condition of the arrow widen.
fn cases_that_do_not_widen() -> Vec<Case> {
    vec![
        case("slow, in order", 24 * MIB, fast_ranges, &[Complete]).with(Setting {
            in_any_order: false,
            ..USUAL
        }),
        case("slow, without ranges", 24 * MIB, fast_ranges, &[Complete]).with(Setting {
            has_ranges: false,
            ..USUAL
        }),
        case("slow and small", 16 * MIB, fast_ranges, &[Complete]),
        case("a slower consumer", 24 * MIB, fast_ranges, &[Complete]).with(Setting {
            consumer: 2 * SLOW,
            ..USUAL
        }),
        case("slow, all permits taken", 24 * MIB, fast_ranges, &[Complete])
            .with(Setting { held: 10, ..USUAL }),
    ]
}

fn cases_of_ranges() -> Vec<Case> {
    vec![
        // widen
        case("slow", 24 * MIB, fast_ranges, &[Widen, Complete]),
        case(
            "one range breaks off",
            24 * MIB,
            |asked| {
                slow(asked, |start| {
                    if (6 * MIB..7 * MIB).contains(&start) {
                        Cut(SLOW, MIB)
                    } else {
                        All(SLOW)
                    }
                })
            },
            &[Widen, Complete],
        ),
        // narrow, rejoin
        case(
            "ranges are no faster",
            24 * MIB,
            |asked| slow(asked, |_| All(SHARED)),
            &[Widen, Narrow, Rejoin, Answer, Complete],
        ),
        case(
            "ranges become slow near the end",
            20 * MIB,
            ranges_that_become_slow,
            &[Widen, Narrow, Complete],
        )
        .with(Setting { held: 8, ..USUAL }),
        // fall back
        case(
            "every range breaks off",
            24 * MIB,
            |asked| slow(asked, |_| Cut(SLOW, CHUNK)),
            &[Widen, FallBack, Answer, Complete],
        ),
        case(
            "ranges are refused",
            24 * MIB,
            |asked| slow(asked, |_| Status(StatusCode::FORBIDDEN)),
            &[Widen, FallBack, Answer, Complete],
        ),
        case(
            "the last ranges break off",
            24 * MIB,
            ranges_that_end_in_overload,
            &[Widen, Narrow, FallBack, Answer, Complete],
        ),
        case(
            "a range breaks off, and never again",
            24 * MIB,
            |asked| slow(asked, |_| Cut(SLOW, CHUNK)),
            &[Widen, GiveUp],
        )
        .with(NEVER),
        case(
            "the last ranges break off, and never again",
            24 * MIB,
            ranges_that_end_in_overload,
            &[Widen, Narrow, GiveUp],
        )
        .with(NEVER),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_download_follows_the_arrows_of_the_diagram() {
    let mut followed = Vec::new();
    let cases = [
        cases_of_one_stream(),
        cases_that_do_not_widen(),
        cases_of_ranges(),
    ];
    for case in cases.into_iter().flatten() {
        let name = case.name;
        let (arrows, result) = download(&case).await;
        assert_eq!(arrows, case.arrows, "{name}: {result:?}");
        assert_eq!(
            result.is_ok(),
            arrows.last() == Some(&Complete),
            "{name}: {result:?}"
        );
        if let Ok(pieces) = result {
            assert_eq!(received(pieces), vec![0..case.size], "{name}");
        }
        followed.extend(arrows);
    }
    for arrow in [
        Widen, Narrow, Rejoin, FallBack, Resume, Answer, Refuse, GiveUp, Overrun, Complete,
    ] {
        assert!(followed.contains(&arrow), "{arrow:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_download_from_the_end_on_sends_no_request() {
    let case = case("empty", MIB, |_| Status(StatusCode::NOT_FOUND), &[]);
    let mut download = Download::open(case.fetch(), MIB).await.unwrap();
    let ended = poll_fn(|context| Poll::Ready(matches!(download.step(context), DownloadStep::End(None))));
    assert!(ended.await);
}

/// Reads a download to its end: the arrows that it followed, and the ranges of its pieces or the error.
async fn download(case: &Case) -> (Vec<Arrow>, Result<Vec<Range<u64>>, Error>) {
    let fetch = case.fetch();
    let setting = case.setting;
    let permits = Arc::clone(&fetch.remote.client().shared().range_permits);
    let _held = permits.try_acquire_many_owned(setting.held).unwrap();
    let consumer_wait = Arc::<ConsumerWait>::default();
    let mut download = Download::open(fetch, 0).await.unwrap();
    if setting.in_any_order {
        download = download.in_any_order(Arc::clone(&consumer_wait));
    }
    let (mut arrows, mut pieces) = (Vec::new(), Vec::new());
    loop {
        let step = poll_fn(|context| {
            let polled = match download.step(context) {
                DownloadStep::Wait => Poll::Pending,
                step => Poll::Ready(step),
            };
            consumer_wait.observe(&polled);
            polled
        });
        match step.await {
            DownloadStep::Wait => unreachable!(),
            DownloadStep::Follow(arrow) => arrows.push(arrow),
            DownloadStep::Piece(piece) => {
                pieces.push(piece.offset..piece.end());
                tokio::time::sleep(setting.consumer).await;
            }
            DownloadStep::End(None) => return (arrows, Ok(pieces)),
            DownloadStep::End(Some(error)) => return (arrows, Err(error)),
        }
    }
}

/// The bytes that came, as ranges. A stream that follows ranges brings some of their bytes again.
fn received(mut pieces: Vec<Range<u64>>) -> Vec<Range<u64>> {
    pieces.sort_by_key(|piece| piece.start);
    let mut received: Vec<Range<u64>> = Vec::new();
    for piece in pieces {
        match received.last_mut() {
            Some(last) if last.end >= piece.start => last.end = last.end.max(piece.end),
            _ => received.push(piece),
        }
    }
    received
}

impl Case {
    fn fetch(&self) -> Arc<Fetch> {
        let server = Server {
            size: self.size,
            has_ranges: self.setting.has_ranges,
            reply: self.reply,
        };
        let client = Client::builder()
            .with_connect(Arc::new(server))
            .with_retry((self.setting.policy)())
            .build()
            .unwrap();
        let repository = Repository::new(&Registry::parse("reg.test").unwrap(), "app").unwrap();
        // A download verifies no digest.
        let digest = Descriptor::of(MediaType::OCI_LAYER, b"").digest().clone();
        let descriptor = Descriptor::new(MediaType::OCI_LAYER, digest, self.size).unwrap();
        Arc::new(Fetch::new(client.remote(&repository), descriptor))
    }
}
