//! The works, and the bars of each.

use std::time::Duration;

use super::{Bars, Kind, Work};
use crate::{image::Image, link::Shape, server::Wire, tools::Tool};

/// Files of the image of many small files.
const MANY: u32 = 100_000;

/// The link to a registry that is 50 ms away.
const FAR: Shape = Shape {
    round_trip: Duration::from_millis(50),
    rate: None,
};

/// All there is to measure.
pub fn all(huge: bool) -> Vec<Work> {
    let mut all = over_tls();
    all.extend(over_http2());
    all.extend(in_the_clear());
    all.extend(far_and_narrow());
    if huge {
        all.push(work(
            "middle",
            "pull one layer of 100 MB",
            Image::Middle,
            Kind::Pull,
        ));
        all.push(work("huge", "pull one layer of 10 GB", Image::Huge, Kind::Pull));
    }
    all
}

fn over_tls() -> Vec<Work> {
    let of = |name, title, image, kind, crane: &[f64], processor: &[f64]| {
        let bars = bars(crane, processor);
        Work {
            wire: Wire::Tls,
            bars,
            ..work(name, title, image, kind)
        }
    };
    let (pull, push, many) = (Kind::Pull, Kind::Push, Image::Files(MANY));
    #[rustfmt::skip]
    let works = [
        of("tls-pull-eight", "over TLS: pull 8 layers, 196 MB", Image::Real, pull, &[0.6], &[0.75]),
        of("tls-pull-large", "over TLS: pull one layer of 1 GB", Image::Large, pull, &[0.6], &[0.75]),
        of("tls-pull-hundred", "over TLS: pull 100 layers of 100 kB", Image::Small, pull, &[0.5], &[]),
        of("tls-pull-many", "over TLS: pull 100,000 small files in a layer", many, pull, &[], &[]),
        of("tls-push-eight", "over TLS: push 8 layers, 196 MB", Image::Real, push, &[0.75], &[0.7]),
        of("tls-push-hundred", "over TLS: push 100 layers of 100 kB", Image::Small, push, &[], &[]),
        of("tls-push-many", "over TLS: push 100,000 small files in a layer", many, push, &[], &[]),
    ];
    works.into()
}

/// nginx before the registry. The large blobs and the small ones suffer from different limits, so both are measured.
fn over_http2() -> Vec<Work> {
    let of = |name, title, image, wire, skopeo| Work {
        wire,
        bars: Bars {
            wall: vec![(Tool::Skopeo, skopeo)],
            processor: Vec::new(),
        },
        ..work(name, title, image, Kind::Pull)
    };
    let (ample, scarce) = (Wire::Nginx, Wire::ScarceNginx);
    #[rustfmt::skip]
    let works = [
        of("nginx-pull-eight", "HTTP/2 with nginx: pull 8 layers, 196 MB", Image::Real, ample, 0.7),
        of("nginx-pull-large", "HTTP/2 with nginx: pull one layer of 1 GB", Image::Large, ample, 0.7),
        of("nginx-pull-hundred", "HTTP/2 with nginx: pull 100 layers of 100 kB", Image::Small, ample, 0.7),
        of("scarce-pull-eight", "4 streams, 20 requests per connection: pull 8 layers, 196 MB", Image::Real, scarce, 0.9),
        of("scarce-pull-large", "4 streams, 20 requests per connection: pull one layer of 1 GB", Image::Large, scarce, 0.9),
        of("scarce-pull-hundred", "4 streams, 20 requests per connection: pull 100 layers of 100 kB", Image::Small, scarce, 0.9),
        of("scarce-far-pull", "4 streams, 20 requests per connection: pull 100 layers of 100 kB, 50 ms away", Image::Small, scarce, 0.9),
    ];
    let far = |mut work: Work| {
        work.shape = (work.name == "scarce-far-pull").then_some(FAR);
        work
    };
    works.map(far).into()
}

fn in_the_clear() -> Vec<Work> {
    let of = |name, title, image, kind, crane: &[f64], processor: &[f64]| {
        let bars = bars(crane, processor);
        Work {
            bars,
            ..work(name, title, image, kind)
        }
    };
    let (pull, push, many) = (Kind::Pull, Kind::Push, Image::Files(MANY));
    #[rustfmt::skip]
    let mut works = vec![
        of("pull-eight", "pull 8 layers, 196 MB", Image::Real, pull, &[0.8], &[0.85]),
        of("pull-large", "pull one layer of 1 GB", Image::Large, pull, &[0.71], &[0.85]),
        of("pull-hundred", "pull 100 layers of 100 kB", Image::Small, pull, &[0.76], &[]),
        of("pull-many", "pull 100,000 small files in a layer", many, pull, &[], &[]),
        of("push-eight", "push 8 layers, 196 MB", Image::Real, push, &[0.9], &[]),
        of("push-hundred", "push 100 layers of 100 kB", Image::Small, push, &[0.69], &[]),
        of("push-many", "push 100,000 small files in a layer", many, push, &[], &[]),
        work("again", "pull 8 layers again, nothing changed", Image::Real, Kind::PullAgain),
        work("copy", "copy 8 layers within a registry", Image::Real, Kind::Copy),
        work("single", "pull one layer of 1 MB", Image::Single, pull),
    ];
    for push in works.iter_mut().filter(|work| work.name == "push-eight") {
        push.bars.processor = vec![(Tool::Skopeo, 0.4)];
    }
    works
}

/// Bars of wall time and processor time beside crane; Skopeo's wall time has one everywhere.
fn bars(crane: &[f64], processor: &[f64]) -> Bars {
    let of_crane = |bars: &[f64]| bars.iter().map(|bar| (Tool::Crane, *bar)).collect::<Vec<_>>();
    Bars {
        wall: [of_crane(crane), vec![(Tool::Skopeo, 0.7)]].concat(),
        processor: of_crane(processor),
    }
}

fn far_and_narrow() -> [Work; 3] {
    let narrow = Shape {
        round_trip: Duration::ZERO,
        rate: Some(25_000_000),
    };
    let shaped = |name, title, image, kind, shape, crane: f64, skopeo: f64| Work {
        shape: Some(shape),
        bars: Bars {
            wall: vec![(Tool::Crane, crane), (Tool::Skopeo, skopeo)],
            processor: Vec::new(),
        },
        ..work(name, title, image, kind)
    };
    [
        shaped(
            "far-pull",
            "pull 100 layers of 100 kB, 50 ms away",
            Image::Small,
            Kind::Pull,
            FAR,
            0.34,
            0.44,
        ),
        shaped(
            "far-push",
            "push 100 layers of 100 kB, 50 ms away",
            Image::Small,
            Kind::Push,
            FAR,
            0.17,
            0.04,
        ),
        shaped(
            "narrow-pull",
            "pull 8 layers, 25 MB/s per connection",
            Image::Real,
            Kind::Pull,
            narrow,
            0.33,
            0.33,
        ),
    ]
}

/// A work in the clear, as fast as it goes, without bars.
fn work(name: &'static str, title: &'static str, image: Image, kind: Kind) -> Work {
    Work {
        name,
        title,
        image,
        kind,
        wire: Wire::Plain,
        shape: None,
        bars: Bars::default(),
    }
}
