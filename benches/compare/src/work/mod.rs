//! The works, and how one is measured.

mod list;

use std::{
    collections::{HashMap, hash_map::Entry},
    hint::black_box,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use sha2::Digest as _;
use tempfile::TempDir;
use wharf_testkit::RealImage;

pub use list::all;

use crate::{
    check,
    image::Image,
    link::{Link, Shape, Traffic},
    measure::{Measured, measure},
    protocol::Protocol,
    server::{Server, Wire},
    tools::{Job, Tool, Tools},
};

/// The tag of every image that is pushed or pulled.
const TAG: &str = "v1";

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Work {
    pub name: &'static str,
    pub title: &'static str,
    image: Image,
    kind: Kind,
    pub wire: Wire,
    /// The link to the registry; none is as fast as the loopback address.
    pub shape: Option<Shape>,
    pub bars: Bars,
}

/// The largest parts of the figures of other programs.
#[derive(Debug, Clone, Default)]
pub struct Bars {
    pub wall: Vec<(Tool, f64)>,
    pub processor: Vec<(Tool, f64)>,
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

/// Runs works; keeps the registries that are pulled from.
pub struct Bench {
    tools: Tools,
    /// The registries that are pulled from, and the images that they have.
    filled: HashMap<Wire, Server>,
    images: HashMap<(Wire, Image), RealImage>,
    copies: usize,
    /// What the runs of a work have left.
    left: Vec<TempDir>,
}

impl Bench {
    pub fn new(tools: Tools) -> Self {
        Self {
            tools,
            filled: HashMap::new(),
            images: HashMap::new(),
            copies: 0,
            left: Vec::new(),
        }
    }

    /// True if the servers that a work needs are installed.
    pub fn can_run(&self, work: &Work) -> anyhow::Result<bool> {
        Ok(self.tools.servers()?.has(work.wire))
    }

    /// Runs a work with every program that can do it: once over a counting link, then `rounds` times in turns.
    pub fn run(&mut self, work: &Work, rounds: usize) -> anyhow::Result<Outcome> {
        let image = self.image(work)?;
        let mut series = Vec::new();
        for tool in self.tools.present() {
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
            work: work.clone(),
            series,
            bytes: image.size(),
            hash,
        })
    }

    /// The work's image, made, and in the registry if it is to be pulled.
    fn image(&mut self, work: &Work) -> anyhow::Result<RealImage> {
        let key = (work.wire, work.image);
        if let Some(image) = self.images.get(&key) {
            return Ok(image.clone());
        }
        let image = work.image.make();
        let (tools, servers) = (&self.tools, self.tools.servers()?);
        let registry = match self.filled.entry(work.wire) {
            Entry::Occupied(filled) => filled.into_mut(),
            Entry::Vacant(new) => new.insert(servers.start(work.wire)?),
        };
        let to = format!("{}/{}:{TAG}", registry.name(), work.image.name());
        let job = Job::Push {
            layout: image.layout(),
            tag: RealImage::TAG,
            to: &to,
        };
        tools.log_in(&[registry.name()])?;
        let mut commands = tools
            .present()
            .into_iter()
            .filter_map(|tool| tools.command(tool, job, work.wire));
        measure(&commands.next().context("no program fills the registry")?)?;
        self.images.insert(key, image.clone());
        Ok(image)
    }

    fn once(
        &mut self,
        work: &Work,
        tool: Tool,
        shape: Option<Shape>,
    ) -> anyhow::Result<Option<(Measured, Traffic)>> {
        let image = self.image(work)?;
        let servers = self.tools.servers()?;
        let empty = (work.kind == Kind::Push)
            .then(|| servers.start(work.wire))
            .transpose()?;
        let filled = self.filled.get(&work.wire).context("a registry runs")?;
        let registry = empty.as_ref().unwrap_or(filled);
        let protocol = match work.wire {
            Wire::Plain => Protocol::Http,
            Wire::Tls | Wire::Nginx | Wire::ScarceNginx => Protocol::Unread,
        };
        let link = shape
            .map(|shape| Link::start(registry.address(), shape, protocol))
            .transpose()?;
        let host = link
            .as_ref()
            .map_or(registry.address(), Link::address)
            .to_string();
        self.tools.log_in(&[registry.name(), host.clone()])?;
        let directory = tempfile::tempdir()?;
        let layout = directory.path().join("layout");
        let from = |host: &str| format!("{host}/{}:{TAG}", work.image.name());
        self.copies += 1;
        let repository = format!("copy{}", self.copies);
        let to = format!("{host}/{repository}:{TAG}");
        if work.kind == Kind::PullAgain {
            let job = Job::Pull {
                from: &from(&registry.name()),
                layout: &layout,
                tag: TAG,
            };
            let Some(command) = self.tools.command(tool, job, work.wire) else {
                return Ok(None);
            };
            measure(&command)?;
        }
        let from = from(&host);
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
        let Some(command) = self.tools.command(tool, job, work.wire) else {
            return Ok(None);
        };
        settle(directory.path())?;
        let measured = measure(&command)?;
        let checked = match work.kind {
            Kind::Pull | Kind::PullAgain => check::layout(&layout, image.manifest()),
            Kind::Push | Kind::Copy => check::registry(&registry.store(), &repository, TAG, image.manifest()),
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
pub fn settle(directory: &Path) -> anyhow::Result<()> {
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
