//! Names of members: `a`, `./a`, `/a` and `a/` are one.

use super::{limits::Limits, problem::Problem};
use crate::{ErrorKind, whiteout};

/// The name of the root directory.
pub(super) const ROOT: &[u8] = b".";

/// The treatment of `..` in a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parents {
    Refuse,
    /// Resolve it by the text alone; above the root is the root.
    Reroot,
}

/// The components of a name joined by `/`, without empty ones and `.`; [`ROOT`] if none is left.
pub(super) fn clean(raw: &[u8], limits: &Limits, parents: Parents) -> Result<Vec<u8>, Problem> {
    check(raw, limits, "the name")?;
    let mut components: Vec<&[u8]> = Vec::new();
    for component in raw.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." if parents == Parents::Reroot => {
                components.pop();
            }
            b".." => {
                return Err(Problem::new(
                    ErrorKind::Invalid,
                    "the name has a component `..`, which leads out of the image",
                ));
            }
            _ if whiteout::hidden(component).len() > limits.component => {
                return Err(Problem::limit(
                    format_args!("a component of the name has {} bytes", component.len()),
                    "component",
                    limits.component,
                ));
            }
            _ => components.push(component),
        }
    }
    if components.is_empty() {
        return Ok(ROOT.to_vec());
    }
    Ok(components.join(&b'/'))
}

/// The names that no member and no target of a link may have.
pub(super) fn check(raw: &[u8], limits: &Limits, what: &str) -> Result<(), Problem> {
    if raw.is_empty() {
        return Err(Problem::corrupt(format!("{what} is empty")));
    }
    if raw.contains(&0) {
        return Err(Problem::corrupt(format!("{what} has a NUL byte in it")));
    }
    if whiteout::hidden_path_size(raw) > limits.path {
        return Err(Problem::limit(
            format_args!("{what} has {} bytes", raw.len()),
            "path",
            limits.path,
        ));
    }
    Ok(())
}
