//! Policies and what is none.

/// A requirement in a policy, whether that is one, and whether Skopeo 1.9 knows the form.
pub(super) const REQUIREMENTS: &[(&str, bool, bool)] = &[
    (r#"{"type":"insecureAcceptAnything"}"#, true, true),
    (r#"{"type":"reject"}"#, true, true),
    (r#"{"type":"Reject"}"#, false, true),
    (r#"{"Type":"reject"}"#, false, true),
    (r#"{"type":"reject","x":1}"#, false, true),
    (r#"{"type":"reject","type":"reject"}"#, false, true),
    (
        r#"{"type":"reject","type":"insecureAcceptAnything"}"#,
        false,
        true,
    ),
    (r#"{"type":["reject"]}"#, false, true),
    (r#"["reject"]"#, false, true),
    (r#""reject""#, false, true),
    ("{}", false, true),
    ("null", false, true),
    (r#"{"type":"acceptAnything"}"#, false, true),
    (r#"{"type":"signedBy"}"#, false, true),
    (
        r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k"}"#,
        true,
        true,
    ),
    (
        r#"{"type":"signedBy","keyType":"signedByX509CAs","keyPath":"/k"}"#,
        true,
        true,
    ),
    (
        r#"{"type":"signedBy","keyType":"gpgKeys","keyPath":"/k"}"#,
        false,
        true,
    ),
    (
        r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":""}"#,
        false,
        true,
    ),
    (
        r#"{"type":"signedBy","keyType":"GPGKeys","keyData":"YQ=="}"#,
        true,
        true,
    ),
    (
        r#"{"type":"signedBy","keyType":"GPGKeys","keyData":"%"}"#,
        false,
        true,
    ),
    (
        r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k","keyData":"YQ=="}"#,
        false,
        true,
    ),
    (
        r#"{"type":"signedBy","keyType":"GPGKeys","keyPaths":["/a","/b"]}"#,
        true,
        false,
    ),
    (
        r#"{"type":"signedBy","keyType":"GPGKeys","keyPaths":"/a"}"#,
        false,
        true,
    ),
    (r#"{"type":"signedBy","keyPath":"/k"}"#, false, true),
    (
        r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k","signedIdentity":{"type":"matchExact"}}"#,
        true,
        true,
    ),
    (
        r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k","signedIdentity":{"type":"matchAny"}}"#,
        false,
        true,
    ),
    (
        r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k","signedIdentity":{"type":"exactReference","dockerReference":"a.example/b:c"}}"#,
        true,
        true,
    ),
    (
        r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k","signedIdentity":{"type":"exactReference","dockerReference":"a.example/b"}}"#,
        false,
        true,
    ),
    (
        r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k","signedIdentity":{"type":"exactRepository","dockerRepository":"a.example/b"}}"#,
        true,
        true,
    ),
    (
        r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k","signedIdentity":{"type":"remapIdentity","prefix":"a.example","signedPrefix":"b.example/c"}}"#,
        true,
        true,
    ),
    (
        r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k","signedIdentity":{"type":"remapIdentity","prefix":"a.example/b:c","signedPrefix":"b.example"}}"#,
        false,
        true,
    ),
    (
        r#"{"type":"signedBaseLayer","baseLayerIdentity":{"type":"matchExact"}}"#,
        true,
        true,
    ),
    (r#"{"type":"signedBaseLayer"}"#, false, true),
    (r#"{"type":"sigstoreSigned","keyPath":"/k"}"#, true, true),
    (r#"{"type":"sigstoreSigned","keyData":"YQ=="}"#, true, true),
    (r#"{"type":"sigstoreSigned"}"#, false, true),
    (
        r#"{"type":"sigstoreSigned","keyPath":"/k","keyData":"YQ=="}"#,
        false,
        true,
    ),
    (
        r#"{"type":"sigstoreSigned","keyPath":"/k","signedIdentity":{"type":"matchRepository"}}"#,
        true,
        true,
    ),
    (r#"{"type":"sigstoreSigned","keyPaths":["/k"]}"#, true, false),
    (r#"{"type":"sigstoreSigned","keyPaths":[]}"#, false, true),
    (
        r#"{"type":"sigstoreSigned","keyDatas":["YQ==","%"]}"#,
        false,
        true,
    ),
    (
        r#"{"type":"sigstoreSigned","keyPath":"/k","rekorPublicKeyPath":"/r"}"#,
        true,
        false,
    ),
    (
        r#"{"type":"sigstoreSigned","keyPath":"/k","rekorPublicKeyPath":"/r","rekorPublicKeyData":"YQ=="}"#,
        false,
        true,
    ),
    (
        r#"{"type":"sigstoreSigned","fulcio":{"caPath":"/c","oidcIssuer":"i","subjectEmail":"e"},"rekorPublicKeyPath":"/r"}"#,
        true,
        false,
    ),
    (
        r#"{"type":"sigstoreSigned","fulcio":{"caPath":"/c","oidcIssuer":"i","subjectEmail":"e"}}"#,
        false,
        true,
    ),
    (
        r#"{"type":"sigstoreSigned","fulcio":{"caPath":"/c","oidcIssuer":"i"},"rekorPublicKeyPath":"/r"}"#,
        false,
        true,
    ),
    (
        r#"{"type":"sigstoreSigned","pki":{"caRootsPath":"/c","subjectEmail":"e"}}"#,
        true,
        false,
    ),
    (
        r#"{"type":"sigstoreSigned","pki":{"caRootsPath":"/c"}}"#,
        false,
        true,
    ),
    (
        r#"{"type":"sigstoreSigned","pki":{"caRootsPath":"/c","subjectEmail":"e"},"rekorPublicKeyPath":"/r"}"#,
        false,
        true,
    ),
];

/// Whole files, and whether they are policies.
pub(super) const FILES: &[(&str, bool)] = &[
    (r#"{"default":[{"type":"reject"}]}"#, true),
    (r#"{"default":[{"type":"reject"}],"transports":{}}"#, true),
    (
        r#"{"default":[{"type":"reject"}],"transports":{"docker":{}}}"#,
        true,
    ),
    (
        r#"{"default":[{"type":"reject"}],"transports":{"unknown":{"??":[{"type":"reject"}]}}}"#,
        true,
    ),
    (
        r#"{"default":[{"type":"reject"}],"transports":{"docker":{"":[{"type":"reject"}]}}}"#,
        true,
    ),
    (
        r#"{"default":[{"type":"reject"}],"transports":{"dir":{"/a/b":[{"type":"reject"}]}}}"#,
        true,
    ),
    (
        r#"{"default":[{"type":"reject"}],"transports":{"atomic":{"a:5/b/c:d":[{"type":"reject"}]}}}"#,
        true,
    ),
    ("", false),
    ("{}", false),
    ("[]", false),
    ("null", false),
    (r#"{"default":[]}"#, false),
    (r#"{"default":null}"#, false),
    (r#"{"default":{"type":"reject"}}"#, false),
    (r#"{"Default":[{"type":"reject"}]}"#, false),
    (
        r#"{"default":[{"type":"reject"}],"default":[{"type":"reject"}]}"#,
        false,
    ),
    (r#"{"default":[{"type":"reject"}],"other":1}"#, false),
    (r#"{"default":[{"type":"reject"}]} x"#, false),
    (r#"{"default":[{"type":"reject"}],}"#, false),
    (r#"{"default":[{"type":"reject"}],"transports":[]}"#, false),
    (
        r#"{"default":[{"type":"reject"}],"transports":{"docker":[]}}"#,
        false,
    ),
    (
        r#"{"default":[{"type":"reject"}],"transports":{"docker":{"a":[]}}}"#,
        false,
    ),
    (
        r#"{"default":[{"type":"reject"}],"transports":{"docker":{},"docker":{}}}"#,
        false,
    ),
    (
        r#"{"default":[{"type":"reject"}],"transports":{"docker":{"a":[{"type":"reject"}],"a":[{"type":"reject"}]}}}"#,
        false,
    ),
    (
        r#"{"default":[{"type":"reject"}],"transports":{"dir":{"/":[{"type":"reject"}]}}}"#,
        false,
    ),
    (
        r#"{"default":[{"type":"reject"}],"transports":{"dir":{"a":[{"type":"reject"}]}}}"#,
        false,
    ),
    (
        r#"{"default":[{"type":"reject"}],"transports":{"oci":{"/a/":[{"type":"reject"}]}}}"#,
        false,
    ),
    (
        r#"{"default":[{"type":"reject"}],"transports":{"oci":{"/a/../b":[{"type":"reject"}]}}}"#,
        false,
    ),
    (
        r#"{"default":[{"type":"reject"}],"transports":{"docker-archive":{"a":[{"type":"reject"}]}}}"#,
        false,
    ),
    (
        r#"{"default":[{"type":"reject"}],"transports":{"atomic":{"a/b/c/d":[{"type":"reject"}]}}}"#,
        false,
    ),
];
