//! Many processes at once.

use std::process::{Child, Command, Stdio};

use wharf_testkit::{
    Random,
    faults::{self, Scenario as _, block_on},
};

use crate::{
    scenario::{SCENARIOS, store_on},
    worker,
};

pub(crate) fn many_processes_share_a_store(wanted: usize, random: &mut Random) -> String {
    let rounds = (wanted / 60).max(2);
    let (mut processes, mut killed, mut collections) = (0, 0, 0);
    for round in 0..rounds {
        let kills = round % 2 == 1;
        let (size, dead, collected) = one_round(2 + random.index(15), kills, random);
        processes += size;
        killed += dead;
        collections += collected;
    }
    format!(
        "{rounds} rounds, {processes} processes pulled one image while others collected {collections} times, \
         {killed} killed; fetched twice 0, failed 0"
    )
}

/// So many processes pull the same image, each by a name of its own, while one collects.
fn one_round(size: usize, kills: bool, random: &mut Random) -> (usize, usize, usize) {
    let scenario = &SCENARIOS[0];
    let stage = scenario.stage();
    let path = store_on(&stage);
    let start = |steps: &[String]| -> Child {
        Command::new(std::env::current_exe().unwrap())
            .arg(faults::WORKER)
            .arg(&path)
            .args(steps)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a worker starts")
    };
    // Garbage to collect while the others pull.
    block_on(async {
        for step in ["pull 8 x", "pull 9 y", "remove x", "remove y"] {
            worker::step(&path, step).await.unwrap();
        }
    });
    let collections = 10;
    let collector = start(&vec!["collect".to_owned(); collections]);
    let mut pulls: Vec<Child> = (0..size)
        .map(|number| start(&[format!("pull 1 name{number}")]))
        .collect();
    let mut victims = Vec::new();
    if kills {
        for pull in &mut pulls {
            if random.coin() {
                std::thread::sleep(std::time::Duration::from_micros(random.number() % 8000));
                pull.kill().unwrap();
                victims.push(pull.id());
            }
        }
    }
    let mut fetched = 0;
    let mut names = Vec::new();
    for (number, pull) in pulls.into_iter().enumerate() {
        let id = pull.id();
        let output = pull.wait_with_output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            names.push(format!("name{number}"));
        } else {
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(victims.contains(&id), "a pull failed: {stdout}{stderr}");
        }
        let bytes = stdout.lines().filter_map(|line| line.strip_prefix("fetch "));
        fetched += bytes.map(|bytes| bytes.parse::<u64>().unwrap()).sum::<u64>();
    }
    let collector = collector.wait_with_output().unwrap();
    assert!(
        collector.status.success(),
        "{}",
        String::from_utf8_lossy(&collector.stdout)
    );
    let image = worker::image(1);
    let whole: u64 = image
        .blobs()
        .iter()
        .map(|(descriptor, _)| descriptor.size())
        .sum();
    if victims.is_empty() {
        assert_eq!(fetched, whole, "each blob is fetched by one of all processes");
    }
    block_on(async {
        let store = wharf_store::Layout::open(&path).await.unwrap();
        let checked = store.check().await.unwrap();
        assert!(checked.is_clean(), "{:?}", checked.problems);
        let found: Vec<String> = store
            .images()
            .await
            .unwrap()
            .iter()
            .filter_map(|image| image.name().map(ToString::to_string))
            .collect();
        for name in names {
            assert!(found.contains(&name), "{name} was acknowledged and is lost");
        }
    });
    (size, victims.len(), collections)
}
