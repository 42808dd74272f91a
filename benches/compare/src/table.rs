//! The results in words: Markdown tables with medians, and the smallest and largest in brackets.

use std::{fmt::Write as _, process::Command, thread};

use crate::{
    measure::Measured,
    server::Wire,
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
            requests_of(series),
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
    if outcome.work.wire == Wire::Plain {
        let _ = writeln!(text, "\nrequests of each: {}", requests(outcome));
    }
    text
}

/// How many requests a program has sent; nothing where they are encrypted.
fn requests_of(series: &Series) -> String {
    match series.traffic.requests.len() {
        0 => String::new(),
        count => count.to_string(),
    }
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
    let (method, target) = request.split_once(' ').unwrap_or((request, ""));
    let path = target.split('?').next().unwrap_or_default();
    let part = ["/manifests/", "/blobs/uploads/", "/blobs/"]
        .iter()
        .find(|part| path.contains(**part));
    format!("{method} {}", part.map_or(path, |part| part.trim_matches('/')))
}

/// One line for each work: wharf beside each of the others.
pub fn summary(outcomes: &[Outcome]) -> String {
    let mut others: Vec<Tool> = Vec::new();
    for series in outcomes.iter().flat_map(|outcome| &outcome.series) {
        if series.tool != Tool::Wharf && !others.contains(&series.tool) {
            others.push(series.tool);
        }
    }
    let mut text = String::from(
        "### Summary: wharf's figures over those of others, medians of the rounds' ratios (and the most that they should be)\n\n",
    );
    let columns = |text: &mut String, cell: &dyn Fn(Tool) -> String| {
        others
            .iter()
            .for_each(|tool| *text += &format!(" {} |", cell(*tool)));
    };
    text += "| work |";
    columns(&mut text, &|tool| format!("wall / {}", tool.name()));
    columns(&mut text, &|tool| format!("processor / {}", tool.name()));
    text += " wall, s | processor, s | peak, MiB | requests |\n|";
    text += &"---|".repeat(5 + 2 * others.len());
    text += "\n";
    for outcome in outcomes {
        let find = |tool| outcome.series.iter().find(|series| series.tool == tool);
        let Some(ours) = find(Tool::Wharf) else { continue };
        let cell = |tool, value: fn(&Measured) -> f64, bar: Option<f64>| {
            let ratio = find(tool).map(|theirs| ratio(&ours.runs, &theirs.runs, value));
            let bar = bar.map_or_else(String::new, |bar| format!(" (at most {bar})"));
            ratio.map_or_else(String::new, |ratio| ratio + &bar)
        };
        let bars = &outcome.work.bars;
        let bar = |bars: &[(Tool, f64)], tool| {
            let found = bars.iter().find(|(known, _)| *known == tool);
            found.map(|(_, bar)| *bar)
        };
        let _ = write!(text, "| {} |", outcome.work.title);
        columns(&mut text, &|tool| cell(tool, wall, bar(&bars.wall, tool)));
        columns(&mut text, &|tool| {
            cell(tool, processor, bar(&bars.processor, tool))
        });
        let requests = requests_of(ours);
        let _ = writeln!(
            text,
            " {} | {} | {} | {requests} |",
            spread(ours.runs.iter().map(wall), 3),
            spread(ours.runs.iter().map(processor), 3),
            spread(ours.runs.iter().map(memory), 1),
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
