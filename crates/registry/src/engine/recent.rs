use std::collections::{HashSet, VecDeque};

use crate::CommitId;

/// The number of commits that are remembered. A caller in this process repeats a commit at once, if at all.
const KEPT: usize = 1024;

/// The ids of the last commits, so that none is made twice.
#[derive(Default)]
pub(super) struct RecentCommits {
    ids: HashSet<CommitId>,
    order: VecDeque<CommitId>,
}

impl RecentCommits {
    pub(super) fn contains(&self, id: CommitId) -> bool {
        self.ids.contains(&id)
    }

    pub(super) fn insert(&mut self, id: CommitId) {
        if !self.ids.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_commits_are_remembered_and_no_more() {
        let ids = (0..KEPT + 10).map(|_| CommitId::random().unwrap());
        let ids = ids.collect::<Vec<_>>();
        let mut recent = RecentCommits::default();
        for id in &ids {
            recent.insert(*id);
            recent.insert(*id);
        }
        let known = ids.iter().filter(|id| recent.contains(**id)).count();
        assert_eq!((known, recent.order.len()), (KEPT, KEPT));
        assert!(!recent.contains(ids[9]) && recent.contains(ids[10]));
    }
}
