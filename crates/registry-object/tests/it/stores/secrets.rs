//! Keys of stores appear nowhere.

use std::fmt::Write as _;

use object_store::{ObjectStoreExt as _, path::Path};
use wharf_registry_object::{Store, StoreOptions, StoreUrl};

use super::failures::answering;

const CANARY: &str = "canary-51c7";

#[tokio::test]
async fn keys_are_in_no_error_and_no_debug_output() {
    let mut told = String::new();
    // A server that repeats what it was sent, as S3 does when a signature is wrong.
    let body = format!(
        "<Error><Code>SignatureDoesNotMatch</Code><Message>{CANARY}</Message><StringToSign>{CANARY}</StringToSign></Error>"
    );
    let answer = format!(
        "HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let endpoint = format!("http://{}", answering(&answer).0);
    let azure_key = "Y2FuYXJ5LTUxYzctY2FuYXJ5LTUxYzc=";
    let google =
        format!(r#"{{"private_key": "{CANARY}", "private_key_id": "{CANARY}", "client_email": "a@b"}}"#);
    let all: &[(&str, &str)] = &[
        ("AWS_ACCESS_KEY_ID", CANARY),
        ("AWS_SECRET_ACCESS_KEY", CANARY),
        ("AWS_SESSION_TOKEN", CANARY),
        ("AZURE_STORAGE_ACCOUNT", "account"),
    ];
    let sets: [&[(&str, &str)]; 8] = [
        all,
        &[("AWS_ACCESS_KEY_ID", CANARY)],
        &[("AWS_SECRET_ACCESS_KEY", CANARY)],
        &[
            ("AWS_ACCESS_KEY_ID", CANARY),
            ("AWS_SECRET_ACCESS_KEY", CANARY),
            ("AWS_ENDPOINT_URL", CANARY),
        ],
        &[
            ("AZURE_STORAGE_ACCOUNT", "account"),
            ("AZURE_STORAGE_KEY", azure_key),
        ],
        &[
            ("AZURE_STORAGE_ACCOUNT", "account"),
            ("AZURE_STORAGE_KEY", CANARY),
        ],
        &[
            ("AZURE_STORAGE_ACCOUNT", "account"),
            ("AZURE_STORAGE_SAS_TOKEN", CANARY),
        ],
        &[("GOOGLE_SERVICE_ACCOUNT_KEY", &google)],
    ];
    for variables in sets {
        for url in ["s3://images/r", "az://images/r", "gs://images/r"] {
            for endpoint in [
                endpoint.as_str(),
                &format!("http://user:{CANARY}@127.0.0.1"),
                CANARY,
            ] {
                let is_about = |name: &str| {
                    let (scheme, _) = url.split_at(2);
                    matches!(
                        (scheme, name.split('_').next()),
                        ("s3", Some("AWS")) | ("az", Some("AZURE")) | ("gs", Some("GOOGLE"))
                    )
                };
                if !variables.iter().any(|(name, _)| is_about(name)) {
                    continue; // another would ask the machine for a key
                }
                let variables = variables
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
                let options = StoreOptions::default()
                    .with_variables(variables)
                    .with_endpoint(endpoint)
                    .with_retries(0);
                write!(told, "{options:?} {options:#?}").unwrap();
                let url = StoreUrl::parse(url).unwrap();
                match Store::build(&url, &options) {
                    Ok(store) => {
                        write!(told, "{store} {store:?} {store:#?}").unwrap();
                        let (objects, multipart, signer) =
                            (store.objects(), store.multipart(), store.signer());
                        write!(told, "{objects} {objects:?} {objects:#?}").unwrap();
                        let _ = (multipart, signer);
                        if endpoint.contains("127") {
                            let failure = objects.get(&Path::from("v1/x")).await.expect_err("it refuses");
                            let error = store.failed("read", "v1/x", &failure);
                            write!(told, "{error} {error:?} {error:#?}").unwrap();
                        }
                    }
                    Err(error) => write!(told, "{error} {error:?} {error:#?}").unwrap(),
                }
            }
        }
    }
    assert!(told.contains("AWS_SECRET_ACCESS_KEY"), "names are told");
    assert!(told.contains("the key is refused"), "{told}");
    assert!(!told.contains(CANARY), "{told}");
    assert!(!told.contains(azure_key), "{told}");
    let decoded = "99, 97, 110, 97, 114, 121"; // the bytes of a key, as Debug prints them
    assert!(!told.contains(decoded), "{told}");
}
