//! Runs a work under callgrind and reads what it wrote.

use std::{collections::HashMap, fs, net::SocketAddr, process::Command};

use anyhow::{Context as _, ensure};

use crate::counts::Cost;

/// The cost of a process that does a work so many times.
pub(crate) fn count(work: &str, times: u64, peer: SocketAddr) -> anyhow::Result<Cost> {
    let directory = tempfile::tempdir()?;
    let output = directory.path().join("callgrind.out");
    let ended = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", output.display()))
        .arg(std::env::current_exe()?)
        .args(["run", work, &times.to_string(), &peer.to_string()])
        .output()
        .context("cannot start valgrind (Debian's package valgrind)")?;
    ensure!(
        ended.status.success(),
        "{work} failed under valgrind: {}",
        String::from_utf8_lossy(&ended.stderr)
    );
    let text = fs::read_to_string(&output).context("valgrind wrote no counts")?;
    Ok(parse(&text))
}

/// Reads callgrind's format: what each function costs itself, without those that it calls.
fn parse(text: &str) -> Cost {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut cost = Cost::default();
    let mut function = "";
    let mut is_call = false;
    for line in text.lines() {
        if let Some(named) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
            let (id, name) = named.split_once(' ').unwrap_or((named, ""));
            if !name.is_empty() {
                names.insert(id, name);
            }
            if line.starts_with("fn=") {
                function = names.get(id).copied().unwrap_or(id);
            }
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            // A position, and the cost there; after a call that of the function that is called.
            let own = line
                .split_once(' ')
                .and_then(|(_, cost)| cost.parse::<u64>().ok());
            if let (Some(own), false) = (own, is_call) {
                cost.add(&plain(function), own);
            }
            is_call = false;
        }
    }
    cost
}

/// A function's name without the hash that the compiler adds, and without callgrind's number of a recursion.
fn plain(name: &str) -> String {
    let name = name.split_once('\'').map_or(name, |(name, _)| name);
    match name.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            path.to_owned()
        }
        _ => name.to_owned(),
    }
}
