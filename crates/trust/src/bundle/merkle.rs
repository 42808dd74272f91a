//! Proofs that an entry is in a Merkle tree (RFC 6962, 2.1.1).

use crate::{problem::Problem, public_key::Hash};

/// Verifies that the tree of `size` entries with this `root` has the entry at `index`.
pub(super) fn verify_inclusion(
    entry: &[u8],
    index: u64,
    size: u64,
    hashes: &[Vec<u8>],
    root: &[u8],
) -> Result<(), Problem> {
    if index >= size {
        return Err(Problem::new(
            "the inclusion proof is for an entry beyond the end of the log",
        ));
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = Hash::Sha256.of(&[&[0], entry].concat());
    let join = |left: &[u8], right: &[u8]| Hash::Sha256.of(&[&[1], left, right].concat());
    let mut siblings = hashes.iter();
    while last > 0 {
        // A node that is the last of its level and has no sibling goes up as it is.
        if node & 1 == 1 || node < last {
            let sibling = siblings
                .next()
                .ok_or_else(|| Problem::new("the inclusion proof is too short"))?;
            hash = if node & 1 == 1 {
                join(sibling, &hash)
            } else {
                join(&hash, sibling)
            };
        }
        node >>= 1;
        last >>= 1;
    }
    if siblings.next().is_some() {
        return Err(Problem::new("the inclusion proof is too long"));
    }
    if hash != root {
        return Err(Problem::new(
            "the inclusion proof does not lead to the root of the log",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The root of a tree, and the proof of one of its entries, by the definition.
    fn tree(entries: &[Vec<u8>], index: Option<usize>) -> (Vec<u8>, Vec<Vec<u8>>) {
        if let [one] = entries {
            return (Hash::Sha256.of(&[&[0], one.as_slice()].concat()), Vec::new());
        }
        let split = entries.len().next_power_of_two() / 2;
        let (left, right) = entries.split_at(split);
        let in_left = index.filter(|index| *index < split);
        let in_right = index.and_then(|index| index.checked_sub(split));
        let (left_root, left_proof) = tree(left, in_left);
        let (right_root, right_proof) = tree(right, in_right);
        let mut proof = if in_left.is_some() {
            left_proof
        } else {
            right_proof
        };
        proof.push(if in_left.is_some() {
            right_root.clone()
        } else {
            left_root.clone()
        });
        let root = Hash::Sha256.of(&[&[1], left_root.as_slice(), &right_root].concat());
        (root, proof)
    }

    #[test]
    fn every_entry_of_every_small_tree_is_proven_and_nothing_else() {
        for size in 1..=17usize {
            let entries: Vec<Vec<u8>> = (0..size).map(|number| number.to_string().into_bytes()).collect();
            for index in 0..size {
                let (root, proof) = tree(&entries, Some(index));
                let check = |entry: &[u8], index: usize, size: usize, proof: &[Vec<u8>]| {
                    let (index, size) = (index.try_into().unwrap(), size.try_into().unwrap());
                    verify_inclusion(entry, index, size, proof, &root).is_ok()
                };
                assert!(check(&entries[index], index, size, &proof), "{index} of {size}");
                assert!(!check(b"other", index, size, &proof));
                assert!(!check(&entries[index], size, size, &proof));
                for other in (0..size).filter(|other| *other != index) {
                    assert!(
                        !check(&entries[index], other, size, &proof),
                        "{index} as {other} of {size}"
                    );
                }
                let mut long = proof.clone();
                long.push(vec![0; 32]);
                assert!(!check(&entries[index], index, size, &long));
                for position in 0..proof.len() {
                    let mut short = proof.clone();
                    short.remove(position);
                    assert!(!check(&entries[index], index, size, &short));
                    let mut changed = proof.clone();
                    changed[position][31] ^= 1;
                    assert!(!check(&entries[index], index, size, &changed));
                }
            }
        }
        assert!(verify_inclusion(b"", 0, 0, &[], &[]).is_err());
        assert!(verify_inclusion(b"", u64::MAX - 1, u64::MAX, &[], &[]).is_err());
    }
}
