//! Images that are pulled and unpacked to root file systems, directories that are pushed, and layers made of changes.
//!
//! After every run the tree or the layer must have the files of the image, or the layer those that changed.

mod check;
mod works;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use wharf_testkit::RealImage;

use self::works::{Kind, OTHERS, Work, works};
use crate::{
    images::MEMORY_BAR,
    measure::{Measured, measure},
    server::{Server, Wire},
    table::{self, memory, processor, ratio, spread, wall},
    tools::{Job, Tool, Tools},
    work::settle,
};

/// The time and memory that one program took.
struct Series {
    tool: Tool,
    runs: Vec<Measured>,
    /// The tree whose changes become a layer.
    tree: Option<PathBuf>,
}

/// Runs all works whose name contains one of `only`, or all; a table. `files` small files are in the largest tree.
pub fn compare(tools: &Tools, rounds: usize, only: &[String], files: u32) -> anyhow::Result<String> {
    let chosen = |work: &&Work| only.is_empty() || only.iter().any(|part| work.name.contains(part.as_str()));
    let mut text = String::from("### Root file systems\n\n");
    text += "| work |";
    for (_, name) in OTHERS {
        text += &format!(" wall / {name} |");
    }
    text += " processor / each | wall, s | peak, MiB (at most 64) | of each |\n|";
    text += &"---|".repeat(OTHERS.len() + 5);
    text += "\n";
    let works = works(files);
    if works.iter().filter(chosen).any(|work| work.kind == Kind::Repack) {
        tools.build_repack()?;
    }
    for work in works.iter().filter(chosen) {
        eprintln!("{}: {}", work.name, work.title);
        let series = run(tools, work, rounds).with_context(|| work.name)?;
        line(&mut text, work, &series);
    }
    Ok(text)
}

fn run(tools: &Tools, work: &Work, rounds: usize) -> anyhow::Result<Vec<Series>> {
    let bench = Bench::new(tools, work)?;
    let mut series = Vec::new();
    for tool in tools.present() {
        let mut of_tool = Series {
            tool,
            runs: Vec::new(),
            tree: None,
        };
        // Its files are in memory then.
        if bench.once(&mut of_tool, 0)? {
            of_tool.runs.clear();
            series.push(of_tool);
        }
    }
    for round in 0..rounds {
        let count = series.len();
        for turn in 0..count {
            bench.once(&mut series[(round + turn) % count], round + 1)?;
        }
    }
    Ok(series)
}

/// A work, its image and the directory of its trees.
struct Bench<'a> {
    tools: &'a Tools,
    work: &'a Work,
    image: RealImage,
    directory: TempDir,
    /// The layout that is written: a copy of the image's.
    layout: PathBuf,
    files: check::Files,
    /// The registry that has the image, if it is pulled, and its name there.
    registry: Option<(Server, String)>,
}

impl<'a> Bench<'a> {
    fn new(tools: &'a Tools, work: &'a Work) -> anyhow::Result<Self> {
        let image = work.image.make();
        let directory = tempfile::tempdir()?;
        let layout = directory.path().join("layout");
        let mut copy = Command::new("cp");
        copy.arg("--recursive").arg(image.layout()).arg(&layout);
        ensure!(copy.status()?.success(), "{copy:?} failed");
        let files = check::Files::of(image.layout(), image.manifest())?;
        let registry = (work.kind == Kind::Pull)
            .then(|| filled(tools, &image))
            .transpose()?;
        Ok(Self {
            tools,
            work,
            image,
            directory,
            layout,
            files,
            registry,
        })
    }

    /// Runs a program once, and verifies what it has made; `false` if it cannot do this.
    fn once(&self, series: &mut Series, round: usize) -> anyhow::Result<bool> {
        let measured = match self.work.kind {
            Kind::Unpack => {
                let directory = tempfile::tempdir_in(self.directory.path())?;
                self.unpack(series.tool, directory.path(), true)?
            }
            Kind::Repack => self.repack(series, round)?,
            Kind::Pull => self.pull(series.tool)?,
            Kind::Push => self.push(series.tool)?,
        };
        series.runs.extend(measured);
        Ok(measured.is_some())
    }

    /// Unpacks the image below a directory. Trees of the many files are verified where they are measured alone.
    fn unpack(&self, tool: Tool, directory: &Path, verify: bool) -> anyhow::Result<Option<Measured>> {
        let to = directory.join("tree");
        let layer = match self.image.manifest().layers() {
            [only] => Some(self.image.blob_path(only.digest())),
            _ => None,
        };
        let job = Job::Unpack {
            layout: &self.layout,
            tag: RealImage::TAG,
            layer: layer.as_deref(),
            to: &to,
        };
        let Some(command) = self.tools.command(tool, job, Wire::Plain) else {
            return Ok(None);
        };
        if tool == Tool::Tar {
            fs::create_dir(&to)?;
        }
        settle(directory)?;
        let measured = measure(&command)?;
        if verify {
            let checked = self.files.are_in(&root(tool, &to));
            checked.with_context(|| format!("the result of {} is wrong", tool.name()))?;
        }
        Ok(Some(measured))
    }

    /// Pulls the image from the registry to a root file system.
    fn pull(&self, tool: Tool) -> anyhow::Result<Option<Measured>> {
        let directory = tempfile::tempdir_in(self.directory.path())?;
        let to = directory.path().join("tree");
        let (_, from) = self.registry.as_ref().context("a registry has the image")?;
        let job = Job::PullTree {
            from,
            scratch: directory.path(),
            to: &to,
        };
        let Some(command) = self.tools.command(tool, job, Wire::Plain) else {
            return Ok(None);
        };
        if tool == Tool::Crane {
            fs::create_dir(&to)?;
        }
        settle(directory.path())?;
        let measured = measure(&command)?;
        let checked = if tool == Tool::Podman {
            // The highest layer of its store has all files.
            let layers = fs::read_dir(directory.path().join("storage/vfs/dir"))?;
            let mut layers = layers.flatten().map(|entry| self.files.are_in(&entry.path()));
            let found = layers.find(Result::is_ok);
            found.unwrap_or_else(|| Err(anyhow::anyhow!("no layer has the files")))
        } else {
            self.files.are_in(&root(tool, &to))
        };
        checked.with_context(|| format!("the result of {} is wrong", tool.name()))?;
        Ok(Some(measured))
    }

    /// Pushes the tree of the image to an empty registry.
    fn push(&self, tool: Tool) -> anyhow::Result<Option<Measured>> {
        let tree = self.directory.path().join("pushed");
        if !tree.exists() {
            let job = Job::Unpack {
                layout: &self.layout,
                tag: RealImage::TAG,
                layer: None,
                to: &tree,
            };
            let command = self.tools.command(Tool::Wharf, job, Wire::Plain);
            measure(&command.context("wharf unpacks what is pushed")?)?;
        }
        let scratch = tempfile::tempdir_in(self.directory.path())?;
        let registry = self.tools.servers()?.start(Wire::Plain)?;
        let to = format!("{}/tree:v1", registry.name());
        let job = Job::PushTree {
            tree: &tree,
            scratch: scratch.path(),
            to: &to,
        };
        let Some(command) = self.tools.command(tool, job, Wire::Plain) else {
            return Ok(None);
        };
        settle(&tree)?;
        let measured = measure(&command)?;
        let checked = self.files.are_pushed(&registry.store(), "tree", "v1");
        checked.with_context(|| format!("the result of {} is wrong", tool.name()))?;
        Ok(Some(measured))
    }

    /// Makes a layer of the changes of a tree, which is unpacked before the first time.
    fn repack(&self, series: &mut Series, round: usize) -> anyhow::Result<Option<Measured>> {
        let tool = series.tool;
        let name = format!("changed-{}-{round}", tool.name());
        let tree = self.directory.path().join(tool.name());
        let bundle = tree.join("tree");
        let job = Job::Repack {
            layout: &self.layout,
            tag: RealImage::TAG,
            tree: &bundle,
            name: &name,
            round,
        };
        let Some(command) = self.tools.command(tool, job, Wire::Plain) else {
            return Ok(None);
        };
        if series.tree.is_none() {
            fs::create_dir(&tree)?;
            self.unpack(tool, &tree, false)?;
            series.tree = Some(tree);
        }
        if tool != Tool::Wharf {
            self.tools.change(&root(tool, &bundle), round)?;
        }
        settle(&bundle)?;
        let measured = measure(&command)?;
        let checked = check::changes(&self.layout, &name, &root(tool, &bundle));
        checked.with_context(|| format!("the result of {} is wrong", tool.name()))?;
        Ok(Some(measured))
    }
}

/// A registry with an image, and the name of the image there.
fn filled(tools: &Tools, image: &RealImage) -> anyhow::Result<(Server, String)> {
    let registry = tools.servers()?.start(Wire::Plain)?;
    let to = format!("{}/tree:v1", registry.name());
    let job = Job::Push {
        layout: image.layout(),
        tag: RealImage::TAG,
        to: &to,
    };
    let mut commands = tools
        .present()
        .into_iter()
        .filter_map(|tool| tools.command(tool, job, Wire::Plain));
    measure(&commands.next().context("no program fills the registry")?)?;
    Ok((registry, to))
}

/// The root file system in what a program has unpacked.
fn root(tool: Tool, unpacked: &Path) -> PathBuf {
    match tool {
        Tool::Umoci | Tool::Skopeo => unpacked.join("rootfs"),
        _ => unpacked.to_owned(),
    }
}

/// The work's line of the table.
fn line(text: &mut String, work: &Work, series: &[Series]) {
    let find = |tool| series.iter().find(|series| series.tool == tool);
    let Some(ours) = find(Tool::Wharf) else { return };
    let _ = write!(text, "| {} |", work.title);
    let (mut processors, mut memories) = (Vec::new(), Vec::new());
    for (tool, name) in OTHERS {
        let Some(theirs) = find(tool) else {
            *text += " |";
            continue;
        };
        let bar = work.bars.iter().find(|(known, _)| *known == tool);
        let bar = bar.map_or_else(String::new, |(_, bar)| format!(" (at most {bar})"));
        let _ = write!(text, " {}{bar} |", ratio(&ours.runs, &theirs.runs, wall));
        processors.push(format!("{name} {}", ratio(&ours.runs, &theirs.runs, processor)));
        memories.push(format!("{name} {}", spread(theirs.runs.iter().map(memory), 1)));
    }
    let peak = table::median(ours.runs.iter().map(memory));
    let above = if peak > MEMORY_BAR { " above" } else { "" };
    let _ = writeln!(
        text,
        " {} | {} | {}{above} | {} |",
        processors.join(", "),
        spread(ours.runs.iter().map(wall), 3),
        spread(ours.runs.iter().map(memory), 1),
        memories.join(", "),
    );
}
