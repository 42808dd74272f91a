//! Attachments that the script `tests/golden/attachments/record.py` and a current Skopeo made, and Skopeo's recorded answers.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use wharf_config::Policy;
use wharf_content::{MediaType, Signature};
use wharf_reference::Reference;
use wharf_trust::{Subject, Trust};

use crate::support::manifest;

pub(crate) struct Recording {
    document: Value,
    files: tempfile::TempDir,
}

impl Recording {
    pub(crate) fn new() -> Self {
        let document: Value =
            serde_json::from_str(include_str!("../golden/attachments/answers.json")).unwrap();
        let files = tempfile::tempdir().unwrap();
        for (name, text) in document["files"].as_object().unwrap() {
            fs::write(files.path().join(name), text.as_str().unwrap()).unwrap();
        }
        Self { document, files }
    }

    pub(crate) fn cases(&self) -> &[Value] {
        self.document["cases"].as_array().unwrap()
    }

    /// The policy with the contents or paths of files instead of `@name` and `@@name`.
    fn filled_in(&self, value: &Value) -> Value {
        match value {
            Value::Object(members) => members
                .iter()
                .map(|(name, member)| (name.clone(), self.filled_in(member)))
                .collect(),
            Value::Array(items) => items.iter().map(|item| self.filled_in(item)).collect(),
            Value::String(text) => match (text.strip_prefix("@@"), text.strip_prefix('@')) {
                (Some(name), _) => self.path(name).into(),
                (None, Some(_)) => STANDARD.encode(self.text(text)).into(),
                (None, None) => value.clone(),
            },
            _ => value.clone(),
        }
    }

    fn path(&self, name: &str) -> String {
        let folder: &Path = self.files.path();
        let path = if name.is_empty() {
            folder.to_owned()
        } else {
            folder.join(name)
        };
        path.to_str().unwrap().to_owned()
    }

    /// The text of a file instead of `@name`.
    fn text(&self, text: &str) -> String {
        match text.strip_prefix('@') {
            Some(name) => self.document["files"][name].as_str().unwrap().to_owned(),
            None => text.to_owned(),
        }
    }

    fn attachment(&self, name: &Value) -> Signature {
        let json = &self.document["attachments"][name.as_str().unwrap()];
        let annotations = json["annotations"].as_object().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Signature::Attachment {
            media_type: MediaType::parse(&text(&json["mimeType"])).unwrap(),
            payload: STANDARD.decode(text(&json["payload"])).unwrap().into(),
            annotations: annotations
                .iter()
                .map(|(name, value)| (name.clone(), self.text(value.as_str().unwrap())))
                .collect(),
        }
    }

    /// The signatures of a case.
    pub(crate) fn signatures(&self, case: &Value) -> Vec<Signature> {
        let attachments = case["attachments"].as_array().unwrap();
        attachments.iter().map(|name| self.attachment(name)).collect()
    }

    pub(crate) fn case(&self, name: &str) -> &Value {
        let case = self.cases().iter().find(|case| case["name"] == name);
        case.unwrap_or_else(|| panic!("no case {name}"))
    }

    /// When it was made.
    pub(crate) fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.document["time"].as_u64().unwrap())
    }

    /// Nothing if the image of a case is accepted with these signatures, or else why not.
    pub(crate) fn judge(&self, case: &Value, signatures: &[Signature]) -> Result<(), String> {
        self.judge_at(case, signatures, self.time())
    }

    pub(crate) fn judge_at(
        &self,
        case: &Value,
        signatures: &[Signature],
        now: SystemTime,
    ) -> Result<(), String> {
        let policy = self.filled_in(&case["policy"]).to_string();
        let policy = Policy::parse(&policy).map_err(|error| error.to_string())?;
        let name = Reference::parse(case["reference"].as_str().unwrap()).unwrap();
        let trust = Trust::new(policy).with_clock(move || now);
        let verdict = trust.judge(&Subject::new(&manifest(), &name), signatures);
        verdict.map(drop).map_err(|refusal| refusal.to_string())
    }
}
