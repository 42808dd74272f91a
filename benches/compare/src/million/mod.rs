//! A registry that holds much: a million tags and manifests in one repository, and a hundred thousand repositories.
//!
//! The rows are made by the database itself, from those of an image that was pushed; `serve --fsck` then finds nothing wrong
//! with them. Blobs are in a directory. Each request is sent again and again on one connection and its answer verified.

mod fill;
mod probe;

use std::{
    fmt::Write as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use wharf_testkit::PostgreSql;

use self::{fill::Filled, probe::Probe};
use crate::{http::Connection, peers, process::Serve};

/// The most processor time of `serve` for a request.
const PROCESSOR: Duration = Duration::from_millis(20);
/// The most memory of a process.
const MEMORY: u64 = 256 << 20;
/// The time between two looks at a collection.
const LOOK: Duration = Duration::from_secs(1);
/// The most time for one.
const COLLECTION: Duration = Duration::from_secs(1200);

/// How much the registry holds.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Tags and manifests of the largest repository.
    pub tags: u64,
    /// Repositories beside it.
    pub repositories: u64,
}

/// Fills a registry, measures requests to it, and prints tables.
pub fn measure(serve: &Path, size: Size) -> anyhow::Result<()> {
    ensure!(
        size.tags >= 3000 && size.repositories >= 3000,
        "pages need at least 3,000 of each"
    );
    ensure!(peers::on_path("psql").is_some(), "psql is not in PATH");
    let database = PostgreSql::builder().setting("max_wal_size", "4GB").start();
    let name = database.create_database();
    let directory = tempfile::tempdir()?;
    let url = database.socket_url(&name);
    let store = format!("file://{}", directory.path().join("store").display());
    let engines = ["--store", store.as_str(), "--database", url.as_str()];
    let with = |more: &[&'static str]| {
        let arguments: Vec<&str> = engines.iter().copied().chain(more.iter().copied()).collect();
        Serve::start(serve, &arguments, &[])
    };
    let begun = Instant::now();
    let filled = {
        let process = with(&["--gc", "0"])?;
        fill::fill(&mut Connection::new(process.address()), &database, &name, size)?
    };
    eprintln!("filled in {:.0} s", begun.elapsed().as_secs_f64());
    println!(
        "### {} tags and manifests in one repository, {} referrers of one manifest, {} repositories\n",
        size.tags,
        fill::REFERRERS,
        size.repositories
    );
    println!("{}", check(serve, &engines)?);
    println!("{}", requests(&with(&["--gc", "0"])?, &filled)?);
    for (title, arguments) in [
        ("collection", &["--gc", "1", "--metrics", "127.0.0.1:0"][..]),
        (
            "collection of untagged manifests too",
            &["--gc", "1", "--gc-untagged", "--metrics", "127.0.0.1:0"][..],
        ),
    ] {
        eprintln!("{title}");
        println!("{}", collection(title, with(arguments)?)?);
    }
    Ok(())
}

/// Lets the program check what the database made.
fn check(serve: &Path, engines: &[&str]) -> anyhow::Result<String> {
    eprintln!("check");
    let begun = Instant::now();
    let mut command = Command::new(serve);
    command.args(engines).arg("--fsck").env_clear();
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "fsck: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let last = said.lines().last().unwrap_or_default();
    Ok(format!(
        "`serve --fsck`, {:.0} s: {last}\n\n",
        begun.elapsed().as_secs_f64()
    ))
}

fn requests(process: &Serve, filled: &Filled) -> anyhow::Result<String> {
    let mut text = String::from("| request | processor time of `serve`, ms | wall, ms |\n|---|---|---|\n");
    let mut missed = Vec::new();
    let mut connection = Connection::new(process.address());
    for Probe {
        title,
        count,
        mut run,
    } in probe::all(filled)
    {
        eprintln!("{title}");
        run(&mut connection, 0)?; // makes connections
        let (before, begun) = (process.used()?, Instant::now());
        for number in 1..=count {
            run(&mut connection, number)?;
        }
        let per = |time: Duration| time / u32::try_from(count).unwrap_or(u32::MAX);
        let wall = per(begun.elapsed());
        let processor = per(process.used()?.processor - before.processor);
        if processor > PROCESSOR {
            missed.push(title);
        }
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let _ = writeln!(text, "| {title} | {:.2} | {:.2} |", ms(processor), ms(wall));
    }
    text += &memory("these requests", process)?;
    if !missed.is_empty() {
        let _ = writeln!(
            text,
            "\nAbove {} ms: {}.",
            PROCESSOR.as_millis(),
            missed.join(", ")
        );
    }
    Ok(text)
}

fn memory(title: &str, process: &Serve) -> anyhow::Result<String> {
    let memory = process.used()?.memory;
    let verdict = if memory <= MEMORY { "" } else { ", above 256 MiB" };
    Ok(format!(
        "\nPeak of the process, {title}: {:.1} MiB{verdict}.\n",
        memory as f64 / f64::from(1 << 20)
    ))
}

/// Waits for the first collection of a process.
fn collection(title: &str, process: Serve) -> anyhow::Result<String> {
    let metrics = process.metrics().context("serve says where its metrics are")?;
    let mut connection = Connection::new(metrics);
    let begun = Instant::now();
    let done = loop {
        let text = connection.expect(200, "GET", "/metrics", None, &[])?.body;
        let text = String::from_utf8(text)?;
        ensure!(
            !text.contains("wharf_gc_runs_total{outcome=\"failed\"} 1"),
            "the collection failed"
        );
        if text.contains("wharf_gc_runs_total{outcome=\"ok\"} 1") {
            break text;
        }
        ensure!(begun.elapsed() < COLLECTION, "the collection takes too long");
        std::thread::sleep(LOOK);
    };
    let sum = done
        .lines()
        .find_map(|line| line.strip_prefix("wharf_gc_seconds_sum "));
    let seconds: f64 = sum.context("the time of the collection")?.parse()?;
    let used = process.used()?;
    Ok(format!(
        "\n{title}: {seconds:.1} s, {:.2} s of processor time of `serve`.\n{}",
        used.processor.as_secs_f64(),
        memory(title, &process)?.trim_start_matches('\n')
    ))
}
