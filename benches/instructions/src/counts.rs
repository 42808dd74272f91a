//! The counts, and the file that they are written to.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

/// By how much a work may cost more than is written, in percent.
pub(crate) const TOLERANCE: u64 = 5;

/// A function is written if it costs at least this part of its work.
const PART: u64 = 1_000;

/// The instructions of one unit of a work.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    pub(crate) total: u64,
    /// By function, without those that it calls.
    functions: BTreeMap<String, u64>,
}

impl Cost {
    pub(crate) fn add(&mut self, function: &str, instructions: u64) {
        self.total += instructions;
        *self.functions.entry(function.to_owned()).or_default() += instructions;
    }

    pub(crate) fn minus(&self, other: &Self) -> Self {
        let mut difference = Self::default();
        for (function, cost) in &self.functions {
            let other = other.functions.get(function).copied().unwrap_or_default();
            difference.add(function, cost.saturating_sub(other));
        }
        difference.total = self.total.saturating_sub(other.total);
        difference
    }

    pub(crate) fn divided_by(mut self, times: u64) -> Self {
        self.total /= times;
        self.functions.values_mut().for_each(|cost| *cost /= times);
        self
    }

    /// A text that names the functions that grew, if the total did so by more than [`TOLERANCE`].
    pub(crate) fn growth_beyond(&self, before: &Self) -> Option<String> {
        if self.total * 100 <= before.total * (100 + TOLERANCE) {
            return None;
        }
        let mut text = format!("costs {} instructions, written are {}:", self.total, before.total);
        let mut grown: Vec<(&String, u64, u64)> = self
            .functions
            .iter()
            .map(|(function, now)| {
                // A function that is not written cost less than the least that is.
                let written = before.functions.get(function);
                (function, written.copied().unwrap_or(before.total / PART), *now)
            })
            .filter(|(_, before, now)| now > before)
            .collect();
        grown.sort_by_key(|(_, before, now)| std::cmp::Reverse(now - before));
        for (function, before, now) in grown.into_iter().take(10) {
            let _ = write!(text, "\n  {before:>10} -> {now:>10}  {function}");
        }
        Some(text)
    }

    fn dearest(&self) -> Vec<(&String, &u64)> {
        let dear = |cost: u64| cost > 0 && cost * PART >= self.total;
        let functions = self.functions.iter().filter(|(_, cost)| dear(**cost));
        let mut functions: Vec<_> = functions.collect();
        functions.sort_by_key(|(_, cost)| std::cmp::Reverse(**cost));
        functions
    }
}

/// The costs of all works.
#[derive(Debug)]
pub(crate) struct Counts {
    /// As the compiler states its version.
    pub(crate) compiler: String,
    pub(crate) works: Vec<(String, Cost)>,
}

impl Counts {
    /// No counts yet.
    pub(crate) fn of_this_compiler() -> anyhow::Result<Self> {
        let version = Command::new("rustc").arg("--version").output();
        let version = version.context("cannot ask rustc for its version")?;
        Ok(Self {
            compiler: String::from_utf8(version.stdout)?.trim().to_owned(),
            works: Vec::new(),
        })
    }

    pub(crate) fn read() -> anyhow::Result<Self> {
        let text = fs::read_to_string(path())?;
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let mut counts = Self {
            compiler: lines.next().unwrap_or_default().to_owned(),
            works: Vec::new(),
        };
        for line in lines {
            let (cost, name) = line
                .trim_start()
                .split_once(' ')
                .context("a line without a name")?;
            let cost = cost.parse().with_context(|| format!("{cost} is no number"))?;
            if line.starts_with(' ') {
                let (_, work) = counts.works.last_mut().context("a function without a work")?;
                work.functions.insert(name.to_owned(), cost);
            } else {
                let total = Cost {
                    total: cost,
                    ..Cost::default()
                };
                counts.works.push((name.to_owned(), total));
            }
        }
        ensure!(!counts.works.is_empty(), "{} has no counts", path().display());
        Ok(counts)
    }

    pub(crate) fn write(&self) -> anyhow::Result<()> {
        let mut text = String::from(
            "# Instructions of one unit of each work and of its dearest functions, without those that they call.\n\
             # Made by `cargo run --release --manifest-path benches/instructions/Cargo.toml -- --update`; the check compares.\n",
        );
        writeln!(text, "{}", self.compiler)?;
        for (name, cost) in &self.works {
            writeln!(text, "{} {name}", cost.total)?;
            for (function, cost) in cost.dearest() {
                writeln!(text, "  {cost} {function}")?;
            }
        }
        fs::write(path(), text)?;
        Ok(())
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("counts.txt")
}
