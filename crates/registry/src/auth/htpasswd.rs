use std::{
    collections::HashMap,
    fmt,
    hint::black_box,
    sync::{Arc, Mutex, RwLock},
};

use tokio::task::spawn_blocking;
use wharf_content::{Error, ErrorKind};
use wharf_reference::Digest;

use super::{
    passwords::{Busy, PasswordQueue},
    users::{hash, same},
};
use crate::{
    background,
    client::ClientNetwork,
    sync::{LockExt as _, RwLockExt as _},
};

/// The highest cost of a bcrypt hash that is accepted. Each step doubles the time of a check; at this one it
/// takes some seconds.
const MAX_COST: u32 = 16;
/// The lowest cost of a bcrypt hash.
const MIN_COST: u32 = 4;

/// Users with bcrypt hashes, as `htpasswd -B` writes them (Apache HTTP server). Clones share them.
///
/// The check of a password takes long by design, from 1 ms (cost 4) to some seconds (cost 16). Few checks run
/// at a time, fairly between clients, and on Linux on threads of low priority (`nice` 5). A password that was
/// right is remembered, as a hash, until the users are replaced. A refusal takes as long as the check of the
/// highest cost in use, whether the user exists or not.
#[derive(Clone)]
pub struct Htpasswd {
    users: Arc<RwLock<Users>>,
}

struct Users {
    entries: HashMap<String, Entry>,
    /// The highest cost of all users.
    cost: u32,
}

#[derive(Clone)]
struct Entry {
    bcrypt: String,
    cost: u32,
    /// The hash of the password that was right.
    known: Arc<Mutex<Option<Digest>>>,
}

impl Htpasswd {
    /// Parses lines of `name:hash`. Empty lines, lines that begin with `#`, and a byte order mark are
    /// skipped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`], naming the line, for a hash that is not bcrypt or has a cost outside of 4 to 16.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Ok(Self {
            users: Arc::new(RwLock::new(read(text)?)),
        })
    }

    /// Replaces the users from now on.
    ///
    /// # Errors
    ///
    /// As [`Htpasswd::parse`]; the old users stay then.
    pub fn replace(&self, text: &str) -> Result<(), Error> {
        let users = read(text)?;
        *self.users.write_locked() = users;
        Ok(())
    }

    pub(super) async fn verify(
        &self,
        queue: &PasswordQueue,
        client: &ClientNetwork,
        user: &str,
        password: &str,
    ) -> Result<bool, Busy> {
        let (entry, cost) = {
            let users = self.users.read_locked();
            if users.entries.is_empty() {
                return Ok(false);
            }
            (users.entries.get(user).cloned(), users.cost)
        };
        let Some(sent) = hash(password) else {
            return Ok(false);
        };
        if let Some(entry) = &entry {
            let known = entry.known.locked().clone();
            if known.is_some_and(|known| same(known.as_str(), sent.as_str())) {
                return Ok(true);
            }
        }
        let permit = queue.acquire(client, user).await?;
        let password = password.to_owned();
        let bcrypt = entry.as_ref().map(|entry| (entry.bcrypt.clone(), entry.cost));
        let checking = spawn_blocking(move || {
            let right = background::run(|| check(bcrypt.as_ref(), cost, &password));
            drop(permit); // not before: this goes on when the client has gone
            right
        });
        let right = checking.await.ok().flatten().ok_or(Busy::Full)?;
        if let Some(entry) = entry.filter(|_| right) {
            *entry.known.locked() = Some(sent);
        }
        Ok(right)
    }
}

/// Whether the password has this hash, of this cost. If it has not, or if there is no such user, the check
/// takes as long as one of the highest cost: each step of the cost doubles the time, so one hash of each cost
/// from the user's to the one below the highest is added.
fn check(bcrypt: Option<&(String, u32)>, highest: u32, password: &str) -> bool {
    let burn = |cost: u32| {
        let _ = black_box(bcrypt::hash_with_salt(password, cost, [0; 16]));
    };
    let Some((bcrypt, cost)) = bcrypt else {
        burn(highest);
        return false;
    };
    let right = bcrypt::verify(password, bcrypt).unwrap_or(false);
    if !right {
        (*cost..highest).for_each(burn);
    }
    right
}

impl fmt::Debug for Htpasswd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Htpasswd").finish_non_exhaustive()
    }
}

fn read(text: &str) -> Result<Users, Error> {
    let mut users = Users {
        entries: HashMap::new(),
        cost: MIN_COST,
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let invalid = |why: &str| {
            let message = format!("line {} of the password file: {why}", number + 1);
            Error::new(ErrorKind::Invalid, message)
        };
        let (user, bcrypt) = line
            .split_once(':')
            .ok_or_else(|| invalid("expected name:hash"))?;
        let is_bcrypt = ["$2a$", "$2b$", "$2y$"]
            .iter()
            .any(|prefix| bcrypt.starts_with(prefix));
        let parts = bcrypt.parse::<bcrypt::HashParts>().ok().filter(|_| is_bcrypt);
        let Some(parts) = parts else {
            return Err(invalid("not a bcrypt hash; use htpasswd -B"));
        };
        let cost = parts.get_cost();
        if !(MIN_COST..=MAX_COST).contains(&cost) {
            return Err(invalid(&format!(
                "the hash has the cost {cost}, and {MIN_COST} to {MAX_COST} are accepted; use htpasswd -B -C 12"
            )));
        }
        users.cost = users.cost.max(cost);
        let entry = Entry {
            bcrypt: bcrypt.to_owned(),
            cost,
            known: Arc::default(),
        };
        users.entries.insert(user.to_owned(), entry);
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn verify(users: &Htpasswd, user: &str, password: &str) -> bool {
        let queue = PasswordQueue::default();
        users
            .verify(&queue, &ClientNetwork::default(), user, password)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn passwords_are_checked_and_remembered() {
        let hash = bcrypt::hash("secret", 4).unwrap();
        let users = Htpasswd::parse(&format!("# people\n\nada:{hash}\n")).unwrap();
        for (user, password, right) in [
            ("ada", "wrong", false),
            ("ada", "secret", true),
            ("ada", "secret", true),
            ("ada", "wrong", false),
            ("eve", "secret", false),
        ] {
            assert_eq!(verify(&users, user, password).await, right, "{user} {password}");
        }
        users.replace("").unwrap();
        assert!(!verify(&users, "ada", "secret").await);
        assert!(!format!("{users:?}").contains(&hash));
    }

    /// A user whose password was verified before needs no turn in the queue; a guess needs one, for any user
    /// name.
    #[tokio::test(start_paused = true)]
    async fn guesses_are_bounded_and_names_do_not_show() {
        let hash = bcrypt::hash("secret", 4).unwrap();
        let users = Htpasswd::parse(&format!("ada:{hash}\nbob:{hash}\n")).unwrap();
        let (queue, client) = (PasswordQueue::default(), ClientNetwork::default());
        let verify = async |user, password| users.verify(&queue, &client, user, password).await;
        assert!(verify("ada", "secret").await.unwrap());
        let mut busy = Vec::new();
        let now = std::time::Duration::ZERO;
        while let Ok(permit) = tokio::time::timeout(now, queue.acquire(&client, "x")).await {
            busy.push(permit.unwrap());
        }
        assert!(busy.len() <= std::thread::available_parallelism().unwrap().get());
        for user in ["ada", "bob", "nobody"] {
            assert_eq!(verify(user, "a guess").await, Err(Busy::Full));
        }
        assert!(verify("ada", "secret").await.unwrap());
        drop(busy);
        assert!(verify("bob", "secret").await.unwrap());
    }

    /// Counted in hashes of the lowest cost, every refusal is as much work.
    #[test]
    fn a_refusal_costs_the_same_whoever_exists() {
        for highest in [4, 5, 8, 12, 16] {
            for cost in 4..=highest {
                let missing: u64 = (cost..highest).map(|cost| 1 << cost).sum();
                assert_eq!((1 << cost) + missing, 1 << highest);
            }
        }
        let (cheap, dear) = (
            bcrypt::hash("secret", 4).unwrap(),
            bcrypt::hash("secret", 6).unwrap(),
        );
        for (hash, cost) in [(cheap, 4), (dear, 6)] {
            let entry = (hash, cost);
            assert!(check(Some(&entry), 6, "secret"));
            assert!(!check(Some(&entry), 6, "wrong"));
        }
        assert!(!check(None, 6, "secret"));
    }

    #[test]
    fn files_of_any_editor_are_read() {
        let hash = bcrypt::hash("secret", 4).unwrap();
        for text in [
            format!("ada:{hash}"),
            format!("ada:{hash}\r\n"),
            format!("\u{feff}ada:{hash}\n"),
            format!("\u{feff}# users\r\n\r\nada:{hash}\r\n"),
            format!("  ada:{hash}  \n"),
            format!("ada:{hash}\nada:{hash}\n"),
        ] {
            let users = read(&text).unwrap();
            assert!(users.entries.keys().eq(["ada"]), "{text:?}");
        }
    }

    #[test]
    fn other_hashes_are_refused() {
        for line in [
            "ada",
            "ada:secret",
            "ada:$apr1$x$y",
            "ada:{SHA}abc=",
            "ada:$2y$05$short",
        ] {
            let error = Htpasswd::parse(&format!("#\n{line}")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains("line 2"), "{error}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn hashes_of_absurd_cost_are_refused() {
        let hash = bcrypt::hash("secret", 4).unwrap();
        for (cost, good) in [
            ("00", false),
            ("03", false),
            ("04", true),
            ("10", true),
            ("16", true),
            ("17", false),
            ("31", false),
            ("32", false),
            ("99", false),
        ] {
            let text = format!("bob:{hash}\nada:{}\n", hash.replace("$04$", &format!("${cost}$")));
            match Htpasswd::parse(&text) {
                Ok(_) => assert!(good, "{cost}"),
                Err(error) => {
                    assert!(!good, "{error}");
                    assert!(error.to_string().contains("line 2"), "{error}");
                    assert!(!error.to_string().contains(hash.split_at(7).1), "{error}");
                }
            }
        }
    }
}
