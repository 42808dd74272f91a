//! A source of credentials that did not answer and need not have.

use std::{error::Error as _, sync::Arc};

use wharf_auth::{AuthErrorKind, Credential, CredentialAnswer, CredentialError, CredentialProvider};
use wharf_distribution::Detail;
use wharf_reference::{Registry, Repository};
use wharf_testkit::{
    Image,
    hostile::{Answer, Match, Rule},
};

use super::scene::{Scene, tag};

const UNANSWERED: &str = "docker-credential-keyring: failed";

#[derive(Debug)]
struct Unanswered;

#[async_trait::async_trait]
impl CredentialProvider for Unanswered {
    async fn credential(
        &self,
        _: &Registry,
        _: Option<&Repository>,
    ) -> Result<Option<Credential>, CredentialError> {
        Ok(None)
    }

    async fn look_up(
        &self,
        _: &Registry,
        _: Option<&Repository>,
    ) -> Result<CredentialAnswer, CredentialError> {
        Ok(CredentialAnswer {
            credential: None,
            unanswered: Some(CredentialError::new(UNANSWERED)),
        })
    }
}

type Prepare = fn(&Scene);

#[tokio::test]
async fn n15_what_did_not_answer_is_told_when_a_login_is_wanted() {
    let image = Image::small("x");
    // A registry, and whether it wants a login.
    let table: [(&str, Prepare, bool); 6] = [
        ("public", |_| {}, false),
        (
            "anonymous tokens",
            |scene| {
                scene.desk.guard(&scene.registry);
                let token = scene.stage.secret("token", &[&scene.auth, &scene.registry]);
                let answer = Answer::json(&serde_json::json!({ "token": token }));
                scene.auth.first(Rule::new(Match::any(), answer));
                scene.registry.first(Rule::new(
                    Match::any().and(|request| request.header("authorization").is_some()),
                    Answer::new(404),
                ));
            },
            false,
        ),
        (
            "basic",
            |scene| {
                let challenge = Answer::challenge("Basic realm=\"x\"");
                scene.registry.first(Rule::new(Match::any(), challenge));
            },
            true,
        ),
        (
            "token server, 401",
            |scene| {
                scene.desk.guard(&scene.registry);
                scene.auth.first(Rule::new(Match::any(), Answer::new(401)));
            },
            true,
        ),
        (
            "token server, 403",
            |scene| {
                scene.desk.guard(&scene.registry);
                scene.auth.first(Rule::new(Match::any(), Answer::new(403)));
            },
            true,
        ),
        (
            "an anonymous token is not enough",
            |scene| {
                let token = scene.stage.secret("token", &[&scene.auth, &scene.registry]);
                let answer = Answer::json(&serde_json::json!({ "token": token }));
                scene.auth.first(Rule::new(Match::any(), answer));
                let realm = format!(
                    "Bearer realm=\"https://{}/token\",service=\"r\"",
                    scene.auth.name()
                );
                scene
                    .registry
                    .first(Rule::new(Match::any(), Answer::challenge(&realm)));
            },
            true,
        ),
    ];
    for (what, prepare, wants_login) in table {
        let scene = Scene::new().await;
        prepare(&scene);
        scene.registry.serve_manifest("team/app", "v1", image.manifest());
        let client = scene
            .builder()
            .with_credentials(Arc::new(Unanswered))
            .build()
            .unwrap();
        let Err(error) = scene.remote_of(&client).manifest(&tag("v1")).await else {
            assert!(!wants_login, "{what}");
            continue;
        };
        let error = scene.stage.inspect(error);
        let told = error
            .source()
            .is_some_and(|cause| cause.to_string() == UNANSWERED);
        assert_eq!(told, wants_login, "{what}: {error:?}");
        let missing = error.detail() == Some(Detail::Auth(AuthErrorKind::NoCredential));
        assert_eq!(missing, wants_login, "{what}: {error:?}");
    }
}
