//! Histories of a value that several clients read and write at the same time.

use std::collections::HashSet;

/// An operation on a value, with the moments between which it was made.
#[derive(Debug, Clone)]
pub struct Operation<V> {
    /// The moment at which the client began.
    pub begun: u64,
    /// The moment at which the client had the answer. `None` for a write without one: it was made at any time since, or not.
    pub ended: Option<u64>,
    /// The value that was written, or read.
    pub action: Action<V>,
}

/// A kind of operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action<V> {
    /// The value was written.
    Write(V),
    /// The value was read.
    Read(V),
}

/// Whether there is an order of these operations, each between its moments, in which each read returns what was written
/// last, as Wing and Gong look for it.
pub fn is_linearizable<V: Clone + Eq>(initial: &V, history: &[Operation<V>]) -> bool {
    let mut operations: Vec<&Operation<V>> = history
        .iter()
        .filter(|operation| matters(operation, history))
        .collect();
    operations.sort_by_key(|operation| operation.begun);
    let mut search = Search {
        initial,
        operations,
        seen: HashSet::new(),
    };
    let done = vec![false; search.operations.len()];
    search.goes_on(&done, None)
}

/// A write without an answer that nobody has read may as well not have been made.
fn matters<V: Eq>(operation: &Operation<V>, history: &[Operation<V>]) -> bool {
    match &operation.action {
        Action::Write(value) if operation.ended.is_none() => history
            .iter()
            .any(|other| matches!(&other.action, Action::Read(read) if read == value)),
        _ => true,
    }
}

struct Search<'h, V> {
    initial: &'h V,
    operations: Vec<&'h Operation<V>>,
    /// The operations done and the last write, where there was no way on.
    seen: HashSet<(Vec<bool>, Option<usize>)>,
}

impl<V: Eq> Search<'_, V> {
    /// Whether what is not done can follow, after the write with this index.
    fn goes_on(&mut self, done: &[bool], last: Option<usize>) -> bool {
        let waiting = || (0..done.len()).filter(|index| !done[*index]);
        let Some(first_end) = waiting().filter_map(|index| self.operations[index].ended).min() else {
            return true; // what has no answer need not be made
        };
        if !self.seen.insert((done.to_vec(), last)) {
            return false;
        }
        let next: Vec<usize> = waiting()
            .take_while(|index| self.operations[*index].begun <= first_end)
            .collect();
        for index in next {
            let last = match &self.operations[index].action {
                Action::Write(_) => Some(index),
                Action::Read(value) if value == self.value(last) => last,
                Action::Read(_) => continue,
            };
            let mut done = done.to_vec();
            done[index] = true;
            if self.goes_on(&done, last) {
                return true;
            }
        }
        false
    }

    fn value(&self, last: Option<usize>) -> &V {
        match last.map(|index| &self.operations[index].action) {
            Some(Action::Write(value) | Action::Read(value)) => value,
            None => self.initial,
        }
    }
}
