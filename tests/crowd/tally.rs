use std::{collections::BTreeMap, fmt};

/// What clients did, and what went wrong.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) rounds: u64,
    done: BTreeMap<&'static str, u64>,
    bytes: u64,
    wrong: Vec<String>,
}

/// The most problems that are kept of one client; the first say most.
const KEPT: usize = 5;

impl Tally {
    pub(crate) fn did(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    pub(crate) fn moved(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    pub(crate) fn went_wrong(&mut self, what: String) {
        if self.wrong.len() < KEPT {
            self.wrong.push(what);
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.bytes += other.bytes;
        self.wrong.extend(other.wrong);
        for (what, count) in other.done {
            *self.done.entry(what).or_default() += count;
        }
    }

    pub(crate) fn problems(&self) -> Vec<String> {
        self.wrong.clone()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rounds, bytes, wrong, ..
        } = self;
        write!(
            f,
            "{rounds} rounds, {} errors, {} MB verified;",
            wrong.len(),
            bytes / 1_000_000
        )?;
        for (what, count) in &self.done {
            write!(f, " {what} {count}")?;
        }
        Ok(())
    }
}
