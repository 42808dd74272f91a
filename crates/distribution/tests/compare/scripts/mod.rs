//! The scripts. The hosts do what is ordinary unless a script says otherwise; what it says comes first.

mod content;
mod limits;
mod secrets;

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use wharf_testkit::{
    Request,
    hostile::{Answer, Fault, Match, Outcome, Rule, Step},
};

use crate::play::Play;

/// What the client is told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Pull,
    PullDigest,
    /// From a registry without TLS, which nobody said it is.
    PullPlain,
    Push,
    List,
    Referrers,
    Login,
}

/// One attack, or one accident.
#[derive(Clone)]
pub(crate) struct Script {
    /// The row of the table of threats it is about.
    pub(crate) row: &'static str,
    pub(crate) what: &'static str,
    pub(crate) act: Act,
    /// How this workspace's client ends.
    pub(crate) expected: Outcome,
    /// What the hosts do beside the ordinary.
    pub(crate) set: fn(&Play),
    /// Whether a secret went where the stage does not see that it must not.
    pub(crate) betrayed: fn(&Play) -> bool,
}

const NOTHING: fn(&Play) = |_| ();

fn script(row: &'static str, what: &'static str, act: Act, expected: Outcome, set: fn(&Play)) -> Script {
    Script {
        row,
        what,
        act,
        expected,
        set,
        betrayed: |_| false,
    }
}

/// All scripts, in the order of the table.
pub(crate) fn all() -> Vec<Script> {
    [
        ordinary(),
        secrets::secrets(),
        content::integrity(),
        limits::accidents(),
        limits::exhaustion(),
    ]
    .concat()
}

fn ordinary() -> Vec<Script> {
    use Outcome::Correct;
    vec![
        script("-", "pull, nothing wrong", Act::Pull, Correct, NOTHING),
        script("-", "push, nothing wrong", Act::Push, Correct, NOTHING),
        script("-", "list, nothing wrong", Act::List, Correct, |play| {
            play.registry.on(Match::get("/tags/"), page(&["a", "b"]));
        }),
        script("N16", "login by Basic, once asked", Act::Login, Correct, |play| {
            play.stage.allow(&play.password, &play.registry);
            let asks = Match::when(|request| request.basic().is_none());
            play.registry
                .first(Rule::new(asks, Answer::challenge("Basic realm=\"x\"")));
            play.registry.first(Rule::new(
                Match::when(|request| request.basic().is_some()),
                Answer::json(&json!({})),
            ));
        }),
    ]
}

fn redirect_layer(play: &Play, location: &str) {
    play.registry
        .on(Match::get(&play.layer_path()), Answer::redirect(307, location));
}

fn page(tags: &[&str]) -> Answer {
    Answer::json(&json!({ "name": "team/app", "tags": tags }))
}

/// Cuts the layer half way the first time; what is asked for then is answered so.
fn cut_once(play: &Play, then: fn(&Request, &Bytes) -> Answer) {
    let bytes = play.layer().1.clone();
    let half = Answer::ok(bytes.clone())
        .header("Accept-Ranges", "bytes")
        .fault(Fault::Cut(100_000));
    play.registry
        .rule(Rule::new(Match::get(&play.layer_path()), half).times(1))
        .rule(Rule::call(Match::get(&play.layer_path()), move |request| {
            then(request, &bytes)
        }));
}

/// So slowly that a client that takes all of it fills no disk.
fn endless(status: u16) -> Vec<Step> {
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let chunk = Bytes::from([&b"10000\r\n"[..], &vec![b' '; 0x10000], b"\r\n"].concat());
    let piece = || [Step::Send(chunk.clone()), Step::Delay(Duration::from_millis(4))];
    let endless = std::iter::repeat_with(piece).take(10_000).flatten();
    std::iter::once(Step::Send(head.into())).chain(endless).collect()
}
