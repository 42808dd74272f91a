//! Pushes and pulls beside distribution.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    Options,
    client::{Client, Style},
    engines::{Engines, Kind, Registry},
    image::{Image, Size},
};
use crate::table::{median, spread};

/// A config and ten layers of 1 MB.
const SIZE: Size = Size {
    layers: 10,
    layer: 1_000_000,
};
/// Processes, and clients that come at once.
const ROWS: [(usize, usize); 2] = [(1, 1), (4, 8)];
/// The most that a row should be, of the wall time of distribution without redirects.
const BAR: f64 = 0.6;

/// The wall times of one registry, a round each.
struct Series {
    kind: Kind,
    registry: Registry,
    pushes: Vec<Duration>,
    pulls: Vec<Duration>,
}

/// Prints a table, row by row: wall times from the first client's begin to the last one's end.
pub fn compare(engines: &Engines, kinds: &[Kind], options: Options<'_>) -> anyhow::Result<()> {
    println!(
        "### Beside distribution: a config and {} layers of 1 MB, {} ms to the store\n",
        SIZE.layers,
        options.latency.as_millis()
    );
    println!("| work | processes | clients | registry | wall, s | wharf / it |\n|---|---|---|---|---|---|");
    let mut missed = Vec::new();
    for (processes, clients) in ROWS {
        eprintln!("beside: {processes} processes, {clients} clients");
        let all = measure(engines, kinds, (processes, clients), options)?;
        for (work, walls) in [("push", pushes as fn(&Series) -> &[Duration]), ("pull", pulls)] {
            // A push does not read blobs.
            let shown = |series: &&Series| work == "pull" || !series.kind.redirects();
            for (place, series) in all.iter().filter(shown).enumerate() {
                let ratios: Vec<f64> = ratios(walls(&all[0]), walls(series)).collect();
                let ratio = match place {
                    0 => String::new(),
                    _ => spread(ratios.iter().copied(), 2),
                };
                if median(ratios.into_iter()) > BAR && place > 0 {
                    let name = &series.kind.name;
                    missed.push(format!("{work} by {clients} of {processes} beside {name}"));
                }
                println!(
                    "| {work} | {processes} | {clients} | {} | {} | {ratio} |",
                    series.kind.name,
                    spread(walls(series).iter().map(Duration::as_secs_f64), 3)
                );
            }
        }
    }
    match &missed[..] {
        [] => println!("\nEvery median is at most {BAR}.\n"),
        missed => println!("\nAbove {BAR}: {}.\n", missed.join("; ")),
    }
    Ok(())
}

/// Lets the registries take turns.
fn measure(
    engines: &Engines,
    kinds: &[Kind],
    (processes, clients): (usize, usize),
    options: Options<'_>,
) -> anyhow::Result<Vec<Series>> {
    let start = |kind: &Kind| {
        Ok(Series {
            registry: engines.registry(kind, processes, options.latency, false)?,
            kind: kind.clone(),
            pushes: Vec::new(),
            pulls: Vec::new(),
        })
    };
    let mut all = kinds.iter().map(start).collect::<anyhow::Result<Vec<_>>>()?;
    let count = all.len();
    for round in 0..=options.rounds {
        for turn in 0..count {
            let series = &mut all[(round + turn) % count];
            let seed = (processes * 100 + clients) * 1_000_000 + round * 1_000;
            let (push, pull) = once(&series.registry, clients, seed as u64)?;
            // The first round makes connections, buckets' volumes and tables.
            if round > 0 {
                series.pushes.push(push);
                series.pulls.push(pull);
            }
        }
    }
    Ok(all)
}

/// The ratios of the rounds.
fn ratios(ours: &[Duration], theirs: &[Duration]) -> impl Iterator<Item = f64> {
    let pairs = ours.iter().zip(theirs);
    pairs.map(|(ours, theirs)| ours.as_secs_f64() / theirs.as_secs_f64())
}

fn pushes(series: &Series) -> &[Duration] {
    &series.pushes
}

fn pulls(series: &Series) -> &[Duration] {
    &series.pulls
}

/// Each client pushes an image of its own to a repository of its own, all at once; then each pulls its image from
/// another process.
fn once(registry: &Registry, clients: usize, seed: u64) -> anyhow::Result<(Duration, Duration)> {
    let images: Vec<Image> = (0..clients)
        .map(|client| Image::new(seed + client as u64, SIZE))
        .collect();
    let push = all_at_once(&images, |client, image| {
        let mut session = Client::new(registry.address(client));
        session.push(image, &format!("beside/{client}"), "latest", Style::Patch)
    })?;
    let pull = all_at_once(&images, |client, image| {
        let mut session = Client::new(registry.address(client + 1));
        session.pull(image, &format!("beside/{client}"), "latest")
    })?;
    Ok((push, pull))
}

fn all_at_once(
    images: &[Image],
    work: impl Fn(usize, &Image) -> anyhow::Result<Duration> + Sync,
) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    thread::scope(|scope| {
        let clients = images.iter().enumerate();
        let running: Vec<_> = clients
            .map(|(client, image)| {
                scope.spawn({
                    let work = &work;
                    move || work(client, image)
                })
            })
            .collect();
        running
            .into_iter()
            .try_for_each(|client| client.join().expect("no client panics").map(drop))
    })?;
    Ok(begun.elapsed())
}
