//! Test data of other projects, which is not part of this one.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The corpus of this name: in the folder that `WHARF_CORPORA` names, where it must be, or else in a folder `corpora`
/// beside the checkout or below one beside it. `None`, with a line that says so, where it is missing there.
pub fn folder(name: &str) -> Option<PathBuf> {
    if let Some(corpora) = env::var_os("WHARF_CORPORA") {
        let folder = PathBuf::from(corpora).join(name);
        assert!(
            folder.is_dir(),
            "WHARF_CORPORA has no corpus {name}: {}",
            folder.display()
        );
        return Some(folder);
    }
    let found = beside().into_iter().map(|corpora| corpora.join(name));
    if let Some(folder) = found.into_iter().find(|folder| folder.is_dir()) {
        return Some(folder);
    }
    eprintln!("skipped: there is no corpus {name}; name its parent in WHARF_CORPORA");
    None
}

/// A case of sigstore's conformance suite, as the files of a call.
#[derive(Debug, Clone)]
pub struct ConformanceCase {
    /// The name of its directory.
    pub name: String,
    /// Whether the bundle must be accepted.
    pub is_good: bool,
    /// The bundle.
    pub bundle: PathBuf,
    /// The artifact.
    pub artifact: PathBuf,
    /// The trusted root: its own, or that of the public instance.
    pub root: PathBuf,
    /// The key of the signer, who has no identity then.
    pub key: Option<PathBuf>,
    /// The subject alternative name of the signer.
    pub identity: String,
    /// The OIDC issuer of the signer.
    pub issuer: String,
}

/// The suite's own identity, for cases that name none.
const IDENTITY: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

/// The cases of the corpus `sigstore-conformance`, by name; `None` where it is missing.
pub fn conformance() -> Option<Vec<ConformanceCase>> {
    let corpus = folder("sigstore-conformance")?;
    let entries = fs::read_dir(&corpus)
        .expect("the corpus is a directory")
        .flatten();
    let folders = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
    let mut cases: Vec<_> = folders
        .map(|folder| ConformanceCase::new(&corpus, &folder))
        .collect();
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    Some(cases)
}

impl ConformanceCase {
    fn new(corpus: &Path, folder: &Path) -> Self {
        let own = |name: &str| Some(folder.join(name)).filter(|path| path.exists());
        let text =
            |name: &str| own(name).map(|path| fs::read_to_string(path).expect("a text").trim().to_owned());
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Self {
            is_good: !name.ends_with("_fail"),
            name,
            bundle: folder.join("bundle.sigstore.json"),
            artifact: own("artifact").unwrap_or_else(|| corpus.join("a.txt")),
            root: own("trusted_root.json").unwrap_or_else(|| corpus.join("public-good-root.json")),
            key: own("key.pub"),
            identity: text("identity").unwrap_or_else(|| IDENTITY.to_owned()),
            issuer: text("issuer").unwrap_or_else(|| ISSUER.to_owned()),
        }
    }

    /// Whether a digest in the artifact's place is enough: for an envelope, and for nothing else.
    pub fn is_envelope(&self) -> bool {
        let bundle = fs::read(&self.bundle).expect("a case has a bundle");
        String::from_utf8_lossy(&bundle).contains("dsseEnvelope")
    }
}

fn beside() -> Vec<PathBuf> {
    let parent = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let entries = fs::read_dir(&parent).into_iter().flatten().flatten();
    let below = entries.map(|entry| entry.path().join("corpora"));
    [parent.join("corpora")].into_iter().chain(below).collect()
}
