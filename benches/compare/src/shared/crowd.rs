//! More processes and more clients.

use std::{
    fmt::Write as _,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    Options,
    client::{Client, Style},
    engines::{Engines, Kind, Registry},
    image::{Image, Size},
};

/// A config and three layers of 100 kB: bound by requests, not by bytes.
const SIZE: Size = Size {
    layers: 3,
    layer: 100_000,
};
const PROCESSES: [usize; 3] = [1, 2, 4];
const CLIENTS: [usize; 3] = [1, 8, 32];

/// The work that each client repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    PushApart,
    PushTogether,
    PushOneTag,
    PullSame,
    PullDifferent,
}

impl Work {
    const ALL: [Self; 5] = [
        Self::PushApart,
        Self::PushTogether,
        Self::PushOneTag,
        Self::PullSame,
        Self::PullDifferent,
    ];

    const fn title(self) -> &'static str {
        match self {
            Self::PushApart => "push different images, a repository for each client",
            Self::PushTogether => "push different images to one repository",
            Self::PushOneTag => "push different images to one tag",
            Self::PullSame => "pull one image",
            Self::PullDifferent => "pull different images",
        }
    }
}

/// A table for each work: images a second, and the time for one.
pub fn table(engines: &Engines, kind: &Kind, options: Options<'_>) -> anyhow::Result<String> {
    let mut rows: Vec<String> = Work::ALL
        .iter()
        .map(|work| format!("| {} |", work.title()))
        .collect();
    let mut slowest = rows.clone();
    let mut seed = 1 << 40;
    for processes in PROCESSES {
        let registry = engines.registry(kind, processes, options.latency, false)?;
        for clients in CLIENTS {
            eprintln!("crowd: {processes} processes, {clients} clients");
            for (row, work) in Work::ALL.into_iter().enumerate() {
                seed += 1 << 32;
                let mut times = run(&registry, work, clients, seed, options.seconds)?;
                times.1.sort();
                let (walls, count) = (&times.1, times.1.len());
                let _ = write!(rows[row], " {:.1} |", count as f64 / times.0.as_secs_f64());
                let at = |part: usize| walls[(count * part / 100).min(count - 1)].as_secs_f64() * 1e3;
                let _ = write!(slowest[row], " {:.0}, {:.0} |", at(50), at(99));
            }
        }
    }
    let pairs = PROCESSES
        .iter()
        .flat_map(|processes| CLIENTS.map(|clients| format!(" {processes} × {clients} |")));
    let head = format!(
        "| processes × clients |{}\n|{}\n",
        pairs.collect::<String>(),
        "---|".repeat(10)
    );
    let of = format!(
        "a config and {} layers of 100 kB, {} ms to the store",
        SIZE.layers,
        options.latency.as_millis()
    );
    Ok(format!(
        "### Processes by clients: images a second; {of}\n\n{head}{}\n\n\
         ### Processes by clients: milliseconds for an image, median and 99th percentile; {of}\n\n{head}{}\n\n",
        rows.join("\n"),
        slowest.join("\n")
    ))
}

/// Lets the clients work for a while: the time until the last has ended, and the time of each image.
fn run(
    registry: &Registry,
    work: Work,
    clients: usize,
    seed: u64,
    seconds: f64,
) -> anyhow::Result<(Duration, Vec<Duration>)> {
    let pulled = match work {
        Work::PullSame => vec![Image::new(seed, SIZE)],
        Work::PullDifferent => (0..clients as u64)
            .map(|client| Image::new(seed + client, SIZE))
            .collect(),
        _ => Vec::new(),
    };
    for (index, image) in pulled.iter().enumerate() {
        Client::new(registry.address(0)).push(image, "pulled", &format!("t{index}"), Style::Patch)?;
    }
    let (numbers, times) = (AtomicU64::new(seed), Mutex::new(Vec::new()));
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(seconds);
    let run = |index: usize| {
        let mut client = Client::new(registry.address(index));
        let mut own = Vec::new();
        while Instant::now() < end {
            let fresh = || {
                let number = numbers.fetch_add(1, Relaxed);
                (Image::new(number, SIZE), number)
            };
            own.push(match work {
                Work::PushApart => {
                    let (image, number) = fresh();
                    client.push(
                        &image,
                        &format!("apart/{index}"),
                        &format!("t{number}"),
                        Style::Patch,
                    )?
                }
                Work::PushTogether => {
                    let (image, number) = fresh();
                    client.push(&image, "together", &format!("t{number}"), Style::Patch)?
                }
                Work::PushOneTag => client.push(&fresh().0, "together", "latest", Style::Patch)?,
                Work::PullSame => client.pull(&pulled[0], "pulled", "t0")?,
                Work::PullDifferent => client.pull(&pulled[index], "pulled", &format!("t{index}"))?,
            });
        }
        times.lock().expect("nobody panics with the lock").extend(own);
        anyhow::Ok(())
    };
    let run = &run;
    thread::scope(|scope| {
        let running: Vec<_> = (0..clients)
            .map(|index| scope.spawn(move || run(index)))
            .collect();
        running
            .into_iter()
            .try_for_each(|client| client.join().expect("no client panics"))
    })?;
    Ok((
        begun.elapsed(),
        times.into_inner().expect("nobody panics with the lock"),
    ))
}
