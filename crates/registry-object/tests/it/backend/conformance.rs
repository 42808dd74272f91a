use wharf_registry::conformance;
use wharf_testkit::require_peers;

use super::Engines;

#[tokio::test]
async fn a_backend_conforms_and_so_does_what_outlives_its_process() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let checks = conformance::check(&engines.open().await)
        .await
        .expect("it conforms");
    assert!(checks > 200, "{checks}");
    conformance::check_reopened(&engines.open().await)
        .await
        .expect("it conforms when it is opened again");
}

#[tokio::test]
async fn two_processes_conform_as_one_backend() {
    require_peers!("postgres", "psql");
    let engines = Engines::new();
    let (one, other) = (engines.open().await, engines.open().await);
    conformance::check_shared(&one, &other)
        .await
        .expect("they conform");
}
