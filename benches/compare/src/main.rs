//! Compares wharf with crane, Skopeo, regctl, oras, oci-client, umoci and tar, on the same registry and the same images.
//!
//!     cargo run --release --manifest-path benches/compare/Cargo.toml
//!
//! It builds wharf and oci-client, makes images of this machine's own files (once, kept in the build directory), starts
//! the registry, and lets the programs take turns. The other programs are those in `PATH`, or those that `--peer` names.
//! Each run is a process of its own, started by a small copy of this program so that the memory it reports is its own;
//! its results are verified byte by byte after every run. Ratios are of runs of the same round; the tables give medians,
//! and the smallest and largest in brackets.
//!
//! Works whose name begins with `tls-` are over TLS, with tokens for a user; requests cannot be counted there. In those that
//! begin with `nginx-` and `scarce-`, nginx is before the registry and speaks HTTP/2; it is required for them alone.
//!
//! With `RUSTFLAGS='--cfg wharf_sha2 --cfg sha2_backend="soft"'` it is built to hash as a machine without SHA instructions
//! does, and so are wharf and oci-client.
//!
//! With `--images`, the programs change an image on a disk instead: its format, its compression, its form. With `--trees`,
//! they unpack images to root file systems, push directories, and make layers of what changed there. With `--registries`, a
//! load generator pushes to registries and pulls from them, and they are started again with many repositories.
//!
//! With `--shared`, registries are compared instead: wharf's `serve` on PostgreSQL and an S3 server, and distribution on the same
//! server, which is some milliseconds away. With `--million`, requests to a registry of a million tags are measured.
//!
//! Everything is written below the temporary directory: `TMPDIR` chooses the disk that is measured.

mod check;
mod cost;
mod http;
mod image;
mod images;
mod link;
mod measure;
mod million;
mod nginx;
mod peers;
mod process;
mod protocol;
mod registries;
mod requests;
mod server;
mod shared;
mod statements;
mod table;
mod tools;
mod trees;
mod work;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use clap::Parser;

use crate::{
    peers::Peers,
    tools::{Mode, Tools},
    work::Bench,
};

/// Compares wharf with other programs.
#[derive(Parser)]
struct Arguments {
    /// Rounds of each work; in each, every program runs once
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only works whose name contains this; may be repeated
    #[arg(long)]
    only: Vec<String>,
    /// Only these programs; may be repeated
    #[arg(long)]
    tool: Vec<String>,
    /// A program that is not the one in PATH, or not in PATH: crane, skopeo, regctl, oras, umoci, podman, buildah, tar, nginx,
    /// olareg, docker-registry, or registry for the server, which is docker-registry or a newer distribution; may be repeated
    #[arg(long, value_name = "NAME=PATH", value_parser = Peers::parse)]
    peer: Vec<(String, PathBuf)>,
    /// Takes wharf's examples from here instead of building them
    #[arg(long, value_name = "DIR")]
    examples: Option<PathBuf>,
    /// Also pulls one layer of 100 MB and one of 10 GB, to see that memory does not grow; needs 40 GB of disk
    #[arg(long)]
    huge: bool,
    /// Instead of pulls and pushes, clean builds of packages that depend on wharf, or on oci-client
    #[arg(long)]
    builds: bool,
    /// Instead of pulls and pushes, changes of an image on a disk: format, compression, archive
    #[arg(long, conflicts_with = "builds")]
    images: bool,
    /// Instead of pulls and pushes, images unpacked to root file systems, and layers made of their changes
    #[arg(long, conflicts_with_all = ["builds", "images"])]
    trees: bool,
    /// Instead of pulls and pushes, registries side by side: `small` and `large` images of 64 clients, `restart`
    #[arg(long, conflicts_with_all = ["builds", "images", "trees"])]
    registries: bool,
    /// Repositories of a registry that is started again, or of one that holds much, beside its largest
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    repositories: usize,
    /// Small files in the largest image that is unpacked, and in the tree whose changes become a layer
    #[arg(long, value_name = "N", default_value_t = 100_000, requires = "trees")]
    files: u32,
    /// Instead of pulls and pushes by programs, registries of one and several processes on an S3 server; `--only` chooses
    /// of counts, beside and crowd
    #[arg(long, conflicts_with_all = ["builds", "images", "trees", "registries"])]
    shared: bool,
    /// From a request to the S3 server to its answer, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 20, requires = "shared")]
    latency: u64,
    /// How long each crowd of clients works, in seconds
    #[arg(long, value_name = "S", default_value_t = 3.0, requires = "shared")]
    seconds: f64,
    /// Instead of pulls and pushes, requests to a registry that holds much
    #[arg(long, conflicts_with_all = ["builds", "images", "trees", "registries", "shared"])]
    million: bool,
    /// Tags and manifests of its largest repository
    #[arg(long, value_name = "N", default_value_t = 1_000_000, requires = "million")]
    tags: u64,
    /// Names the works and ends
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == measure::CHILD) {
        return measure::child(arguments);
    }
    match compare(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn compare(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.builds {
        println!("{}", cost::compare(arguments.rounds)?);
        return Ok(());
    }
    if arguments.shared || arguments.million {
        return with_engines(arguments);
    }
    let chosen = |name: &str| {
        arguments.only.is_empty() || arguments.only.iter().any(|part| name.contains(part.as_str()))
    };
    let works: Vec<_> = work::all(arguments.huge)
        .into_iter()
        .filter(|work| chosen(work.name))
        .collect();
    if arguments.list {
        works
            .iter()
            .for_each(|work| println!("{:12} {}", work.name, work.title));
        return Ok(());
    }
    let peers = Peers::new(&arguments.peer)?;
    let mode = match (arguments.images, arguments.trees, arguments.registries) {
        (true, ..) => Mode::Images,
        (_, true, _) => Mode::Trees,
        (.., true) => Mode::Registries,
        _ => Mode::Transfers,
    };
    let tools = Tools::find(mode, arguments.examples.as_deref(), &arguments.tool, &peers)
        .context("cannot prepare what is compared")?;
    println!("{}\n{}", table::machine(), tools.versions());
    if arguments.images {
        println!("{}", images::compare(&tools, arguments.rounds, &arguments.only)?);
        return Ok(());
    }
    if arguments.registries {
        let (rounds, only) = (arguments.rounds, &arguments.only);
        let tables = registries::compare(
            &tools,
            &peers,
            rounds,
            only,
            &arguments.tool,
            arguments.repositories,
        )?;
        println!("{tables}");
        return Ok(());
    }
    if arguments.trees {
        println!(
            "{}",
            trees::compare(&tools, arguments.rounds, &arguments.only, arguments.files)?
        );
        return Ok(());
    }
    let mut results = Vec::new();
    let mut bench = Bench::new(tools);
    for work in works {
        if !bench.can_run(&work)? {
            eprintln!(
                "{}: skipped, because nginx is neither in PATH nor given by --peer",
                work.name
            );
            continue;
        }
        eprintln!("{}: {}", work.name, work.title);
        let result = bench.run(&work, arguments.rounds).with_context(|| work.name)?;
        println!("{}", table::detail(&result));
        results.push(result);
    }
    println!("{}", table::summary(&results));
    Ok(())
}

/// Measures registries on engines that they share.
fn with_engines(arguments: &Arguments) -> anyhow::Result<()> {
    let peers = Peers::new(&arguments.peer)?;
    let serve = tools::build(arguments.examples.as_deref(), &["serve"])?.join("serve");
    println!("{}", table::machine());
    if arguments.shared {
        let options = shared::Options {
            rounds: arguments.rounds,
            latency: Duration::from_millis(arguments.latency),
            seconds: arguments.seconds,
            only: &arguments.only,
        };
        return shared::compare(&serve, &peers, options);
    }
    let size = million::Size {
        tags: arguments.tags,
        repositories: arguments.repositories as u64,
    };
    million::measure(&serve, size)
}
