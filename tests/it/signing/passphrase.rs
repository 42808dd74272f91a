//! Passphrases from pipes, as a shell makes them.

use std::process::Command;

use super::Scene;
use crate::program::{self, Ended};

impl Scene {
    /// Runs an example with arguments that bash reads.
    async fn shell(&self, before: &str, example: &str, arguments: &str) -> Ended {
        let command = program::command(&self.sandbox, example, &[]);
        let mut bash = Command::new("bash");
        bash.arg("-c")
            .arg(format!("{before} \"$0\" {arguments}"))
            .arg(command.get_program())
            .env_clear()
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .current_dir(self.sandbox.path("."))
            .stdin(std::process::Stdio::null());
        // The registry answers meanwhile.
        tokio::task::spawn_blocking(move || program::ended(&mut bash))
            .await
            .unwrap()
    }

    async fn sign_in_shell(&self, before: &str, key: &str, passphrase: &str, more: &str) -> Ended {
        let arguments = format!(
            "--tls-verify=false --policy policy.json --registries-d registries.d --sign-by-sigstore-private-key {key} \
             --sign-passphrase-file {passphrase} {more} {}",
            self.name("app:1")
        );
        self.shell(before, "sign", &arguments).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_comes_from_a_pipe_and_a_key_does_not() {
    let scene = Scene::new().await;
    let name = scene.name("app:1");
    let made = scene
        .shell(
            "",
            "generate-sigstore-key",
            "--output-prefix key --passphrase-file <(echo correct-horse)",
        )
        .await;
    assert_eq!(made.last_line(), r#"Keys written to "key.private" and "key.pub""#);
    for (before, passphrase) in [
        ("", "<(echo correct-horse)"),
        ("", "<(printf correct-horse)"),
        ("echo correct-horse |", "/dev/stdin"),
    ] {
        let signed = scene.sign_in_shell(before, "key.private", passphrase, "").await;
        assert!(
            !signed.stderr.contains("chmod"),
            "{passphrase}: {}",
            signed.stderr
        );
        signed.ok();
        scene.verify(&name, &scene.text("key.pub")).await.ok();
    }
    scene
        .sign_in_shell("", "key.private", "<(echo wrong-horse)", "")
        .await
        .fails(1, &["wrong passphrase or damaged file"]);
    scene
        .sign_in_shell("", "<(cat key.private)", "<(echo correct-horse)", "")
        .await
        .fails(1, &["it is not a regular file"]);
    scene
        .sign_in_shell("", "key.private", "/dev/null", "")
        .await
        .fails(1, &["it is neither a regular file nor a pipe"]);
    // Nobody writes to the pipe.
    scene
        .sign_in_shell("mkfifo pipe &&", "key.private", "pipe", "--command-timeout 1s")
        .await
        .fails(1, &["not done within 1 s"]);
}
