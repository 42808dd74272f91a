//! What it takes to change an image on a disk: its format, its layers' compression, the form of the files.
//!
//! wharf and Skopeo take turns with the same image. After every run the layers of the result are unpacked, and must have
//! the digests that the image's config states.

mod check;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use wharf_testkit::RealImage;

use self::check::{Form, Made};
use crate::{
    image::Image,
    measure::{Measured, measure},
    server::Wire,
    table::{self, memory, processor, ratio, spread, wall},
    tools::{Job, Tool, Tools},
};

/// The most memory that wharf should take, in MiB.
pub const MEMORY_BAR: f64 = 64.;

/// One line of the table.
struct Work {
    name: &'static str,
    title: &'static str,
    /// Whether the image is unpacked before.
    plain: bool,
    flags: &'static [&'static str],
    form: Form,
    codec: &'static str,
    /// At most this part of Skopeo's time. `None`: Skopeo does not do it.
    bar: Option<f64>,
}

const GZIP: &[&str] = &[
    "--dest-compress",
    "--dest-compress-format=gzip",
    "--dest-compress-level=6",
];
const GZIP_AGAIN: &[&str] = &[
    "--dest-compress-format=gzip",
    "--dest-compress-level=6",
    "--dest-force-compress-format",
];
const ZSTD: &[&str] = &["--dest-compress-format=zstd", "--dest-compress-level=3"];

const WORKS: [Work; 6] = [
    Work {
        name: "format",
        title: "OCI to Docker's format, into a directory",
        plain: false,
        flags: &["--format=v2s2"],
        form: Form::Directory,
        codec: "gzip",
        bar: Some(0.5),
    },
    Work {
        name: "archive",
        title: "into a docker-archive",
        plain: false,
        flags: &[],
        form: Form::DockerArchive,
        codec: "",
        bar: Some(0.5),
    },
    Work {
        name: "unpack",
        title: "gzip unpacked, into a directory",
        plain: false,
        flags: &["--dest-decompress"],
        form: Form::Directory,
        codec: "tar",
        bar: Some(0.7),
    },
    Work {
        name: "zstd-3",
        title: "gzip to zstd 3, into a layout",
        plain: false,
        flags: ZSTD,
        form: Form::Layout,
        codec: "zstd",
        bar: Some(0.7),
    },
    Work {
        name: "gzip-6",
        title: "plain to gzip 6, into a directory",
        plain: true,
        flags: GZIP,
        form: Form::Directory,
        codec: "gzip",
        bar: Some(1.3),
    },
    Work {
        name: "gzip-again",
        title: "gzip to gzip 6, into a layout",
        plain: false,
        flags: GZIP_AGAIN,
        form: Form::Layout,
        codec: "gzip",
        bar: None,
    },
];

/// The time and memory that one program took.
struct Series {
    tool: Tool,
    runs: Vec<Measured>,
    /// The bytes of the layers that it makes.
    size: u64,
}

/// Runs all works whose name contains one of `only`, or all; a table.
pub fn compare(tools: &Tools, rounds: usize, only: &[String]) -> anyhow::Result<String> {
    let chosen = |work: &&Work| only.is_empty() || only.iter().any(|part| work.name.contains(part.as_str()));
    let image = Image::Real.make();
    let directory = tempfile::tempdir()?;
    let sources = Sources::make(tools, &image, directory.path())?;
    let mut text = format!(
        "### Changes of an image of 8 layers, {} MB, {} MB unpacked\n\n",
        image.size() / 1_000_000,
        sources.unpacked / 1_000_000
    );
    text += "| work | wall / skopeo (bar) | processor / skopeo | wall, s | skopeo's | processor, s | skopeo's | peak, MiB (at most 64) | skopeo's | layers / skopeo's |\n";
    text += "|---|---|---|---|---|---|---|---|---|---|\n";
    for work in WORKS.iter().filter(chosen) {
        eprintln!("{}: {}", work.name, work.title);
        let series = run(tools, work, &sources, rounds).with_context(|| work.name)?;
        line(&mut text, work, &series);
    }
    Ok(text)
}

/// The layouts that images are taken from.
struct Sources {
    gzip: PathBuf,
    plain: PathBuf,
    /// The digests of the unpacked layers.
    diff_ids: Vec<String>,
    unpacked: u64,
}

impl Sources {
    /// Unpacks the image, once.
    fn make(tools: &Tools, image: &RealImage, directory: &Path) -> anyhow::Result<Self> {
        let gzip = image.layout().to_owned();
        let plain = directory.join("plain");
        let original = Made::read(Form::Layout, &gzip, directory)?;
        let job = Job::Change {
            from: &Form::Layout.location(&gzip, RealImage::TAG),
            to: &Form::Layout.location(&plain, RealImage::TAG),
            flags: &["--dest-decompress"],
        };
        measure(
            &tools
                .command(Tool::Wharf, job, Wire::Plain)
                .context("wharf unpacks")?,
        )?;
        let made = Made::read(Form::Layout, &plain, directory)?;
        made.verify(&original.diff_ids, "tar")?;
        Ok(Self {
            gzip,
            plain,
            unpacked: made.size()?,
            diff_ids: original.diff_ids,
        })
    }
}

fn run(tools: &Tools, work: &Work, sources: &Sources, rounds: usize) -> anyhow::Result<Vec<Series>> {
    let programs = [(Tool::Wharf, true), (Tool::Skopeo, work.bar.is_some())];
    let present = tools.present();
    let mut series: Vec<Series> = programs
        .into_iter()
        .filter(|(tool, can)| *can && present.contains(tool))
        .map(|(tool, _)| Series {
            tool,
            runs: Vec::new(),
            size: 0,
        })
        .collect();
    for series in &mut series {
        once(tools, work, sources, series)?; // the files are in memory then
        series.runs.clear();
    }
    for round in 0..rounds {
        let count = series.len();
        for turn in 0..count {
            once(tools, work, sources, &mut series[(round + turn) % count])?;
        }
    }
    Ok(series)
}

/// Runs a program once, and verifies what it has made.
fn once(tools: &Tools, work: &Work, sources: &Sources, series: &mut Series) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let out = directory.path().join("out");
    let from = if work.plain { &sources.plain } else { &sources.gzip };
    let job = Job::Change {
        from: &Form::Layout.location(from, RealImage::TAG),
        to: &work.form.location(&out, "changed"),
        flags: work.flags,
    };
    let command = tools
        .command(series.tool, job, Wire::Plain)
        .context("it changes images")?;
    series.runs.push(measure(&command)?);
    let made = Made::read(work.form, &out, directory.path())?;
    let verified = made.verify(&sources.diff_ids, work.codec);
    verified.with_context(|| format!("the result of {} is wrong", series.tool.name()))?;
    let size = made.size()?;
    ensure!(
        series.size == 0 || series.size == size,
        "{} makes other bytes each time",
        series.tool.name()
    );
    series.size = size;
    Ok(())
}

/// The work's line of the table.
fn line(text: &mut String, work: &Work, series: &[Series]) {
    let find = |tool| series.iter().find(|series| series.tool == tool);
    let Some(ours) = find(Tool::Wharf) else { return };
    let theirs = find(Tool::Skopeo);
    let against = |value: fn(&Measured) -> f64| {
        theirs.map_or_else(String::new, |theirs| ratio(&ours.runs, &theirs.runs, value))
    };
    let bar = work
        .bar
        .map_or_else(String::new, |bar| format!(" (at most {bar})"));
    let median = |value: fn(&Measured) -> f64, digits| {
        let of = |series: &Series| spread(series.runs.iter().map(value), digits);
        format!("{} | {}", of(ours), theirs.map_or_else(String::new, of))
    };
    let peak = table::median(ours.runs.iter().map(memory));
    let above = if peak > MEMORY_BAR { " above" } else { "" };
    let size = theirs.map_or_else(String::new, |theirs| {
        format!("{:.3}", ours.size as f64 / theirs.size as f64)
    });
    let memories = median(memory, 0).replacen(" |", &format!("{above} |"), 1);
    let _ = writeln!(
        text,
        "| {} | {}{bar} | {} | {} | {} | {memories} | {size} |",
        work.title,
        against(wall),
        against(processor),
        median(wall, 3),
        median(processor, 2),
    );
}
