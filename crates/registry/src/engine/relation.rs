use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    mem,
};

/// A map from a key to a set of values, optimised for keys with one value.
#[derive(Debug)]
pub(crate) struct Relation<K, V>(HashMap<K, Values<V>>);

#[derive(Debug)]
enum Values<V> {
    One(V),
    #[expect(
        clippy::box_collection,
        reason = "an entry of one value is a third of the size"
    )]
    Many(Box<HashSet<V>>),
}

impl<K, V> Default for Relation<K, V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash, V: Eq + Hash> Relation<K, V> {
    pub(crate) fn insert(&mut self, key: K, value: V) {
        let Some(values) = self.0.get_mut(&key) else {
            self.0.insert(key, Values::One(value));
            return;
        };
        match values {
            Values::One(one) if *one == value => {}
            Values::One(_) => {
                let before = mem::replace(values, Values::Many(Box::new(HashSet::from([value]))));
                if let (Values::Many(many), Values::One(one)) = (values, before) {
                    many.insert(one);
                }
            }
            Values::Many(many) => drop(many.insert(value)),
        }
    }

    pub(crate) fn remove(&mut self, key: &K, value: &V) {
        let empty = match self.0.get_mut(key) {
            None => false,
            Some(Values::One(one)) => one == value,
            Some(Values::Many(many)) => {
                many.remove(value);
                if many.len() < many.capacity() / 4 {
                    many.shrink_to_fit();
                }
                many.is_empty()
            }
        };
        if empty {
            self.0.remove(key);
        }
        if self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to_fit(); // as seldom as it is worth it
        }
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }

    /// The values of a key.
    pub(crate) fn of(&self, key: &K) -> impl Iterator<Item = &V> {
        let (one, many) = match self.0.get(key) {
            None => (None, None),
            Some(Values::One(one)) => (Some(one), None),
            Some(Values::Many(many)) => (None, Some(many.iter())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_and_go_one_by_one() {
        let mut relation = Relation::default();
        for (key, value) in [(1, 'b'), (1, 'b'), (1, 'a'), (2, 'c'), (1, 'd')] {
            relation.insert(key, value);
        }
        let of = |relation: &Relation<i32, char>, key| {
            let mut values = relation.of(&key).copied().collect::<Vec<_>>();
            values.sort_unstable();
            values.into_iter().collect::<String>()
        };
        assert_eq!([1, 2, 3].map(|key| of(&relation, key)), ["abd", "c", ""]);
        for (key, value, left) in [(1, 'x', "abd"), (1, 'a', "bd"), (1, 'd', "b"), (1, 'b', "")] {
            relation.remove(&key, &value);
            assert_eq!(of(&relation, key), left);
        }
        relation.remove(&2, &'x');
        relation.remove(&3, &'c');
        assert!(!relation.contains(&1) && relation.contains(&2) && !relation.contains(&3));
    }
}
