use wharf_testkit::hostile::{Answer, Fault, Match, Outcome, Rule, Step, blob_answer};

use super::{Act, Script, cut_once, endless, page, redirect_layer, script};

/// What happens on good networks, too.
pub(super) fn accidents() -> Vec<Script> {
    use Outcome::{Correct, Refused};
    vec![
        script("I12", "a layer cut once, half way", Act::Pull, Correct, |play| {
            cut_once(play, blob_answer);
        }),
        script(
            "I12",
            "a layer cut half way, each time",
            Act::Pull,
            Refused,
            |play| {
                let half = Answer::ok(play.layer().1.clone()).fault(Fault::Cut(100_000));
                play.registry.on(Match::get(&play.layer_path()), half);
            },
        ),
        script(
            "X3",
            "a layer that stops half way, once",
            Act::Pull,
            Correct,
            |play| {
                let half = Answer::ok(play.layer().1.clone()).fault(Fault::Stall(100_000));
                play.registry
                    .rule(Rule::new(Match::get(&play.layer_path()), half).times(1));
            },
        ),
        script("X3", "no answer, ever", Act::Pull, Refused, |play| {
            play.registry.on(Match::get("/manifests/"), Step::Stall);
        }),
        script("X4", "429 once, with Retry-After", Act::Pull, Correct, |play| {
            play.registry
                .rule(Rule::new(Match::get("/manifests/"), busy("1")).times(1));
        }),
        script("X4", "503 twice", Act::Pull, Correct, |play| {
            play.registry
                .rule(Rule::new(Match::get("/manifests/"), Answer::new(503)).times(2));
        }),
        script(
            "X5",
            "the reply to an upload's end is lost",
            Act::Push,
            Correct,
            |play| {
                let lost = Rule::new(Match::on("PUT", "/uploads/"), Step::Cut).times(1);
                play.registry.rule(lost);
            },
        ),
    ]
}

/// What never ends.
pub(super) fn exhaustion() -> Vec<Script> {
    use Outcome::Refused;
    vec![
        script("N8", "a list without end", Act::List, Refused, |play| {
            play.registry.rule(Rule::call(Match::get("/tags/"), |request| {
                let page_number = request.query("page").pop().and_then(|page| page.parse().ok());
                let number: u64 = page_number.unwrap_or(0);
                let next = format!("</v2/team/app/tags/list?page={}>; rel=\"next\"", number + 1);
                page(&[&format!("t{number}")]).header("Link", &next)
            }));
        }),
        script("X1", "a manifest without end", Act::Pull, Refused, |play| {
            play.registry.on(Match::get("/manifests/"), endless(200));
        }),
        script("X1", "an error without end", Act::Pull, Refused, |play| {
            play.registry.on(Match::get("/manifests/"), endless(404));
        }),
        script("X1", "a token without end", Act::Pull, Refused, |play| {
            play.auth.first(Rule::new(Match::get("/token"), endless(200)));
        }),
        script(
            "X2",
            "a manifest of 2^63-1 bytes, it says",
            Act::Pull,
            Refused,
            |play| {
                let bytes = play.image.manifest().bytes().clone();
                let claim = Answer::ok(bytes).claim_length("9223372036854775807");
                play.registry.on(Match::get("/manifests/"), claim);
            },
        ),
        script("X4", "429, to come back tomorrow", Act::Pull, Refused, |play| {
            play.registry.on(Match::get("/manifests/"), busy("86400"));
        }),
        script("X6", "a redirect to itself", Act::Pull, Refused, |play| {
            redirect_layer(play, "/v2/team/app/blobs/loop");
            play.registry.on(
                Match::get("/blobs/loop"),
                Answer::redirect(307, "/v2/team/app/blobs/loop"),
            );
        }),
        script("X6", "redirects to ever new places", Act::Pull, Refused, |play| {
            redirect_layer(play, "/v2/team/app/blobs/hop-0");
            play.registry
                .rule(Rule::call(Match::get("/blobs/hop-"), |request| {
                    let number = request.path().rsplit('-').next().and_then(|hop| hop.parse().ok());
                    let next = number.unwrap_or(0u64) + 1;
                    Answer::redirect(307, &format!("/v2/team/app/blobs/hop-{next}"))
                }));
        }),
    ]
}

fn busy(retry_after: &str) -> Answer {
    Answer::error(429, "TOOMANYREQUESTS", "later").header("Retry-After", retry_after)
}
