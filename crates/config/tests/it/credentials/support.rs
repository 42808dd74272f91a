use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tempfile::TempDir;
use wharf_auth::Credential;
use wharf_config::{CredentialHelper, CredentialKey, HelperEnvironment};

pub(super) fn key(text: &str) -> CredentialKey {
    CredentialKey::parse(text).unwrap()
}

/// The `auth` of a user whose password is `pw`.
pub(super) fn auth(user: &str) -> String {
    STANDARD.encode(format!("{user}:pw"))
}

/// An auth file with one entry per key, whose user is the given one.
pub(super) fn auths(entries: &[(&str, &str)]) -> String {
    let entries: Vec<String> = entries
        .iter()
        .map(|(key, user)| format!("\"{key}\": {{\"auth\": \"{}\"}}", auth(user)))
        .collect();
    format!("{{\"auths\": {{{}}}}}", entries.join(","))
}

#[expect(clippy::panic, reason = "a helper that fails is a test that fails")]
pub(super) fn user(credential: Option<&Credential>) -> Option<&str> {
    match credential? {
        Credential::Basic { username, .. } => Some(username),
        other => panic!("not a user name and password: {other:?}"),
    }
}

pub(super) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Generous where a helper is expected to answer: the machine may be busy.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A directory of helper programs, which are shell scripts.
pub(super) struct Helpers {
    dir: TempDir,
}

impl Helpers {
    pub(super) fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
        }
    }

    /// Adds a helper with this script.
    pub(super) fn add(&self, name: &str, script: &str) {
        self.write(
            &format!("docker-credential-{name}"),
            &format!("#!/bin/sh\n{script}\n"),
        );
    }

    /// Adds a helper that keeps what it is given in files, and a list of what it was asked in `NAME.log`.
    pub(super) fn add_keychain(&self, name: &str) {
        let dir = self.path(name);
        fs::create_dir_all(&dir).unwrap();
        let script = format!(
            r#"cd '{}'
input=$(cat)
echo "$1 $input" | tr -d '\n' >> ../{name}.log; echo >> ../{name}.log
file=$(echo "$input" | tr '/:' '__')
none() {{ echo "credentials not found in native keychain"; exit 1; }}
case $1 in
get) cat "$file" 2>/dev/null || none;;
store) server=$(echo "$input" | sed 's/.*"ServerURL":"\([^"]*\)".*/\1/'); echo "$input" > "$(echo "$server" | tr '/:' '__')";;
erase) rm "$file" 2>/dev/null || none;;
list) printf '{{'; sep=; for f in *; do [ -f "$f" ] && printf '%s"%s":"u"' "$sep" "$f" && sep=,; done; printf '}}';;
esac"#,
            dir.display()
        );
        self.add(name, &script);
    }

    /// What the keychain of that name was asked since the last time.
    pub(super) fn asked(&self, name: &str) -> Vec<String> {
        let log = self.path(&format!("{name}.log"));
        let text = fs::read_to_string(&log).unwrap_or_default();
        let _ = fs::remove_file(log);
        text.lines().map(str::to_owned).collect()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a program. Another process does it: were the file open for writing here while another test
    /// starts a process, that process would hold it open and nobody could run it.
    fn write(&self, file: &str, text: &str) {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
            .arg(self.path(file))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut shell.stdin.take().unwrap(), text.as_bytes()).unwrap();
        assert!(shell.wait().unwrap().success());
    }

    pub(super) fn environment(&self) -> HelperEnvironment {
        HelperEnvironment::new(format!("{}:/usr/bin:/bin", self.dir.path().display()))
    }

    pub(super) fn helper(&self, name: &str) -> CredentialHelper {
        CredentialHelper::new(name, &self.environment())
            .unwrap()
            .with_timeout(TIMEOUT)
    }
}
