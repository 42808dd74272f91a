use serde_json::json;
use wharf_testkit::{
    Request,
    hostile::{Answer, Match, Outcome, Rule, Step},
};

use super::{Act, Script, page, redirect_layer, script};
use crate::play::Play;

/// Where credentials and tokens go.
pub(super) fn secrets() -> Vec<Script> {
    [redirects(), places()].concat()
}

fn redirects() -> Vec<Script> {
    use Outcome::{Correct, Refused};
    vec![
        script("N1", "layer at another host", Act::Pull, Correct, |play| {
            redirect_layer(play, &play.cdn.url("/layer?sig=x"));
            play.cdn
                .on(Match::get("/layer"), Answer::ok(play.layer().1.clone()));
        }),
        script(
            "N1",
            "layer at another port of the host",
            Act::Pull,
            Correct,
            |play| {
                redirect_layer(play, &play.neighbour.url("/layer"));
                play.neighbour
                    .on(Match::get("/layer"), Answer::ok(play.layer().1.clone()));
            },
        ),
        Script {
            betrayed: |play| {
                let back = |request: &Request| request.path() == "/back";
                let asked = play.registry.requests();
                asked
                    .iter()
                    .any(|request| back(request) && request.header("authorization").is_some())
            },
            ..script(
                "N2",
                "layer at another host, which sends back",
                Act::Pull,
                Correct,
                |play| {
                    redirect_layer(play, &play.cdn.url("/away"));
                    play.cdn.on(
                        Match::get("/away"),
                        Answer::redirect(307, &play.registry.url("/back")),
                    );
                    let layer = Answer::ok(play.layer().1.clone());
                    play.registry.first(Rule::new(Match::get("/back"), layer));
                },
            )
        },
        script(
            "N3",
            "the other host demands a login",
            Act::Pull,
            Refused,
            |play| {
                redirect_layer(play, &play.cdn.url("/layer"));
                play.cdn
                    .on(Match::any(), Answer::challenge(&bearer(&play.evil.url("/token"))));
                hand_out_tokens(play);
            },
        ),
        script(
            "N4",
            "tokens come from a foreign host",
            Act::Pull,
            Refused,
            |play| {
                demand(play, &play.evil.url("/token"));
                hand_out_tokens(play);
            },
        ),
        script(
            "N4",
            "login, tokens from a foreign host",
            Act::Login,
            Refused,
            |play| {
                demand(play, &play.evil.url("/token"));
                hand_out_tokens(play);
            },
        ),
        script("N4", "tokens come over plain http", Act::Pull, Refused, |play| {
            demand(play, &play.plain.url("/token"));
            hand_out_tokens(play);
        }),
        script(
            "N4",
            "the token server redirects elsewhere",
            Act::Pull,
            Refused,
            |play| {
                let away = Answer::redirect(307, &play.evil.url("/token"));
                play.auth.first(Rule::new(Match::get("/token"), away));
                hand_out_tokens(play);
            },
        ),
    ]
}

fn places() -> Vec<Script> {
    use Outcome::{Correct, Refused};
    vec![
        script(
            "N6",
            "an upload is sent to another host",
            Act::Push,
            Refused,
            |play| {
                let away = Answer::new(202).header("Location", &play.evil.url("/upload"));
                play.registry.on(Match::on("POST", "/uploads/"), away);
                play.evil
                    .on(
                        Match::on("PATCH", "/"),
                        Answer::new(202).header("Location", &play.evil.url("/upload")),
                    )
                    .on(Match::on("PUT", "/"), Answer::new(201));
            },
        ),
        script(
            "N8",
            "the next page is at another host",
            Act::List,
            Correct,
            |play| {
                let next = format!(
                    "<{}>; rel=\"next\"",
                    play.evil.url("/v2/team/app/tags/list?last=a")
                );
                let last = Match::get("/tags/").and(|request| !request.query("last").is_empty());
                play.registry
                    .on(last, page(&["b"]))
                    .on(Match::get("/tags/"), page(&["a"]).header("Link", &next));
                play.evil.on(Match::any(), page(&["planted"]));
            },
        ),
        Script {
            // It answers as such servers do to what they do not understand, and keeps what it hears.
            betrayed: |play| String::from_utf8_lossy(&play.plain.received()).contains("HTTP/1"),
            ..script(
                "N10",
                "the registry speaks plain http",
                Act::PullPlain,
                Refused,
                |play| {
                    let reply = Step::Send("HTTP/1.1 400 Bad Request\r\n\r\n".into());
                    play.plain.greet(vec![reply, Step::Close]);
                },
            )
        },
    ]
}

fn bearer(realm: &str) -> String {
    format!("Bearer realm=\"{realm}\",service=\"registry\"")
}

/// The registry wants tokens from there.
fn demand(play: &Play, realm: &str) {
    let bare = Match::when(|request| request.bearer().is_none());
    play.registry
        .first(Rule::new(bare, Answer::challenge(&bearer(realm))));
}

/// The hosts that should not be asked for tokens give some.
fn hand_out_tokens(play: &Play) {
    for origin in [&play.evil, &play.plain] {
        origin.on(
            Match::any(),
            Answer::json(&json!({ "token": "given-by-a-stranger" })),
        );
    }
}
