use std::{
    cmp::Reverse,
    collections::{BTreeSet, VecDeque},
};

/// The most bytes that one blob counts for, because no source or sink buffers more of one.
pub(crate) const MAX_WEIGHT: u64 = 4 << 20;

/// A blob, by its position in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Item {
    pub(crate) step: usize,
    pub(crate) size: u64,
}

/// The work to begin next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// Check whether the blob must be copied.
    Check(Item),
    /// Copy the blob.
    Move(Item),
}

/// Decides the order of the blobs of a copy, and tracks those in flight.
///
/// The largest blob is first, because the last one to start decides when the copy ends. If the budget has
/// no room for it, the largest that fits is next, so that small blobs fill the gaps beside large ones.
///
/// An upload uses one connection and one server-side hash, so the largest blob sets the total time. Other
/// large blobs start only while they can finish with it; more of them would take their share of link and
/// processors.
#[derive(Debug)]
pub(crate) struct Schedule {
    unchecked: VecDeque<Item>,
    ready: BTreeSet<(Reverse<u64>, usize)>,
    limit: usize,
    budget: u64,
    checking: usize,
    moving: usize,
    weight: u64,
    /// For uploads: the large blobs that must be copied, or may have to be.
    big: Option<Big>,
}

/// By size and position in the plan.
#[derive(Debug, Default)]
struct Big {
    all: BTreeSet<(u64, usize)>,
    bytes: u64,
    moving: BTreeSet<(u64, usize)>,
}

impl Big {
    fn add(&mut self, item: Item) {
        if item.is_big() && self.all.insert(item.key()) {
            self.bytes = self.bytes.saturating_add(item.size);
        }
    }

    fn remove(&mut self, item: Item) {
        if self.all.remove(&item.key()) {
            self.bytes = self.bytes.saturating_sub(item.size);
        }
    }

    fn moved(&mut self, item: Item) {
        self.moving.remove(&item.key());
        // The next largest sets the total time then; any other stays in the sum.
        if self.all.last() == Some(&item.key()) {
            self.remove(item);
        }
    }

    /// True if the blob may start now. The largest always may; of the others as many at a time as are
    /// needed for all to end with the largest.
    fn admits(&self, item: Item) -> bool {
        let Some(largest) = self.all.last() else {
            return true;
        };
        let others = self.moving.len() - usize::from(self.moving.contains(largest));
        item.key() == *largest || 1 + (others as u64) < self.bytes.div_ceil(largest.0)
    }
}

impl Schedule {
    pub(crate) fn new(limit: usize, budget: u64, mut unchecked: Vec<Item>, ready: &[Item]) -> Self {
        unchecked.sort_by_key(|item| (Reverse(item.size), item.step));
        Self {
            unchecked: unchecked.into(),
            ready: ready.iter().map(|item| (Reverse(item.size), item.step)).collect(),
            limit,
            budget,
            checking: 0,
            moving: 0,
            weight: 0,
            big: None,
        }
    }

    /// Makes a schedule for blobs of which each uses one connection.
    pub(crate) fn for_uploads(mut self) -> Self {
        let mut big = Big::default();
        self.unchecked.iter().for_each(|item| big.add(*item));
        for (Reverse(size), step) in &self.ready {
            big.add(Item {
                step: *step,
                size: *size,
            });
        }
        self.big = Some(big);
        self
    }

    pub(crate) fn next(&mut self) -> Option<Job> {
        if self.moving < self.limit
            && let Some(item) = self.next_that_fits()
        {
            self.ready.remove(&(Reverse(item.size), item.step));
            self.moving += 1;
            self.weight = self.weight.saturating_add(weight(item));
            if let Some(big) = self.big.as_mut().filter(|_| item.is_big()) {
                big.moving.insert(item.key());
            }
            return Some(Job::Move(item));
        }
        if self.checking < self.limit {
            let item = self.unchecked.pop_front()?;
            self.checking += 1;
            return Some(Job::Check(item));
        }
        None
    }

    /// The item was checked: it must move, or it is in the sink.
    pub(crate) fn checked(&mut self, item: Item, must_move: bool) {
        self.checking = self.checking.saturating_sub(1);
        if must_move {
            self.ready.insert((Reverse(item.size), item.step));
        } else if let Some(big) = &mut self.big {
            big.remove(item);
        }
    }

    pub(crate) fn moved(&mut self, item: Item) {
        self.moving = self.moving.saturating_sub(1);
        self.weight = self.weight.saturating_sub(weight(item));
        if let Some(big) = &mut self.big {
            big.moved(item);
        }
    }

    fn next_that_fits(&self) -> Option<Item> {
        let room = self.budget.saturating_sub(self.weight);
        // A blob without others always fits.
        let largest = if self.moving == 0 || room >= MAX_WEIGHT {
            u64::MAX
        } else {
            room
        };
        let item = self.largest_ready(largest)?;
        match &self.big {
            Some(big) if item.is_big() && !big.admits(item) => self.largest_ready(room.min(MAX_WEIGHT - 1)),
            _ => Some(item),
        }
    }

    fn largest_ready(&self, most: u64) -> Option<Item> {
        let (Reverse(size), step) = self.ready.range((Reverse(most), 0)..).next()?;
        Some(Item {
            step: *step,
            size: *size,
        })
    }
}

impl Item {
    const fn is_big(self) -> bool {
        self.size >= MAX_WEIGHT
    }

    const fn key(self) -> (u64, usize) {
        (self.size, self.step)
    }
}

fn weight(item: Item) -> u64 {
    item.size.min(MAX_WEIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn items(sizes: &[u64]) -> Vec<Item> {
        let item = |(step, &size)| Item { step, size };
        sizes.iter().enumerate().map(item).collect()
    }

    fn begun(schedule: &mut Schedule) -> Vec<u64> {
        std::iter::from_fn(|| schedule.next())
            .map(|job| match job {
                Job::Move(item) | Job::Check(item) => item.size,
            })
            .collect()
    }

    #[test]
    fn the_budget_bounds_big_blobs_and_the_limit_small_ones() {
        let mut big = Schedule::new(32, 32 * MIB, Vec::new(), &items(&[50 * MIB; 20]));
        assert_eq!(begun(&mut big).len(), 8);
        let mut small = Schedule::new(32, 32 * MIB, Vec::new(), &items(&[100_000; 100]));
        assert_eq!(begun(&mut small).len(), 32);
    }

    #[test]
    fn small_ones_fill_the_gap_that_a_big_one_cannot() {
        let sizes = [3 * MIB, 3 * MIB, 3 * MIB, 2 * MIB, 1];
        let mut schedule = Schedule::new(9, 8 * MIB, Vec::new(), &items(&sizes));
        assert_eq!(begun(&mut schedule), [3 * MIB, 3 * MIB, 2 * MIB]);
        schedule.moved(Item {
            step: 0,
            size: 3 * MIB,
        });
        assert_eq!(begun(&mut schedule), [3 * MIB]);
        schedule.moved(Item {
            step: 3,
            size: 2 * MIB,
        });
        assert_eq!(begun(&mut schedule), [1]);
    }

    #[test]
    fn one_always_moves_however_small_the_budget() {
        let mut schedule = Schedule::new(9, 1, Vec::new(), &items(&[9 * MIB, 8 * MIB]));
        assert_eq!(begun(&mut schedule), [9 * MIB]);
        schedule.moved(Item {
            step: 0,
            size: 9 * MIB,
        });
        assert_eq!(begun(&mut schedule), [8 * MIB]);
    }

    #[test]
    fn uploads_leave_the_largest_its_share() {
        let sizes = [93, 42, 28, 15, 9, 5, 3, 1].map(|size| size * MIB);
        let mut schedule = Schedule::new(32, 32 * MIB, Vec::new(), &items(&sizes)).for_uploads();
        assert_eq!(begun(&mut schedule), [93, 42, 28, 3, 1].map(|size| size * MIB));
        schedule.moved(items(&sizes)[2]);
        assert_eq!(begun(&mut schedule), [15 * MIB]);
        schedule.moved(items(&sizes)[0]);
        assert_eq!(begun(&mut schedule), [9 * MIB]);

        let mut equal = Schedule::new(32, 32 * MIB, Vec::new(), &items(&[50 * MIB; 20])).for_uploads();
        assert_eq!(begun(&mut equal).len(), 8, "the budget bounds them");
    }

    #[test]
    fn an_upload_waits_for_a_question_about_none_but_itself() {
        let sizes = [100 * MIB, 50 * MIB, 40 * MIB, 30 * MIB];
        let questions = || {
            let mut schedule = Schedule::new(4, 32 * MIB, items(&sizes), &[]).for_uploads();
            assert_eq!(begun(&mut schedule), sizes);
            schedule
        };
        let [largest, second, third, fourth] = items(&sizes)[..] else {
            unreachable!()
        };
        let mut slow = questions();
        for item in [fourth, third, second] {
            slow.checked(item, true);
        }
        assert_eq!(begun(&mut slow), [50 * MIB, 40 * MIB]);
        slow.checked(largest, true);
        assert_eq!(begun(&mut slow), [100 * MIB], "its share was kept");
        slow.moved(second);
        assert_eq!(begun(&mut slow), [30 * MIB]);

        let mut absent = questions();
        for item in [second, third, fourth] {
            absent.checked(item, true);
        }
        assert_eq!(begun(&mut absent).len(), 2);
        absent.checked(largest, false);
        assert_eq!(begun(&mut absent), [30 * MIB], "what is there already takes none");
    }

    #[test]
    fn questions_run_beside_transfers() {
        let mut schedule = Schedule::new(2, MIB, items(&[1, 5, 3, 4, 2]), &[]);
        assert_eq!(begun(&mut schedule), [5, 4]);
        schedule.checked(Item { step: 1, size: 5 }, true);
        assert_eq!(
            begun(&mut schedule),
            [5, 3],
            "it moves, and the next is asked for"
        );
        schedule.checked(Item { step: 3, size: 4 }, false);
        assert_eq!(begun(&mut schedule), [2]);
    }
}
