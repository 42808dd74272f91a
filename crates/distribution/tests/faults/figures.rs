use std::{collections::BTreeMap, fmt, time::Duration};

use crate::{
    plan::{Task, Trouble},
    run::Record,
};

/// What came of many runs.
#[derive(Debug)]
pub(crate) struct Figures {
    first_seed: u64,
    asked: u64,
    runs: u64,
    /// Runs in which at least one fault happened; the others say nothing.
    counting: u64,
    /// Those against a server that answers nonsense; each of its answers counts as a fault.
    nonsense: u64,
    hits: u64,
    wrong: u64,
    hung: u64,
    leaked: u64,
    panicked: u64,
    gave_up: u64,
    fetched: Bytes,
    sent: Bytes,
    longest: Duration,
    by_task: BTreeMap<Task, (u64, u64)>,
    by_trouble: BTreeMap<String, (u64, u64)>,
    bad: Vec<String>,
    repeated: u64,
    pub(crate) repeated_differently: u64,
    differences: Vec<String>,
    pub(crate) took: Duration,
}

/// Content that had to be moved, and what went over the wire for it, heads included.
#[derive(Debug, Default)]
struct Bytes {
    content: u64,
    moved: u64,
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let twice = self.moved.saturating_sub(self.content);
        #[expect(clippy::cast_precision_loss, reason = "a percentage")]
        let percent = 100.0 * twice as f64 / self.content.max(1) as f64;
        write!(
            f,
            "{} bytes of content, {} bytes moved twice or around it ({percent:.1} %)",
            self.content, twice
        )
    }
}

impl Figures {
    pub(crate) fn new(first_seed: u64, asked: u64) -> Self {
        Self {
            first_seed,
            asked,
            runs: 0,
            counting: 0,
            nonsense: 0,
            hits: 0,
            wrong: 0,
            hung: 0,
            leaked: 0,
            panicked: 0,
            gave_up: 0,
            fetched: Bytes::default(),
            sent: Bytes::default(),
            longest: Duration::ZERO,
            by_task: BTreeMap::new(),
            by_trouble: BTreeMap::new(),
            bad: Vec::new(),
            repeated: 0,
            repeated_differently: 0,
            differences: Vec::new(),
            took: Duration::ZERO,
        }
    }

    pub(crate) fn add(&mut self, record: &Record) {
        self.runs += 1;
        self.hits += record.hits;
        self.wrong += u64::from(!record.wrong.is_empty());
        self.hung += u64::from(record.hung);
        self.leaked += u64::from(!record.leaks.is_empty());
        self.panicked += u64::from(record.panicked);
        self.gave_up += u64::from(record.gave_up_early());
        self.longest = self.longest.max(record.simulated);
        if record.is_bad() {
            let error = record.error.as_ref().map_or("", |(_, text)| text);
            let plan = record.plan.as_ref().map(|plan| (plan.task, &plan.troubles));
            let found = (&record.wrong, &record.leaks, record.hung, record.panicked);
            let line = format!("--run {}: {plan:?} {found:?} {error}", record.seed);
            // What is worse comes first.
            let place = if record.gave_up_early() { self.bad.len() } else { 0 };
            self.bad.insert(place, line);
        }
        if record.hits == 0 {
            return;
        }
        self.counting += 1;
        let Some(plan) = &record.plan else {
            self.nonsense += 1;
            return;
        };
        let well = u64::from(record.error.is_none());
        let count = |entry: &mut (u64, u64)| {
            entry.0 += 1;
            entry.1 += well;
        };
        count(self.by_task.entry(plan.task).or_default());
        if let [trouble] = plan.troubles.as_slice() {
            count(self.by_trouble.entry(name_of(trouble)).or_default());
        }
        if record.error.is_none() && record.content > 0 {
            let bytes = if plan.task == Task::Pull {
                &mut self.fetched
            } else {
                &mut self.sent
            };
            bytes.content += record.content;
            bytes.moved += record.moved;
        }
    }

    /// A run was repeated; how it ended the first time and the second.
    pub(crate) fn repeat(&mut self, first: &str, second: &str) {
        self.repeated += 1;
        if first != second {
            self.repeated_differently += 1;
            self.differences.push(format!("{first}; then {second}"));
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.bad.is_empty() && self.counting > 0
    }
}

fn name_of(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Wire(fault) => {
            let text = format!("{:?}", fault.harm);
            let harm = text.split('(').next().unwrap_or_default().to_lowercase();
            format!("wire {harm}")
        }
        Trouble::Registry { name, .. } => (*name).to_owned(),
        Trouble::Redirect(_) => "redirect to a stranger".to_owned(),
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}, {} of {} runs in {:.1?}",
            self.first_seed, self.runs, self.asked, self.took
        )?;
        writeln!(
            f,
            "runs in which a fault happened: {}, faults that happened: {}",
            self.counting, self.hits
        )?;
        writeln!(
            f,
            "runs against a server that answers nonsense: {}",
            self.nonsense
        )?;
        writeln!(f, "wrong bytes accepted: {}", self.wrong)?;
        writeln!(f, "hangs: {}", self.hung)?;
        writeln!(f, "leaks: {}", self.leaked)?;
        writeln!(f, "panics: {}", self.panicked)?;
        writeln!(f, "given up although it would have passed: {}", self.gave_up)?;
        writeln!(f, "fetched, in pulls that ended well: {}", self.fetched)?;
        writeln!(f, "sent, in pushes that ended well: {}", self.sent)?;
        writeln!(f, "longest run: {:.0?} of simulated time", self.longest)?;
        let same = self.repeated - self.repeated_differently;
        writeln!(f, "repeated: {}, which ended as before: {same}", self.repeated)?;
        for difference in &self.differences {
            writeln!(f, "  {difference}")?;
        }
        writeln!(f, "task: runs, of which ended well")?;
        for (task, (runs, well)) in &self.by_task {
            writeln!(f, "  {task:?}: {runs}, {well}")?;
        }
        writeln!(f, "single fault: runs, of which ended well")?;
        for (trouble, (runs, well)) in &self.by_trouble {
            writeln!(f, "  {trouble}: {runs}, {well}")?;
        }
        for bad in self.bad.iter().take(10) {
            writeln!(f, "FAILED {bad}")?;
        }
        Ok(())
    }
}
