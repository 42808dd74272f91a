use std::sync::{Mutex, PoisonError};

use wharf_registry_object::{Database, DatabaseOptions, DatabaseUrl};
use wharf_testkit::{PostgreSql, require_peers};

/// Everything that any crate logs, at every level.
struct Log(Mutex<String>);

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(&format!("{}\n", record.args()));
    }

    fn flush(&self) {}
}

static LOG: Log = Log(Mutex::new(String::new()));

#[tokio::test]
async fn the_password_appears_nowhere() {
    require_peers!("postgres", "psql");
    log::set_logger(&LOG).expect("the only logger");
    log::set_max_level(log::LevelFilter::Trace);
    let server = PostgreSql::shared();
    let name = server.create_database();
    let good = server.tcp_url(&name);
    let canary = "canary-7f3a";
    let mut told = String::new();
    for url in [
        good.clone(),
        good.replace(PostgreSql::PASSWORD, canary),
        good.replace(&format!(":{}@", PostgreSql::PASSWORD), "@") + &format!("&password={canary}"),
        good.replace(PostgreSql::PASSWORD, canary)
            .replace(&server.port().to_string(), "1"),
        good.replace(PostgreSql::PASSWORD, canary)
            .replace("127.0.0.1", "absent.invalid"),
        good.replace(PostgreSql::PASSWORD, canary) + "&sslmode=require",
        good.replace(PostgreSql::PASSWORD, canary) + "&sslmode=verify-full&sslrootcert=/absent",
        good.replace(PostgreSql::PASSWORD, &format!("{canary}%zz@%ff")),
        good.replace(PostgreSql::PASSWORD, canary) + &format!("&sslpassword={canary}"),
    ] {
        let parsed = DatabaseUrl::parse(&url);
        told.push_str(&format!("{parsed:?} {parsed:#?}\n"));
        let Ok(parsed) = parsed else { continue };
        told.push_str(&format!("{parsed}\n"));
        let mut options = DatabaseOptions::default();
        options.request_time = std::time::Duration::from_millis(500);
        match Database::open(&parsed, options).await {
            Ok(database) => told.push_str(&format!("{database:?} {database:#?}\n")),
            Err(error) => told.push_str(&format!("{error} {error:?} {error:#?}\n")),
        }
    }
    assert!(
        told.contains("wharf@127.0.0.1"),
        "the rest of the address is told: {told}"
    );
    told.push_str(&LOG.0.lock().unwrap_or_else(PoisonError::into_inner));
    for secret in [canary, PostgreSql::PASSWORD] {
        assert!(!told.contains(secret), "{secret} is in:\n{told}");
    }
}
