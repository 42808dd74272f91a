//! Registries side by side: throughput with many clients, processor time, memory, and the start with many repositories.
//!
//! One load generator sends the same requests to all. Each registry is a process of its own with an empty directory; every
//! status and every byte that it serves is checked.

mod content;
mod load;
mod restart;
mod server;

use std::fmt::Write as _;

use anyhow::{Context as _, ensure};

use self::{
    load::{Figures, Images, Round, SHAPES, Shape},
    restart::Start,
    server::Program,
};
use crate::{
    peers::Peers,
    table::spread,
    tools::{Tool, Tools},
};

/// The figures of a round that a row is about.
type FiguresOf = fn(&Round) -> &Figures;

/// Runs what was chosen; the tables. With no choice all is run.
pub fn compare(
    tools: &Tools,
    peers: &Peers,
    rounds: usize,
    only: &[String],
    names: &[String],
    repositories: usize,
) -> anyhow::Result<String> {
    let programs = Program::find(tools.program(Tool::Wharf), names, peers);
    ensure!(!programs.is_empty(), "there is no registry to measure");
    let versions = programs
        .iter()
        .map(|program| format!("{} {}", program.name(), program.version()));
    let mut text = versions.collect::<Vec<_>>().join(", ");
    text += "\n\n";
    let chosen = |name: &str| only.is_empty() || only.iter().any(|part| name.contains(part.as_str()));
    for shape in SHAPES.iter().filter(|shape| chosen(shape.name)) {
        text += &throughput(&programs, *shape, rounds)?;
    }
    if chosen("restart") {
        text += &restarts(&programs, rounds, repositories)?;
    }
    Ok(text)
}

fn throughput(programs: &[Program], shape: Shape, rounds: usize) -> anyhow::Result<String> {
    let images = Images::make(shape)?;
    let mut of_programs: Vec<Vec<Round>> = vec![Vec::new(); programs.len()];
    for round in 0..rounds {
        for turn in 0..programs.len() {
            let at = (round + turn) % programs.len();
            eprintln!("{}: {}", shape.name, programs[at].name());
            let measured = load::run(&programs[at], &images).with_context(|| programs[at].name())?;
            of_programs[at].push(measured);
        }
    }
    let mut text = format!("### 64 clients: {}\n\n", shape.title);
    text += "| registry | | MB/s | requests/s | p50, ms | p99, ms | its processor, s | its peak, MiB |\n|";
    text += &"---|".repeat(8);
    text += "\n";
    for (program, rounds) in programs.iter().zip(&of_programs) {
        let memory = spread(rounds.iter().map(|round| mebibytes(round.memory)), 0);
        let figures: [(&str, FiguresOf); 2] = [("push", |round| &round.push), ("pull", |round| &round.pull)];
        for (name, figures) in figures {
            let values = |value: fn(&Figures) -> f64, digits| {
                spread(rounds.iter().map(|round| value(figures(round))), digits)
            };
            let _ = writeln!(
                text,
                "| {} | {name} | {} | {} | {} | {} | {} | {memory} |",
                program.name(),
                values(Figures::megabytes_per_second, 0),
                values(Figures::requests_per_second, 0),
                values(|figures| figures.percentile(0.5), 2),
                values(|figures| figures.percentile(0.99), 1),
                values(|figures| figures.processor.as_secs_f64(), 2),
            );
        }
    }
    text += "\n";
    Ok(text)
}

fn restarts(programs: &[Program], rounds: usize, repositories: usize) -> anyhow::Result<String> {
    let mut text = format!("### Start with {repositories} repositories\n\n");
    text += "| registry | filled in, s | first manifest, s | first page, ms | last page, ms | peak, MiB | with pages |\n|";
    text += &"---|".repeat(7);
    text += "\n";
    for program in programs {
        eprintln!("restart: {}", program.name());
        let directory = tempfile::tempdir()?;
        let filled =
            restart::fill(program, directory.path(), repositories).with_context(|| program.name())?;
        let starts = (0..rounds).map(|_| restart::start(program, directory.path(), repositories));
        let starts: Vec<Start> = starts
            .collect::<anyhow::Result<_>>()
            .with_context(|| program.name())?;
        let page = |at: usize| {
            let times: Option<Vec<f64>> = starts
                .iter()
                .map(|start| Some(start.pages?.get(at)?.as_secs_f64() * 1000.))
                .collect();
            times.map_or_else(|| "none".to_owned(), |times| spread(times.into_iter(), 1))
        };
        let memory = |at: usize| spread(starts.iter().map(|start| mebibytes(start.memory[at])), 0);
        let _ = writeln!(
            text,
            "| {} | {:.0} | {} | {} | {} | {} | {} |",
            program.name(),
            filled.as_secs_f64(),
            spread(starts.iter().map(|start| start.manifest.as_secs_f64()), 3),
            page(0),
            page(1),
            memory(0),
            memory(1),
        );
    }
    Ok(text)
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
