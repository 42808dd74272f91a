use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, RwLock},
    thread,
};

use tokio::{sync::Semaphore, task::spawn_blocking};
use wharf_content::{Error, ErrorKind};
use wharf_reference::Digest;

use super::users::{Busy, hash, same};

/// Requests that may wait for their password to be checked; more are answered 429.
const MAX_WAITING: usize = 256;

/// Users with bcrypt hashes, as `htpasswd -B` writes them. Clones share them.
///
/// Checking such a password is slow by design. It is done on few threads at a time; a password that was right
/// is remembered, as a hash, until the users are replaced; a name that does not exist takes as long as one
/// that does.
#[derive(Clone)]
pub struct Htpasswd {
    users: Arc<RwLock<HashMap<String, Entry>>>,
    threads: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

#[derive(Clone)]
struct Entry {
    bcrypt: String,
    /// The hash of the password that was right.
    known: Arc<Mutex<Option<Digest>>>,
}

impl Htpasswd {
    /// Reads lines of `name:hash`; empty lines and those that begin with `#` are skipped.
    ///
    /// Fails with [`ErrorKind::Invalid`], naming the line, for anything but bcrypt.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            users: Arc::new(RwLock::new(read(text)?)),
            threads: Arc::new(Semaphore::new(cores.div_ceil(2))),
            room: Arc::new(Semaphore::new(MAX_WAITING)),
        })
    }

    /// Uses other users from now on. After a failure the old ones stay.
    pub fn replace(&self, text: &str) -> Result<(), Error> {
        let users = read(text)?;
        *self.users.write().unwrap_or_else(PoisonError::into_inner) = users;
        Ok(())
    }

    pub(super) async fn verify(&self, user: &str, password: &str) -> Result<bool, Busy> {
        let (entry, exists) = {
            let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
            match users.get(user) {
                Some(entry) => (Some(entry.clone()), true),
                None => (users.values().next().cloned(), false),
            }
        };
        let (Some(entry), Some(sent)) = (entry, hash(password)) else {
            return Ok(false);
        };
        let known = entry.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if exists && known.is_some_and(|known| same(&known, &sent)) {
            return Ok(true);
        }
        let _room = self.room.try_acquire().map_err(|_| Busy)?;
        let _thread = self.threads.acquire().await.map_err(|_| Busy)?;
        let (bcrypt, password) = (entry.bcrypt.clone(), password.to_owned());
        let checked = spawn_blocking(move || bcrypt::verify(password, &bcrypt).unwrap_or(false)).await;
        let right = checked.unwrap_or(false) & exists;
        if right {
            *entry.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(sent);
        }
        Ok(right)
    }
}

impl fmt::Debug for Htpasswd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Htpasswd").finish_non_exhaustive()
    }
}

fn read(text: &str) -> Result<HashMap<String, Entry>, Error> {
    let mut users = HashMap::new();
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
        if !is_bcrypt || bcrypt.parse::<bcrypt::HashParts>().is_err() {
            return Err(invalid("not a bcrypt hash; use htpasswd -B"));
        }
        let entry = Entry {
            bcrypt: bcrypt.to_owned(),
            known: Arc::default(),
        };
        users.insert(user.to_owned(), entry);
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures_util::{StreamExt as _, stream::FuturesUnordered};

    use super::*;

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
            assert_eq!(
                users.verify(user, password).await.unwrap(),
                right,
                "{user} {password}"
            );
        }
        users.replace("").unwrap();
        assert!(!users.verify("ada", "secret").await.unwrap());
        assert!(!format!("{users:?}").contains(&hash));
    }

    /// Guesses wait for few threads, and not too many of them; who is known passes by. Whether a name exists
    /// makes no difference.
    #[tokio::test]
    async fn guesses_are_bounded_and_names_do_not_show() {
        let hash = bcrypt::hash("secret", 4).unwrap();
        let users = Htpasswd::parse(&format!("ada:{hash}\nbob:{hash}\n")).unwrap();
        assert!(users.verify("ada", "secret").await.unwrap());
        let threads = u32::try_from(users.threads.available_permits()).unwrap();
        assert!(threads as usize <= thread::available_parallelism().unwrap().get());
        let busy = users.threads.acquire_many(threads).await.unwrap();
        let mut waiting = FuturesUnordered::new();
        for guess in 0..MAX_WAITING {
            let user = ["ada", "bob", "nobody"][guess % 3];
            let users = users.clone();
            waiting.push(async move { users.verify(user, &format!("guess {guess}")).await });
        }
        let now = std::future::poll_fn(|context| Poll::Ready(waiting.poll_next_unpin(context)));
        assert!(now.await.is_pending());
        for user in ["ada", "nobody"] {
            assert!(users.verify(user, "one more").await.is_err());
        }
        assert!(users.verify("ada", "secret").await.unwrap());
        drop(busy);
        while let Some(right) = waiting.next().await {
            assert!(!right.unwrap());
        }
        assert!(users.verify("bob", "secret").await.unwrap());
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
}
