//! Files with credentials: see `README.md`.
#![no_main]

use std::{fs, path::PathBuf, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use wharf_auth::Credential;
use wharf_config::{AuthEntry, AuthFile, AuthFormat, ConfigError, CredentialKey};

const FORMATS: [AuthFormat; 5] = [
    AuthFormat::Containers,
    AuthFormat::Docker,
    AuthFormat::DockerLegacy,
    AuthFormat::Kubernetes,
    AuthFormat::KubernetesLegacy,
];

static PATH: LazyLock<PathBuf> = LazyLock::new(|| {
    let dir = std::env::temp_dir().join(format!("wharf-fuzz-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    dir.join("auth.json")
});

fuzz_target!(|text: &str| {
    for format in FORMATS {
        match AuthFile::parse(text, format) {
            Ok(file) => accepted(text, &file),
            Err(error) => refused(text, &error),
        }
    }
});

fn refused(text: &str, error: &ConfigError) {
    let (line, column) = (error.line().unwrap(), error.column().unwrap());
    assert!(line >= 1 && line <= text.matches('\n').count() + 1, "{error}");
    assert!(column >= 1, "{error}");
    // The message is ours: no part of the text, which may hold secrets, is long enough in it to be one.
    assert!(error.to_string().len() < 200, "{error}");
}

fn accepted(text: &str, file: &AuthFile) {
    let keys: Vec<_> = file.entries().filter_map(|entry| CredentialKey::parse(entry.key()).ok()).collect();
    for key in &keys {
        let _ = file.credential(key); // an entry that does not decode is an error, never a panic
        let _ = file.helper(key.registry());
    }
    if !matches!(file.format(), AuthFormat::Containers | AuthFormat::Docker) {
        return;
    }
    fs::write(&*PATH, text).unwrap();
    let new = CredentialKey::parse("new.example").unwrap();
    let credential = Credential::basic("ada", "pw");
    let mut edit = AuthFile::edit(&PATH, file.format()).unwrap();
    edit.set(&new, &credential).unwrap();
    edit.commit().unwrap();
    let changed = AuthFile::read(&PATH, file.format()).unwrap();
    assert_eq!(changed.credential(&new).unwrap(), Some(credential));
    assert_eq!(changed.helpers().collect::<Vec<_>>(), file.helpers().collect::<Vec<_>>());
    assert_eq!(changed.credentials_store(), file.credentials_store());
    let others = |file: &AuthFile| -> Vec<String> {
        let keys = file.entries().map(AuthEntry::key);
        keys.filter(|key| *key != "new.example").map(str::to_owned).collect()
    };
    assert_eq!(others(&changed), others(file));
    for key in keys.iter().filter(|key| key.registry() != new.registry()) {
        assert_eq!(changed.credential(key).ok(), file.credential(key).ok(), "{key}");
    }
}
