//! What is measured, and how one measurement goes.

use std::{
    collections::HashMap,
    hint::black_box,
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use sha2::Digest as _;
use tempfile::TempDir;
use wharf_testkit::{DockerRegistry, RealImage};

use crate::{
    check,
    image::Image,
    link::{Link, Shape, Traffic},
    measure::{Measured, measure},
    tools::{Job, Tool, Tools},
};

/// The tag of every image that is pushed or pulled.
const TAG: &str = "v1";

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    pub name: &'static str,
    pub title: &'static str,
    image: Image,
    kind: Kind,
    /// The link to the registry; none is as fast as the loopback address.
    pub shape: Option<Shape>,
    /// At most this part of skopeo's time.
    pub wall_bar: Option<f64>,
    /// At most this part of skopeo's processor time.
    pub processor_bar: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// Into an empty directory.
    Pull,
    /// Into one that has it.
    PullAgain,
    /// To an empty registry.
    Push,
    /// From one repository to another, new one of the same registry.
    Copy,
}

/// All there is to measure.
pub fn all(huge: bool) -> Vec<Work> {
    let work = |name, title, image, kind, wall_bar: f64| Work {
        name,
        title,
        image,
        kind,
        shape: None,
        wall_bar: Some(wall_bar),
        processor_bar: None,
    };
    let far = Some(Shape {
        round_trip: Duration::from_millis(50),
        rate: None,
    });
    let narrow = Some(Shape {
        round_trip: Duration::ZERO,
        rate: Some(25_000_000),
    });
    let mut all = vec![
        Work {
            processor_bar: Some(0.8),
            ..work(
                "pull-eight",
                "pull 8 layers, 196 MB",
                Image::Real,
                Kind::Pull,
                0.5,
            )
        },
        work(
            "pull-large",
            "pull one layer of 1 GB",
            Image::Large,
            Kind::Pull,
            0.5,
        ),
        work(
            "pull-hundred",
            "pull 100 layers of 100 kB",
            Image::Small,
            Kind::Pull,
            0.45,
        ),
        work(
            "push-eight",
            "push 8 layers, 196 MB",
            Image::Real,
            Kind::Push,
            0.5,
        ),
        work(
            "push-hundred",
            "push 100 layers of 100 kB",
            Image::Small,
            Kind::Push,
            0.35,
        ),
        Work {
            wall_bar: None,
            ..work(
                "again",
                "pull 8 layers again, nothing changed",
                Image::Real,
                Kind::PullAgain,
                0.,
            )
        },
        Work {
            wall_bar: None,
            ..work(
                "copy",
                "copy 8 layers within a registry",
                Image::Real,
                Kind::Copy,
                0.,
            )
        },
        Work {
            shape: far,
            ..work(
                "far-pull",
                "pull 100 layers of 100 kB, 50 ms away",
                Image::Small,
                Kind::Pull,
                0.5,
            )
        },
        Work {
            shape: far,
            ..work(
                "far-push",
                "push 100 layers of 100 kB, 50 ms away",
                Image::Small,
                Kind::Push,
                0.5,
            )
        },
        Work {
            shape: narrow,
            ..work(
                "narrow-pull",
                "pull 8 layers, 25 MB/s per connection",
                Image::Real,
                Kind::Pull,
                0.45,
            )
        },
        Work {
            wall_bar: None,
            ..work("single", "pull one layer of 1 MB", Image::Single, Kind::Pull, 0.)
        },
    ];
    if huge {
        for (name, title, image) in [
            ("middle", "pull one layer of 100 MB", Image::Middle),
            ("huge", "pull one layer of 10 GB", Image::Huge),
        ] {
            all.push(Work {
                wall_bar: None,
                ..work(name, title, image, Kind::Pull, 0.)
            });
        }
    }
    all
}

/// What one program took for a work.
#[derive(Debug)]
pub struct Series {
    pub tool: Tool,
    /// One for each round.
    pub runs: Vec<Measured>,
    /// What passed the link in one more run.
    pub traffic: Traffic,
    /// How long that run took, over a link without delay.
    pub undelayed: Duration,
}

/// What all programs took for a work.
#[derive(Debug)]
pub struct Outcome {
    pub work: Work,
    pub series: Vec<Series>,
    /// What the image weighs.
    pub bytes: u64,
    /// Bytes a second of the fastest SHA-256 there is, on one core, after each round.
    pub hash: Vec<f64>,
}

/// Runs works; keeps the registry that is pulled from.
pub struct Bench {
    tools: Tools,
    images: HashMap<Image, RealImage>,
    registry: Option<DockerRegistry>,
    copies: usize,
    /// What the runs of a work have left.
    left: Vec<TempDir>,
}

impl Bench {
    pub fn new(tools: Tools) -> Self {
        Self {
            tools,
            images: HashMap::new(),
            registry: None,
            copies: 0,
            left: Vec::new(),
        }
    }

    /// Runs a work with every program that can do it: once over a counting link, then `rounds` times in turns.
    pub fn run(&mut self, work: Work, rounds: usize) -> anyhow::Result<Outcome> {
        let image = self.image(work)?;
        let mut series = Vec::new();
        for &tool in &self.tools.present().to_vec() {
            if let Some((measured, traffic)) = self.once(work, tool, Some(Shape::default()))? {
                series.push(Series {
                    tool,
                    runs: Vec::new(),
                    traffic,
                    undelayed: measured.wall,
                });
            }
        }
        let mut hash = Vec::new();
        for round in 0..rounds {
            let count = series.len();
            for turn in 0..count {
                let series = &mut series[(round + turn) % count];
                if let Some((measured, _)) = self.once(work, series.tool, work.shape)? {
                    series.runs.push(measured);
                }
            }
            hash.push(hash_speed());
        }
        self.left.clear();
        Ok(Outcome {
            work,
            series,
            bytes: image.size(),
            hash,
        })
    }

    /// The work's image, made, and in the registry if it is to be pulled.
    fn image(&mut self, work: Work) -> anyhow::Result<RealImage> {
        if let Some(image) = self.images.get(&work.image) {
            return Ok(image.clone());
        }
        let image = work.image.make();
        let registry = self.registry.get_or_insert_with(DockerRegistry::start);
        let to = format!("{}/{}:{TAG}", registry.name(), work.image.name());
        let job = Job::Push {
            layout: image.layout(),
            tag: RealImage::TAG,
            to: &to,
        };
        let mut push = self.tools.command(Tool::Skopeo, job).context("skopeo pushes")?;
        ensure!(push.status()?.success(), "skopeo cannot fill the registry");
        self.images.insert(work.image, image.clone());
        Ok(image)
    }

    fn once(
        &mut self,
        work: Work,
        tool: Tool,
        shape: Option<Shape>,
    ) -> anyhow::Result<Option<(Measured, Traffic)>> {
        let image = self.image(work)?;
        let empty = (work.kind == Kind::Push).then(DockerRegistry::start);
        let registry = empty
            .as_ref()
            .or(self.registry.as_ref())
            .context("a registry runs")?
            .address();
        let link = shape.map(|shape| Link::start(registry, shape)).transpose()?;
        let host = link.as_ref().map_or(registry, Link::address);
        let directory = tempfile::tempdir()?;
        let layout = directory.path().join("layout");
        let from = |host: SocketAddr| format!("{host}/{}:{TAG}", work.image.name());
        self.copies += 1;
        let repository = format!("copy{}", self.copies);
        let to = format!("{host}/{repository}:{TAG}");
        if work.kind == Kind::PullAgain {
            let job = Job::Pull {
                from: &from(registry),
                layout: &layout,
                tag: TAG,
            };
            let Some(command) = self.tools.command(tool, job) else {
                return Ok(None);
            };
            measure(&command)?;
        }
        let from = from(host);
        let job = match work.kind {
            Kind::Pull | Kind::PullAgain => Job::Pull {
                from: &from,
                layout: &layout,
                tag: TAG,
            },
            Kind::Push => Job::Push {
                layout: image.layout(),
                tag: RealImage::TAG,
                to: &to,
            },
            Kind::Copy => Job::Copy { from: &from, to: &to },
        };
        let Some(command) = self.tools.command(tool, job) else {
            return Ok(None);
        };
        settle(directory.path())?;
        let measured = measure(&command)?;
        let checked = match work.kind {
            Kind::Pull | Kind::PullAgain => check::layout(&layout, image.manifest()),
            Kind::Push | Kind::Copy => check::registry(registry, &repository, TAG, image.manifest()),
        };
        checked.with_context(|| format!("the result of {} is wrong", tool.name()))?;
        if image.size() < LEFT {
            self.left.push(directory);
        }
        Ok(Some((
            measured,
            link.map(|link| link.traffic()).unwrap_or_default(),
        )))
    }
}

/// Results of fewer bytes stay until the last run of a work: who makes files on ext4 searches through all that were
/// removed in the last minutes, so that each run would pay for those before it.
const LEFT: u64 = 64 * 1024 * 1024;

/// Writes out what earlier runs left to be written, so that no run pays for another's.
fn settle(directory: &Path) -> anyhow::Result<()> {
    ensure!(
        Command::new("sync")
            .arg("--file-system")
            .arg(directory)
            .status()?
            .success(),
        "sync failed"
    );
    Ok(())
}

/// Bytes a second of the fastest of ring, AWS-LC and sha2, over half a gigabyte in pieces of 256 KiB; of sha2 alone if
/// that is what wharf is built with.
fn hash_speed() -> f64 {
    const PIECE: usize = 256 * 1024;
    const PIECES: usize = 2048;
    let piece = black_box(vec![1_u8; PIECE]);
    let time = |work: &dyn Fn()| {
        let started = Instant::now();
        work();
        (PIECE * PIECES) as f64 / started.elapsed().as_secs_f64()
    };
    let sha2 = time(&|| {
        let mut hasher = sha2::Sha256::new();
        (0..PIECES).for_each(|_| hasher.update(&piece));
        black_box(hasher.finalize());
    });
    if cfg!(wharf_sha2) {
        return sha2;
    }
    let ring = time(&|| {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        (0..PIECES).for_each(|_| context.update(&piece));
        black_box(context.finish());
    });
    let aws_lc = time(&|| {
        let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        (0..PIECES).for_each(|_| context.update(&piece));
        black_box(context.finish());
    });
    sha2.max(ring).max(aws_lc)
}
