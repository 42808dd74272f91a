//! The client's half of token authentication: a token for every scope that a challenge names.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};

use super::{Answer, Ask, Server};

struct User {
    credentials: &'static str,
    /// By scopes.
    tokens: RefCell<HashMap<String, String>>,
    challenged: Cell<usize>,
}

tokio::task_local! {
    static USER: User;
}

/// Runs a check whose requests answer challenges with tokens of this user; there must be some.
pub(crate) async fn as_user(credentials: &'static str, check: impl Future<Output = ()>) {
    let user = User {
        credentials,
        tokens: RefCell::default(),
        challenged: Cell::new(0),
    };
    let check = async {
        check.await;
        assert_ne!(USER.with(|user| user.challenged.get()), 0);
    };
    USER.scope(user, check).await;
}

/// The header that answers this challenge, if it is one and there is a user.
pub(super) async fn answer(server: &Server, path: &str, refused: &Answer) -> Option<String> {
    let credentials = USER.try_with(|user| user.credentials).ok()?;
    if refused.status == 400 {
        return None; // what is no name of anything needs no right
    }
    assert_eq!(refused.status, 401, "{path} was answered without a token");
    USER.with(|user| user.challenged.set(user.challenged.get() + 1));
    let scopes = scopes(server, refused);
    let known = USER.with(|user| user.tokens.borrow().get(&scopes).cloned());
    let token = match known {
        Some(token) => token,
        None => fetch(server, credentials, &scopes).await,
    };
    USER.with(|user| user.tokens.borrow_mut().insert(scopes, token.clone()));
    Some(format!("Authorization: Bearer {token}\r\n"))
}

/// The query for what a challenge asks for.
fn scopes(server: &Server, refused: &Answer) -> String {
    let challenge = refused.header("www-authenticate").unwrap();
    let realm = format!(
        "Bearer realm=\"http://{}/token\",service=\"registry\"",
        server.address()
    );
    let rest = challenge.strip_prefix(&realm).expect("a challenge");
    let scope = rest
        .strip_prefix(",scope=\"")
        .map(|rest| rest.split('"').next().unwrap());
    format!("&scope={}", scope.unwrap_or_default().replace(' ', "+"))
}

async fn fetch(server: &Server, credentials: &str, scopes: &str) -> String {
    let ask = Ask {
        server,
        method: "GET",
        path: format!("/token?service=registry{scopes}"),
        headers: String::new(),
        body: None,
    };
    let answer = ask.basic(credentials).send_with("").await;
    assert_eq!(answer.status, 200);
    answer.json()["token"].as_str().unwrap().to_owned()
}
