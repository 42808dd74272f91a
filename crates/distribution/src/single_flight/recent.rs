use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher as _, RandomState},
};

/// The most names that are remembered: somewhat fewer than one image may have.
const MAX_NAMES: usize = 16 * 1024;

/// The names that were added last. Two names may be taken for one another, though hardly ever: 8 bytes are stored of
/// each.
#[derive(Debug, Default)]
pub(super) struct Recent {
    hasher: RandomState,
    hashes: HashSet<u64>,
    /// The oldest first.
    order: VecDeque<u64>,
}

impl Recent {
    pub(super) fn contains(&self, name: &str) -> bool {
        self.hashes.contains(&self.hasher.hash_one(name))
    }

    pub(super) fn insert(&mut self, name: &str) {
        let hash = self.hasher.hash_one(name);
        if !self.hashes.insert(hash) {
            return;
        }
        self.order.push_back(hash);
        if self.order.len() > MAX_NAMES
            && let Some(oldest) = self.order.pop_front()
        {
            self.hashes.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_names_are_forgotten() {
        let mut recent = Recent::default();
        assert!(!recent.contains("0"));
        for number in 0..MAX_NAMES + 10 {
            recent.insert(&number.to_string());
            recent.insert("again");
        }
        assert_eq!((recent.hashes.len(), recent.order.len()), (MAX_NAMES, MAX_NAMES));
        assert!(!recent.contains("5") && recent.contains(&(MAX_NAMES + 9).to_string()));
    }
}
