//! How many instructions the work costs that users wait for, counted by valgrind's callgrind, beside the counts in
//! `counts.txt`. Counts hardly depend on the machine or on what else runs there, so that a check can judge them.
//!
//!     cargo run --release --manifest-path benches/instructions/Cargo.toml              # fails if a work costs more than 5 % above its count
//!     cargo run --release --manifest-path benches/instructions/Cargo.toml -- --update  # writes counts.txt
//!
//! Each work is run in processes of its own, a few times and many times; the difference is what is counted, so that
//! the start of a process is not. Renew the counts in the commit that changes them on purpose, or the compiler.
mod callgrind;
mod counts;
mod image;
mod peer;
mod works;

use std::process::ExitCode;

use anyhow::{Context as _, bail};

use self::{counts::Counts, image::Image, peer::Peer, works::WORKS};

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => return judge(),
        ["--update"] => measure()?.write()?,
        ["run", work, times, peer] => works::run(work, times.parse()?, peer)?,
        _ => bail!("the only argument is --update"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Counts everything.
fn measure() -> anyhow::Result<Counts> {
    let peer = Peer::start(&Image::new()?)?;
    let mut counts = Counts::of_this_compiler()?;
    for work in WORKS {
        let once = callgrind::count(work.name, work.few, peer.address())?;
        let often = callgrind::count(work.name, work.many, peer.address())?;
        let cost = often.minus(&once).divided_by(work.many - work.few);
        println!(
            "{:<12} {:>12} instructions per {}",
            work.name, cost.total, work.unit
        );
        counts.works.push((work.name.to_owned(), cost));
    }
    Ok(counts)
}

/// Compares what is counted now with what is written.
fn judge() -> anyhow::Result<ExitCode> {
    let written = Counts::read().context("cannot read the counts; make them with --update")?;
    let now = measure()?;
    if now.compiler != written.compiler {
        println!("counted with {}, written with {}", now.compiler, written.compiler);
    }
    let mut grown = Vec::new();
    for (name, cost) in &now.works {
        let before = written.works.iter().find(|(written, _)| written == name);
        let (_, before) = before.with_context(|| format!("no count of {name} is written"))?;
        if let Some(growth) = cost.growth_beyond(before) {
            grown.push(format!("{name} {growth}"));
        }
    }
    if !grown.is_empty() {
        eprintln!("{}", grown.join("\n"));
        return Ok(ExitCode::FAILURE);
    }
    println!("no work costs more than {} % above its count", counts::TOLERANCE);
    Ok(ExitCode::SUCCESS)
}
