use std::collections::HashMap;

use wharf_content::{Error, Manifest, Visits};
use wharf_reference::Digest;

/// Groups manifests so that each is in a later group than those it lists. Within a group the order does not
/// matter.
///
/// The order of the walk is not enough: an image in two indexes, one of them nested in the other, is met
/// before the inner index is.
///
/// # Errors
///
/// [`wharf_content::ErrorKind::TooLarge`] if there are more than `limit` groups.
pub(crate) fn levels(manifests: Vec<Manifest>, limit: usize) -> Result<Vec<Vec<Manifest>>, Error> {
    let mut heights: HashMap<Digest, usize> = manifests
        .iter()
        .map(|manifest| (manifest.digest().clone(), 0))
        .collect();
    let mut stable = false;
    for _ in 0..=limit {
        stable = true;
        for manifest in &manifests {
            let lowest = manifest
                .manifests()
                .iter()
                .filter_map(|child| heights.get(child.digest()))
                .max()
                .map_or(0, |height| height + 1);
            if let Some(height) = heights.get_mut(manifest.digest())
                && *height < lowest
            {
                *height = lowest;
                stable = false;
            }
        }
        if stable {
            break;
        }
    }
    let highest = heights.values().max().map_or(0, |height| height + 1);
    if !stable || highest > limit {
        return Err(Visits::too_deep());
    }
    let mut groups: Vec<Vec<Manifest>> = (0..highest).map(|_| Vec::new()).collect();
    for manifest in manifests {
        let height = heights.get(manifest.digest()).copied().unwrap_or_default();
        if let Some(group) = groups.get_mut(height) {
            group.push(manifest);
        }
    }
    Ok(groups)
}
