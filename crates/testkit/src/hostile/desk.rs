use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use serde_json::json;

use super::{Answer, Match, Origin, Rule, Stage, stage::Mint};
use crate::Request;

/// A registry's demand for tokens, and the token server that hands them out: well behaved, unless a test
/// puts rules before its own. Every token is a secret of its own that only the registry may see; every
/// password is one that only the token server may see. Clones share the tokens.
#[derive(Debug, Clone)]
pub struct TokenDesk {
    realm: String,
    service: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    users: BTreeMap<String, String>,
    valid: BTreeMap<String, Token>,
    issued: Vec<Token>,
    lifetime: u64,
    mint: Mint,
}

/// A token that was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The user who asked; empty without a login.
    pub user: String,
    /// The scopes that were asked for.
    pub scopes: BTreeSet<String>,
}

impl TokenDesk {
    /// Opens `/token` at `auth`, which hands out tokens for `registry` that live for five minutes.
    pub fn open(stage: &Stage, registry: &Origin, auth: &Origin) -> Self {
        let state = State {
            users: BTreeMap::new(),
            valid: BTreeMap::new(),
            issued: Vec::new(),
            lifetime: 300,
            mint: stage.mint("token", &[registry]),
        };
        let desk = Self {
            realm: auth.url("/token"),
            service: registry.name().to_owned(),
            state: Arc::new(Mutex::new(state)),
        };
        let server = desk.clone();
        let matching = Match::when(|request| request.path() == "/token");
        auth.rule(Rule::call(matching, move |request| server.answer(request)));
        desk
    }

    /// Adds a user with this password.
    pub fn user(&self, name: &str, password: &str) -> &Self {
        self.lock().users.insert(name.to_owned(), password.to_owned());
        self
    }

    /// How long new tokens live, in seconds.
    pub fn lifetime(&self, seconds: u64) -> &Self {
        self.lock().lifetime = seconds;
        self
    }

    /// Lets another origin see the tokens that are handed out from now on.
    pub fn show_to(&self, origin: &Origin) -> &Self {
        self.lock().mint.show_to(origin);
        self
    }

    /// Makes `registry` answer 401 to whoever has no token for what he wants to do. Rules added before this
    /// one are not guarded.
    pub fn guard(&self, registry: &Origin) -> &Self {
        let (inspector, challenger) = (self.clone(), self.clone());
        let matching = Match::when(move |request| inspector.challenge(request).is_some());
        registry.rule(Rule::call(matching, move |request| {
            let challenge = challenger.challenge(request).unwrap_or_default();
            let answer = Answer::challenge(&challenge);
            if request.method == "HEAD" {
                answer.head_only()
            } else {
                answer
            }
        }));
        self
    }

    /// Forgets all tokens: the next request with one is answered 401.
    pub fn revoke(&self) {
        self.lock().valid.clear();
    }

    /// The tokens handed out so far.
    pub fn issued(&self) -> Vec<Token> {
        self.lock().issued.clone()
    }

    /// Whose token this is.
    pub fn owner(&self, token: &str) -> Option<Token> {
        self.lock().valid.get(token).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("the desk does not panic")
    }

    /// The challenge that a request without a fitting token meets.
    fn challenge(&self, request: &Request) -> Option<String> {
        let needed = needed(request);
        let held = request.bearer().and_then(|token| self.owner(token));
        if let Some(token) = held
            && needed.iter().all(|scope| covers(&token.scopes, scope))
        {
            return None;
        }
        let scopes: Vec<&str> = needed.iter().map(String::as_str).collect();
        let mut challenge = format!("Bearer realm=\"{}\",service=\"{}\"", self.realm, self.service);
        if !scopes.is_empty() {
            challenge.push_str(&format!(",scope=\"{}\"", scopes.join(" ")));
        }
        Some(challenge)
    }

    fn answer(&self, request: &Request) -> Answer {
        let mut state = self.lock();
        let user = match request.basic() {
            None => String::new(),
            Some((name, password)) if state.users.get(&name) == Some(&password) => name,
            Some(_) => return Answer::error(401, "UNAUTHORIZED", "wrong user or password"),
        };
        let scopes = request.query("scope");
        let token = Token {
            user,
            scopes: scopes
                .iter()
                .flat_map(|scope| scope.split(' '))
                .map(str::to_owned)
                .collect(),
        };
        let text = state.mint.next();
        state.valid.insert(text.clone(), token.clone());
        state.issued.push(token);
        Answer::json(&json!({ "token": text, "expires_in": state.lifetime }))
    }
}

/// The scopes a request needs, as Docker's registry asks for them.
fn needed(request: &Request) -> Vec<String> {
    let path = request.path().trim_start_matches("/v2/");
    let parts = ["/manifests/", "/blobs/", "/tags/", "/referrers/"];
    let Some(repository) = parts
        .iter()
        .find_map(|part| path.split_once(part))
        .map(|(name, _)| name)
    else {
        return Vec::new();
    };
    let actions = match request.method.as_str() {
        "GET" | "HEAD" => "pull",
        "DELETE" => "delete",
        _ => "pull,push",
    };
    vec![format!("repository:{repository}:{actions}")]
}

fn covers(held: &BTreeSet<String>, wanted: &str) -> bool {
    let split = |scope: &str| {
        let (name, actions) = scope.rsplit_once(':')?;
        let actions: BTreeSet<String> = actions.split(',').map(str::to_owned).collect();
        Some((name.to_owned(), actions))
    };
    let Some((name, actions)) = split(wanted) else {
        return false;
    };
    held.iter()
        .filter_map(|scope| split(scope))
        .any(|(held_name, held_actions)| held_name == name && actions.is_subset(&held_actions))
}
