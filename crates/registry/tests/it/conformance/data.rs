//! One data set of the program: pushed, listed, pulled, queried, deleted.

use serde_json::{Value, json};
use wharf_reference::{Algorithm, Digest};

use super::{blob, blobs::there, bytes, created, streamed};
use crate::served::Server;
use crate::wire::{INDEX, ask, digest_of, get, manifest_as, push_blob_as};

/// Documents of one data set: blobs, then manifests with their tags, children first.
pub(super) struct Data {
    algorithm: Algorithm,
    pub(super) blobs: Vec<Vec<u8>>,
    manifests: Vec<(Vec<u8>, Vec<String>)>,
    pub(super) tag_parameter: bool,
}

impl Data {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            blobs: Vec::new(),
            manifests: Vec::new(),
            tag_parameter: false,
        }
    }

    fn digest(&self, bytes: &[u8]) -> Digest {
        digest_of(self.algorithm, bytes)
    }

    pub(super) fn descriptor(&self, bytes: &[u8], media_type: &str) -> Value {
        json!({ "mediaType": media_type, "digest": self.digest(bytes).as_str(), "size": bytes.len() })
    }

    /// An image of so many layers, with these members too.
    pub(super) fn image(&mut self, layers: usize, extra: &Value, tags: &[&str]) -> Vec<u8> {
        let config = format!(
            "{{\"architecture\":\"amd64\",\"os\":\"linux\",\"seed\":{}}}",
            bytes(1)[0]
        );
        let layers = (0..layers).map(|_| bytes(300)).collect::<Vec<_>>();
        let slices = layers.iter().map(Vec::as_slice).collect::<Vec<_>>();
        let document = manifest_as(self.algorithm, config.as_bytes(), &slices, extra);
        self.blobs.push(config.into_bytes());
        self.blobs.extend(layers);
        self.add(document.clone(), tags);
        document
    }

    pub(super) fn index(&mut self, children: &[&[u8]], extra: &Value, tags: &[&str]) -> Vec<u8> {
        let descriptors = children.iter().map(|child| {
            let document: Value = serde_json::from_slice(child).unwrap();
            self.descriptor(child, document["mediaType"].as_str().unwrap())
        });
        let mut document = json!({
            "schemaVersion": 2, "mediaType": INDEX, "manifests": descriptors.collect::<Vec<_>>()
        });
        for (key, value) in extra.as_object().unwrap() {
            document[key] = value.clone();
        }
        let document = serde_json::to_vec(&document).unwrap();
        self.add(document.clone(), tags);
        document
    }

    pub(super) fn add(&mut self, document: Vec<u8>, tags: &[&str]) {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        self.manifests.push((document, tags));
    }

    pub(super) async fn check(&self, server: &Server) {
        for blob in &self.blobs {
            push_blob_as(server, "conf/one", blob, self.algorithm).await;
        }
        for (document, tags) in &self.manifests {
            self.push(server, document, tags).await;
        }
        self.pull(server).await;
        self.referrers(server).await;
        self.delete(server).await;
    }

    /// The first manifest needs a blob that was not pushed.
    pub(super) async fn check_refused(&self, server: &Server) {
        for blob in &self.blobs {
            push_blob_as(server, "conf/one", blob, self.algorithm).await;
        }
        let (document, _) = &self.manifests[0];
        let target = format!("/v2/conf/one/manifests/{}", self.digest(document));
        let put = ask(server, "PUT", target.as_str())
            .header("Content-Type", &type_of(document))
            .body(document.as_slice());
        let refused = put.send().await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (400, "MANIFEST_BLOB_UNKNOWN")
        );
        assert_eq!(ask(server, "HEAD", target).send().await.status, 404);
    }

    async fn push(&self, server: &Server, document: &[u8], tags: &[String]) {
        let digest = self.digest(document);
        let media_type = type_of(document);
        let subject = parse(document)["subject"]["digest"].as_str().map(str::to_owned);
        let mut targets = vec![digest.as_str().to_owned()];
        if self.tag_parameter {
            let query = tags
                .iter()
                .map(|tag| format!("tag={tag}"))
                .collect::<Vec<_>>()
                .join("&");
            targets = vec![format!("{digest}?{query}")];
        } else {
            targets.extend(tags.iter().cloned());
        }
        for (n, target) in targets.into_iter().enumerate() {
            let put = ask(server, "PUT", format!("/v2/conf/one/manifests/{target}"))
                .header("Content-Type", &media_type);
            let put = if n == 0 {
                streamed(put, document)
            } else {
                put.body(document)
            };
            let pushed = put.send().await;
            created(server, &pushed, &digest, document).await;
            assert_eq!(pushed.header("oci-subject"), subject.as_deref());
            if self.tag_parameter {
                let accepted = pushed.headers.iter().filter(|(name, _)| name == "oci-tag");
                assert!(accepted.map(|(_, value)| value).eq(tags.iter()));
            }
        }
    }

    async fn pull(&self, server: &Server) {
        let list = get(server, "/v2/conf/one/tags/list").await;
        let mut expected = self
            .manifests
            .iter()
            .flat_map(|(_, tags)| tags)
            .collect::<Vec<_>>();
        expected.sort();
        assert_eq!(list.json()["tags"], json!(expected));
        if let Some(middle) = (expected.len() / 2).checked_sub(1) {
            let path = format!("/v2/conf/one/tags/list?last={}", expected[middle]);
            assert_eq!(
                get(server, path).await.json()["tags"],
                json!(expected[middle + 1..])
            );
        }
        for bytes in &self.blobs {
            there(server, &self.digest(bytes), bytes).await;
        }
        for (document, tags) in &self.manifests {
            let digest = self.digest(document);
            for target in tags.iter().map(String::as_str).chain([digest.as_str()]) {
                for method in ["GET", "HEAD"] {
                    let path = format!("/v2/conf/one/manifests/{target}");
                    let answer = ask(server, method, path).header("Accept", "*/*").send().await;
                    assert_eq!(answer.status, 200);
                    assert!(method == "HEAD" || answer.body == *document);
                    assert_eq!(answer.header("content-type"), Some(type_of(document).as_str()));
                    assert_eq!(
                        answer.header("content-length"),
                        Some(document.len().to_string().as_str())
                    );
                    assert_eq!(answer.header("docker-content-digest"), Some(digest.as_str()));
                }
            }
        }
    }

    async fn referrers(&self, server: &Server) {
        let subjects = self
            .manifests
            .iter()
            .filter_map(|(document, _)| parse(document)["subject"]["digest"].as_str().map(str::to_owned));
        for subject in subjects.collect::<std::collections::BTreeSet<_>>() {
            let mut expected = self
                .manifests
                .iter()
                .filter_map(|(document, _)| {
                    let parsed = parse(document);
                    (parsed["subject"]["digest"] == subject.as_str())
                        .then(|| self.referrer(document, &parsed))
                })
                .collect::<Vec<_>>();
            expected.sort_by_key(|descriptor| descriptor["digest"].as_str().unwrap().to_owned());
            let path = format!("/v2/conf/one/referrers/{subject}");
            let all = get(server, path.as_str()).await;
            assert_eq!((all.status, all.header("content-type")), (200, Some(INDEX)));
            assert_eq!(all.header("oci-filters-applied"), None);
            assert_eq!(all.json()["manifests"], json!(expected));
            for descriptor in &expected {
                let Some(wanted) = descriptor["artifactType"].as_str() else {
                    continue;
                };
                let some = get(
                    server,
                    format!("{path}?artifactType={}", wanted.replace('+', "%2B")),
                )
                .await;
                assert_eq!(some.header("oci-filters-applied"), Some("artifactType"));
                let fitting = expected
                    .iter()
                    .filter(|other| other["artifactType"] == wanted)
                    .collect::<Vec<_>>();
                assert_eq!(some.json()["manifests"], json!(fitting));
            }
        }
    }

    fn referrer(&self, document: &[u8], parsed: &Value) -> Value {
        let mut descriptor = self.descriptor(document, parsed["mediaType"].as_str().unwrap());
        let artifact_type = match &parsed["artifactType"] {
            Value::Null => parsed["config"]["mediaType"].clone(),
            stated => stated.clone(),
        };
        if !artifact_type.is_null() {
            descriptor["artifactType"] = artifact_type;
        }
        if !parsed["annotations"].is_null() {
            descriptor["annotations"] = parsed["annotations"].clone();
        }
        descriptor
    }

    async fn delete(&self, server: &Server) {
        let gone = async |path: String| {
            assert_eq!(
                ask(server, "DELETE", path.as_str()).send().await.status,
                202,
                "{path}"
            );
            assert_eq!(
                ask(server, "HEAD", path.as_str()).send().await.status,
                404,
                "{path}"
            );
        };
        for tag in self.manifests.iter().flat_map(|(_, tags)| tags) {
            gone(format!("/v2/conf/one/manifests/{tag}")).await;
        }
        for (document, _) in self.manifests.iter().rev() {
            gone(format!("/v2/conf/one/manifests/{}", self.digest(document))).await;
        }
        let blobs = self.blobs.iter().map(|blob| self.digest(blob));
        for digest in blobs.collect::<std::collections::BTreeSet<_>>() {
            gone(blob(&digest)).await;
        }
    }
}

fn parse(document: &[u8]) -> Value {
    serde_json::from_slice(document).unwrap()
}

fn type_of(document: &[u8]) -> String {
    parse(document)["mediaType"].as_str().unwrap().to_owned()
}
