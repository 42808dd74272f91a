//! Contents that are directories: a tar with gzip, as ORAS packs and unpacks it.

mod pack;
#[cfg(target_os = "linux")]
mod unpack;
#[cfg(not(target_os = "linux"))]
#[path = "unsupported.rs"]
mod unpack;

use wharf_content::Descriptor;

pub(super) use self::{
    pack::{PackedDirectory, pack},
    unpack::unpack,
};

/// The annotation of content that is a directory.
const UNPACK: &str = "io.deis.oras.content.unpack";
/// The annotation with the digest of the tar, before it is compressed.
const TAR_DIGEST: &str = "io.deis.oras.content.digest";

/// True for content that is a directory.
pub(super) fn is_directory(content: &Descriptor) -> bool {
    content
        .annotations()
        .get(UNPACK)
        .is_some_and(|unpack| unpack == "true")
}

/// True if a symbolic link `depth` directories below the top leads to something below the top, whatever other links that
/// this holds for are on its path: it is relative, and `..` stands at its beginning alone.
fn stays_inside(depth: usize, target: &str) -> bool {
    if target.starts_with('/') || target.is_empty() || target.contains('\0') {
        return false;
    }
    let mut components = target
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .peekable();
    let mut up = 0;
    while components.next_if_eq(&"..").is_some() {
        up += 1;
    }
    up <= depth && components.all(|component| component != "..")
}

#[cfg(test)]
mod tests {
    use super::stays_inside;

    #[test]
    fn links_stay_below_the_top_whatever_they_pass() {
        for (depth, target, inside) in [
            (0, "a", true),
            (0, "./a//b", true),
            (1, "../a", true),
            (2, "../../a/b", true),
            (1, "..", true),
            (0, "..", false),
            (1, "../../a", false),
            (2, "a/..", false), // `a` may be a link itself
            (0, "/etc/passwd", false),
            (3, "/", false),
            (3, "", false),
        ] {
            assert_eq!(stays_inside(depth, target), inside, "{depth} {target}");
        }
    }
}
