//! Sessions that are led through a race step by step.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use wharf_registry_object::{Database, DatabaseOptions, DatabaseUrl};
use wharf_testkit::PostgreSql;

/// Numbers of events without a lock, and rows of the tables.
const TABLES: &str = "
    CREATE SEQUENCE event_numbers;
    INSERT INTO repositories (name) VALUES ('app'), ('lib');
    INSERT INTO repository_usage (repository) VALUES (1), (2);
    INSERT INTO user_usage VALUES ('ada', 0), ('bob', 0);
    INSERT INTO contents (digest, size, bytes) VALUES ('layer', 5, 'bytes')";

/// A schema with the tables of this release, the repositories `app` (1) and `lib` (2), the users `ada` and `bob`, and
/// content 1, `layer`.
pub(super) struct Race {
    url: String,
    observer: Session,
}

impl Race {
    pub(super) async fn new() -> Self {
        let url = PostgreSql::shared().create_schema();
        let parsed = DatabaseUrl::parse(&url).expect("a URL");
        Database::open(&parsed, DatabaseOptions::default())
            .await
            .expect("a database");
        let observer = Session::connect(&url).await;
        observer.run(TABLES).await;
        Self { url, observer }
    }

    /// Another connection.
    pub(super) async fn session(&self) -> Session {
        Session::connect(&self.url).await
    }

    /// The values that a query returns outside all transactions, one row an item.
    pub(super) async fn see(&self, sql: &str) -> Vec<String> {
        self.observer.run(sql).await
    }

    /// Lets a statement go on until it ends or waits for the lock of another session; `true` if it waits.
    pub(super) async fn waits(&self, started: &Started) -> bool {
        let blocked = format!("SELECT cardinality(pg_blocking_pids({})) > 0", started.session);
        while !started.statement.is_finished() {
            if self.see(&blocked).await == ["t"] {
                return true;
            }
        }
        false
    }
}

/// One connection.
pub(crate) struct Session {
    client: Arc<Client>,
    id: String,
}

impl Session {
    pub(crate) async fn connect(url: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
        tokio::spawn(connection);
        let mut session = Self {
            client: Arc::new(client),
            id: String::new(),
        };
        session.id = session.run("SELECT pg_backend_pid()").await.concat();
        session
    }

    /// Runs a statement, which must succeed, and returns the values of its rows, separated by `|`.
    pub(crate) async fn run(&self, sql: &str) -> Vec<String> {
        run(&self.client, sql)
            .await
            .unwrap_or_else(|code| panic!("{sql}: SQLSTATE {code}"))
    }

    /// Begins a statement that may have to wait.
    pub(crate) fn start(&self, sql: &str) -> Started {
        let (client, sql) = (Arc::clone(&self.client), sql.to_owned());
        let statement = tokio::spawn(async move { run(&client, &sql).await });
        Started {
            statement,
            session: self.id.clone(),
        }
    }
}

/// A statement under way.
pub(crate) struct Started {
    statement: JoinHandle<Result<Vec<String>, String>>,
    session: String,
}

impl Started {
    /// Its rows, or the SQLSTATE with which it failed.
    pub(crate) async fn end(self) -> Result<Vec<String>, String> {
        self.statement.await.expect("no panic")
    }
}

async fn run(client: &Client, sql: &str) -> Result<Vec<String>, String> {
    let answers = client.simple_query(sql).await;
    let answers = answers.map_err(|error| {
        error
            .code()
            .map_or(error.to_string(), |code| code.code().to_owned())
    })?;
    let rows = answers.iter().filter_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => {
            let values = (0..row.len()).map(|column| row.get(column).unwrap_or("-"));
            Some(values.collect::<Vec<_>>().join("|"))
        }
        _ => None,
    });
    Ok(rows.collect())
}
