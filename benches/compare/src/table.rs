//! The results in words: Markdown tables with medians, and the smallest and largest in brackets.

use std::{fmt::Write as _, process::Command, thread};

use crate::{
    measure::Measured,
    tools::Tool,
    work::{Outcome, Series},
};

/// The machine in general terms.
pub fn machine() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    #[cfg(target_arch = "x86_64")]
    let sha = std::arch::is_x86_feature_detected!("sha");
    #[cfg(not(target_arch = "x86_64"))]
    let sha = false;
    let sha = match (sha, cfg!(wharf_sha2)) {
        (true, false) => "with",
        (true, true) => "not using",
        (false, _) => "without",
    };
    let disk = Command::new("stat")
        .args(["--file-system", "--format=%T"])
        .arg(std::env::temp_dir())
        .output();
    let disk = disk.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let disk = disk.unwrap_or_else(|_| "an unknown file system".to_owned());
    format!(
        "{cores} cores ({}), {sha} SHA instructions; files on {disk}\n",
        std::env::consts::ARCH
    )
}

/// Every program's figures for one work.
pub fn detail(outcome: &Outcome) -> String {
    let mut text = format!("### {}: {}\n\n", outcome.work.name, outcome.work.title);
    text += "| program | wall, s | processor, s | peak, MiB | requests | connections | MB down | MB up |\n";
    text += "|---|---|---|---|---|---|---|---|\n";
    for series in &outcome.series {
        let traffic = &series.traffic;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {:.1} | {:.1} |",
            series.tool.name(),
            spread(series.runs.iter().map(wall), 3),
            spread(series.runs.iter().map(processor), 3),
            spread(series.runs.iter().map(memory), 1),
            traffic.requests.len(),
            traffic.connections,
            traffic.down as f64 / 1e6,
            traffic.up as f64 / 1e6,
        );
    }
    for series in &outcome.series {
        if let Some(shape) = outcome.work.shape.filter(|shape| !shape.round_trip.is_zero()) {
            let delayed = median(series.runs.iter().map(wall)) - series.undelayed.as_secs_f64();
            let trips = delayed / shape.round_trip.as_secs_f64();
            let _ = writeln!(
                text,
                "\n{}: {trips:.1} round trips one after the other",
                series.tool.name()
            );
        }
    }
    let _ = writeln!(text, "\nrequests of each: {}", requests(outcome));
    text
}

/// The requests of each program by kind.
fn requests(outcome: &Outcome) -> String {
    let count = |series: &Series| {
        let mut kinds: Vec<(String, usize)> = Vec::new();
        for request in &series.traffic.requests {
            let kind = kind(request);
            match kinds.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, count)) => *count += 1,
                None => kinds.push((kind, 1)),
            }
        }
        let kinds: Vec<String> = kinds
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        format!("{}: {}", series.tool.name(), kinds.join(", "))
    };
    let all: Vec<String> = outcome.series.iter().map(count).collect();
    all.join("; ")
}

fn kind(request: &str) -> String {
    let (method, path) = request.split_once(' ').unwrap_or((request, ""));
    let part = ["/manifests/", "/blobs/uploads/", "/blobs/"]
        .iter()
        .find(|part| path.contains(**part));
    format!("{method} {}", part.map_or(path, |part| part.trim_matches('/')))
}

/// One line for each work: wharf beside the others.
pub fn summary(outcomes: &[Outcome]) -> String {
    let mut text =
        String::from("### Summary: wharf's figures over the others', medians of the rounds' ratios\n\n");
    text += "| work | wall / skopeo (bar) | processor / skopeo (bar) | wall / others | wharf's wall, s | peak, MiB | requests |\n";
    text += "|---|---|---|---|---|---|---|\n";
    for outcome in outcomes {
        let Some(ours) = outcome.series.iter().find(|series| series.tool == Tool::Wharf) else {
            continue;
        };
        let work = &outcome.work;
        let skopeo = outcome.series.iter().find(|series| series.tool == Tool::Skopeo);
        let bar = |bar: Option<f64>| bar.map_or_else(String::new, |bar| format!(" (at most {bar})"));
        let against = |value: fn(&Measured) -> f64| {
            skopeo.map_or_else(String::new, |skopeo| ratio(&ours.runs, &skopeo.runs, value))
        };
        let others: Vec<String> = outcome
            .series
            .iter()
            .filter(|series| !matches!(series.tool, Tool::Wharf | Tool::Skopeo))
            .map(|series| format!("{} {}", series.tool.name(), ratio(&ours.runs, &series.runs, wall)))
            .collect();
        let _ = writeln!(
            text,
            "| {} | {}{} | {}{} | {} | {} | {} | {} |",
            work.title,
            against(wall),
            bar(work.wall_bar),
            against(processor),
            bar(work.processor_bar),
            others.join(", "),
            spread(ours.runs.iter().map(wall), 3),
            spread(ours.runs.iter().map(memory), 1),
            ours.traffic.requests.len(),
        );
    }
    for outcome in outcomes
        .iter()
        .filter(|outcome| outcome.work.name == "pull-large")
    {
        if let Some(ours) = outcome.series.iter().find(|series| series.tool == Tool::Wharf) {
            let speeds: Vec<f64> = ours
                .runs
                .iter()
                .map(|run| outcome.bytes as f64 / wall(run))
                .collect();
            let shares = speeds
                .iter()
                .zip(&outcome.hash)
                .map(|(speed, hash)| 100. * speed / hash);
            let _ = writeln!(
                text,
                "\nOne large layer: {} MB/s, {} % of the fastest SHA-256 on one core in the same round ({} MB/s{}).",
                spread(speeds.iter().map(|speed| speed / 1e6), 0),
                spread(shares, 0),
                spread(outcome.hash.iter().map(|hash| hash / 1e6), 0),
                if cfg!(wharf_sha2) { ", portable code" } else { "" },
            );
        }
    }
    text
}

pub fn wall(run: &Measured) -> f64 {
    run.wall.as_secs_f64()
}

pub fn processor(run: &Measured) -> f64 {
    run.processor.as_secs_f64()
}

pub fn memory(run: &Measured) -> f64 {
    run.memory as f64 / f64::from(1 << 20)
}

/// The ratios of runs of the same round.
pub fn ratio(ours: &[Measured], theirs: &[Measured], value: fn(&Measured) -> f64) -> String {
    let pairs = ours.iter().zip(theirs);
    spread(pairs.map(|(ours, theirs)| value(ours) / value(theirs)), 2)
}

/// The median with the smallest and largest.
pub fn spread(values: impl Iterator<Item = f64>, digits: usize) -> String {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (values.first(), values.last()) else {
        return String::new();
    };
    format!("{:.digits$} [{least:.digits$}-{most:.digits$}]", middle(&values))
}

/// The median.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    middle(&values)
}

fn middle(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}
