use std::fs;

use wharf_content::ErrorKind;
use wharf_testkit::{PostgreSql, Sandbox, TestCa, require_peers};

use super::open;

/// The server has a certificate for `localhost` and is reached as that or as `127.0.0.1`.
#[tokio::test]
async fn a_connection_is_as_secret_as_its_mode_says() {
    require_peers!("postgres", "psql");
    let (ca, other, files) = (TestCa::new(), TestCa::new(), Sandbox::new());
    for (name, ca) in [("ca.pem", &ca), ("other.pem", &other)] {
        fs::write(files.path(name), ca.pem()).expect("a file");
    }
    fs::write(files.path("empty.pem"), "no certificate").expect("a file");
    let root = |name: &str| format!("&sslrootcert={}", files.path(name).display());
    let (secret, plain) = (PostgreSql::builder().tls(&ca).start(), PostgreSql::shared());
    // Whoever connects without TLS is refused.
    let rules = "hostssl all all all scram-sha-256\\nhostnossl all all all reject\\nlocal all all trust\\n";
    let hba = secret.query("postgres", "SHOW hba_file");
    secret.query(
        "postgres",
        &format!("COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; printf \"{rules}\" > {hba}'"),
    );
    secret.query("postgres", "SELECT pg_reload_conf()");
    let tls = secret.tcp_url("postgres");
    let tls_by_name = tls.replace("127.0.0.1", "localhost");
    let none = plain.tcp_url("postgres");
    for (url, parameters, expected) in [
        (&tls, String::new(), None),
        (&tls, "&sslmode=prefer".into(), None),
        (&tls, "&sslmode=require".into(), None),
        (&tls, format!("&sslmode=require{}", root("ca.pem")), None),
        (&tls, format!("&sslmode=verify-ca{}", root("ca.pem")), None),
        (
            &tls_by_name,
            format!("&sslmode=verify-full{}", root("ca.pem")),
            None,
        ),
        (&tls, "&sslmode=disable".into(), Some(ErrorKind::Unauthorized)),
        (
            &tls,
            format!("&sslmode=verify-full{}", root("ca.pem")),
            Some(ErrorKind::Tls),
        ),
        (
            &tls,
            format!("&sslmode=verify-ca{}", root("other.pem")),
            Some(ErrorKind::Tls),
        ),
        (
            &tls,
            format!("&sslmode=require{}", root("other.pem")),
            Some(ErrorKind::Tls),
        ),
        (
            &tls_by_name,
            format!("&sslmode=verify-full{}", root("other.pem")),
            Some(ErrorKind::Tls),
        ),
        (&tls_by_name, "&sslrootcert=system".into(), Some(ErrorKind::Tls)),
        (
            &tls,
            format!("&sslmode=verify-ca{}", root("empty.pem")),
            Some(ErrorKind::Invalid),
        ),
        (
            &tls,
            format!("&sslmode=verify-ca{}", root("absent.pem")),
            Some(ErrorKind::Invalid),
        ),
        (
            &tls,
            "&channel_binding=require".into(),
            Some(ErrorKind::Unauthorized),
        ),
        (&none, String::new(), None),
        (&none, "&sslmode=disable".into(), None),
        (&none, "&sslmode=require".into(), Some(ErrorKind::Tls)),
        (
            &none,
            format!("&sslmode=verify-full{}", root("ca.pem")),
            Some(ErrorKind::Tls),
        ),
    ] {
        let opened = open(&format!("{url}{parameters}")).await;
        let kind = opened.as_ref().err().map(wharf_content::Error::kind);
        assert_eq!(kind, expected, "{parameters}: {opened:?}");
    }
    let query = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_addr IS NOT NULL";
    let _kept = open(&tls).await.expect("a connection that stays");
    assert_eq!(secret.query("postgres", query), "t");
}
